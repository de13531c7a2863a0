/** coopt gc, pin, unpin, provide and merge --name, without a node. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { type fakeApi } from '../../helpers/fake-api.ts'
import { mergeReport } from '../../helpers/fake-reports.ts'
import { runCommand } from '../../helpers/run-command.ts'

const CID = rawCid(new Uint8Array([7])).toString()
const SERVICE = 'https://pins.example/v1'

async function run(args: string[], answers: Parameters<typeof fakeApi>[0] = {}, env: Record<string, string> = {}) {
  const home = await mkdtemp(join(tmpdir(), 'coopt-cli-'))
  onTestFinished(async () => await rm(home, { recursive: true }))
  const { api, ...ran } = await runCommand([...args, '--home', home], answers, { env })
  return { ...ran, calls: api.calls.map(({ name, args }) => [name, ...args]) }
}

test.each([
  [['gc'], false, /^freed +3\.1 MB in 4 blocks\nleft +1\.0 MB\n$/],
  [['gc', '--dry-run'], true, /^would free +3\.1 MB in 4 blocks\n/]
])('%j says what it frees', async (args, dryRun, text) => {
  const { code, calls, out } = await run(args, {
    gc: async options => ({ ...options, blocks: 4, bytes: 3 * 1024 * 1024, left: 1024 * 1024 })
  })
  expect({ code, calls }).toEqual({ code: 0, calls: [['gc', { dryRun }]] })
  expect(out).toMatch(text)
})

test('pin takes the token of a service from the environment and never prints it', async () => {
  const { code, calls, out, err } = await run(
    ['pin', CID, '--service', SERVICE, '--token-env', 'PIN_TOKEN', '--name', 'birds'],
    {
      pin: async (cid, _, call) => {
        call?.onEvent?.({ type: 'pinning', service: SERVICE, status: 'queued' })
        return { cid, blocks: 2, bytes: 2048, service: { url: SERVICE, request: 'r-1', status: 'pinned' } }
      }
    },
    { PIN_TOKEN: ' secret-of-mine\n' }
  )
  expect(code).toBe(0)
  expect(calls).toEqual([['pin', CID, { name: 'birds', service: { url: SERVICE, token: 'secret-of-mine' } }]])
  expect(out).toMatch(/service +https:\/\/pins\.example\/v1 \(request r-1\)/)
  expect(out + err).not.toContain('secret-of-mine')
})

test.each([
  [['--service', SERVICE], '--token-env NAME'],
  [['--service', SERVICE, '--token-env', 'UNSET_TOKEN'], 'UNSET_TOKEN is not set'],
  [['--token-env', 'PIN_TOKEN'], '--service URL']
])('pin with %j is a wrong command', async (args, message) => {
  const { code, calls, err } = await run(['pin', CID, ...args], {}, { PIN_TOKEN: 'x' })
  expect({ code, calls }).toEqual({ code: 2, calls: [] })
  expect(err).toContain(message)
})

test.each([
  [true, /^unpinned +bafk/],
  [false, /^bafk\w+ was not pinned/]
])('unpin tells whether it was pinned (%s)', async (pinned, text) => {
  const { code, out } = await run(['unpin', CID], { unpin: async () => pinned })
  expect(code).toBe(0)
  expect(out).toMatch(text)
  const json = await run(['unpin', CID, '--json'], { unpin: async () => pinned })
  expect(JSON.parse(json.out)).toEqual({ cid: CID, wasPinned: pinned })
})

test('provide tells to how many peers', async () => {
  const { code, calls, out } = await run(['provide', CID], { provide: async cid => ({ cid, peers: 12 }) })
  expect({ code, calls }).toEqual({ code: 0, calls: [['provide', CID]] })
  expect(out).toMatch(/DHT peers +12\n/)
})

test('merge --name says under which name and where the record is', async () => {
  const invite = encodeInvite({ swarm: rawCid(new Uint8Array([1])), addresses: [] })
  const { code, calls, out } = await run(['merge', invite, '--name', 'birds', '--offline'], {
    merge: async () => ({ ...mergeReport, ipns: { name: 'k51abc', record: '/h/names/birds.ipns', sequence: 3 } })
  })
  expect({ code, calls }).toEqual({ code: 0, calls: [['merge', invite, { name: 'birds' }]] })
  expect(out).toMatch(/name +\/ipns\/k51abc\nrecord +\/h\/names\/birds\.ipns\n/)
})
