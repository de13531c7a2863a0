/** A home written before homes had versions: opened, migrated, and nothing lost (test/fixtures/home-0.md). */
import { chmod, cp, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNode, temporaryFolder } from '../../helpers/test-node.ts'
import { peerIdOf } from '../../../src/peer-key.ts'

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures')
const MANIFEST = 'bafyreiacruwilc7lv2bfrahf3yazmm7yluekukblnkzdgrhctsnmk346vy'
/** Of the card's present text: another one is another CID */
const MERGED = 'bafybeielh4zzmnhqnh75zn4pj6u2cyqz3qduhkofemleritxkkzuhbecqy'
/** The swarm of `home-0-thresholds` */
const THRESHOLDS = 'bafyreihed5jfkhxovzhqfdaqsz5ztajj7kchvymmftozwnzob72lflmjb4'
const SWARM_FILES = ['manifest.cbor', 'records.log', 'sequence']
const PEER = '12D3KooWJRJ18Axhm47gWAzorQpCcxHGBRuj41fmAEAD5U9YvfYo'

test('a home of version 0 is migrated and keeps identity, records, sequence numbers and the merged CID', async () => {
  const home = await copyOf('home-0')
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

test('a swarm with rules that are no longer followed stays closed, and nothing of it is lost', async () => {
  const home = await copyOf('home-0-thresholds')
  const swarm = join(home, 'swarms', THRESHOLDS)
  const before = await Promise.all(SWARM_FILES.map(async name => await readFile(join(swarm, name))))
  const blocks = await readdir(join(home, 'blocks'), { recursive: true })

  const { node } = await openNode(home, { network: false })
  expect(node.peer).toBe(PEER)
  expect((await node.status()).swarms).toEqual([])
  // whose files these are cannot be said without the manifest's rules: nothing may be freed
  await expect(node.gc({ dryRun: false })).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(node.merge(THRESHOLDS, {})).rejects.toMatchObject({ name: 'InvalidManifestError' })
  expect(await Promise.all(SWARM_FILES.map(async name => await readFile(join(swarm, name))))).toEqual(before)
  expect(await readdir(join(home, 'blocks'), { recursive: true })).toEqual(expect.arrayContaining(blocks))
})

/** A fixture as a home; git keeps no modes of keys. */
async function copyOf(fixture: string): Promise<string> {
  const home = join(await temporaryFolder(), 'home')
  await cp(join(FIXTURES, fixture), home, { recursive: true })
  for (const key of ['identity.key', 'keys/demo.key']) await chmod(join(home, key), 0o600)
  return home
}
