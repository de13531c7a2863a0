/** A home written before homes had versions: opened, migrated, and nothing lost (test/fixtures/home-0.md). */
import { chmod, cp, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNode, temporaryFolder } from '../../helpers/test-node.ts'
import { peerIdOf } from '../../../src/peer-key.ts'

const FIXTURE = join(import.meta.dirname, '..', '..', 'fixtures', 'home-0')
const MANIFEST = 'bafyreiacruwilc7lv2bfrahf3yazmm7yluekukblnkzdgrhctsnmk346vy'
const MERGED = 'bafybeibdel3hhp2r523lmk66t4rzo4cj354he5h47bnqvwtz4lzcvvczre'
const PEER = '12D3KooWJRJ18Axhm47gWAzorQpCcxHGBRuj41fmAEAD5U9YvfYo'

test('a home of version 0 is migrated and keeps identity, records, sequence numbers and the merged CID', async () => {
  const home = join(await temporaryFolder(), 'home')
  await cp(FIXTURE, home, { recursive: true })
  for (const key of ['identity.key', 'keys/demo.key']) await chmod(join(home, key), 0o600) // git keeps no such modes
  const log = await readFile(join(home, 'swarms', MANIFEST, 'records.log'))

  const { node, membership } = await openNode(home, { network: false })
  expect(await readFile(join(home, 'version'), 'utf8')).toBe('1\n')
  expect(await readdir(home)).toContain('backup-0')
  expect(node.peer).toBe(PEER)
  const records = membership(MANIFEST).state.set.records()
  expect(records.every(({ body }) => peerIdOf(body.author) === PEER)).toBe(true)
  expect(records.map(({ body }) => `${body.seq} ${body.type}`).sort()).toEqual([
    '0 score',
    '1 result',
    '2 result',
    '3 alignment',
    '4 alignment'
  ])
  expect(await readFile(join(home, 'swarms', MANIFEST, 'sequence'), 'utf8')).toContain('"next": 5')
  const report = await node.merge(MANIFEST, { name: 'demo' })
  expect(report).toMatchObject({ mergedCid: MERGED, provisional: false, rows: 56, ipns: { sequence: 1 } })
  expect(await readFile(join(home, 'swarms', MANIFEST, 'records.log'))).toEqual(log)
})
