import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { createSync, type Sync } from '../../protocols/sync/sync.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { testKey, testRecord, testSwarm, verify } from '../helpers/signed-swarm.ts'
import { testIntake } from '../helpers/test-intake.ts'
import { testNode, type TestNode } from '../helpers/test-network.ts'

const RECORDS = sizeOf('COOPT_RECORDS', 1000)
const AUTHORS = 20
const LIMIT_MS = 30_000
const MOST_BYTES = 1.5
/** Sessions until two sets are equal: one brings what fits, the next says that nothing is left; one that breaks is begun again, behind what it brought. */
const MOST_SESSIONS = 10

const swarm = await testSwarm()

async function member(list: Iterable<SignedRecord> = []): Promise<TestNode & { sync: Sync; records: RecordSet }> {
  const node = await testNode()
  const { records, receive } = testIntake(swarm, list)
  const sync = createSync(
    {
      libp2p: node.libp2p,
      verify,
      member: id =>
        id.equals(swarm.id)
          ? { swarm, records, receive, onMember: () => {}, holds: async cids => cids.map(() => false) }
          : undefined
    },
    { onFault: (_, reason) => expect.fail(reason) }
  )
  await sync.start()
  return { ...node, sync, records }
}

/** A line to a port of this machine that counts what goes over it, both ways. */
async function countingLine(port: number): Promise<{ port: number; bytes: () => number }> {
  let bytes = 0
  const server = createServer(near => {
    const far = connectTcp(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      from.on('data', (chunk: Buffer) => (bytes += chunk.byteLength))
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, bytes: () => bytes }
}

async function untilEqual(from: TestNode & { sync: Sync }, to: TestNode): Promise<number> {
  for (let sessions = 1; sessions <= MOST_SESSIONS; sessions++) {
    const isEqual = await from.sync.run(to.libp2p.peerId, swarm.id).then(
      ({ equal }) => equal,
      (error: unknown) => {
        // a busy machine: a frame took more than its 10 s
        if (error instanceof ContentUnavailableError) return false
        throw error
      }
    )
    if (isEqual) return sessions
  }
  return expect.fail(`not equal after ${MOST_SESSIONS} sessions`)
}

test(`members without gossip come to the same ${RECORDS} records by digests alone`, async () => {
  const authors = Array.from({ length: AUTHORS }, (_, i) => testKey(500 + i))
  const all = await Promise.all(
    Array.from({ length: RECORDS }, (_, i) =>
      testRecord(swarm, authors[i % AUTHORS] ?? testKey(500), Math.floor(i / AUTHORS))
    )
  )
  const full = await member(all)
  const empty = await member()
  const [address] = full.libp2p.getMultiaddrs()
  const line = await countingLine(Number(address?.toString().split('/')[4]))
  await empty.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${line.port}/p2p/${full.libp2p.peerId}`))
  const startedAt = performance.now()
  const before = line.bytes()
  const sessions = await untilEqual(empty, full)
  const ms = performance.now() - startedAt
  const needed = all.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  const ratio = (line.bytes() - before) / needed
  figure('records', RECORDS)
  figure('seconds', ms / 1000)
  figure('sessions', sessions)
  figure('bytes over those of the records', ratio)
  const keys = (set: RecordSet): string[] => set.records().map(r => r.key)
  expect(keys(empty.records)).toEqual(keys(createRecordSet(all)))
  expect(ms).toBeLessThan(LIMIT_MS)
  expect(ratio).toBeLessThan(MOST_BYTES)
})

test('two that each hold three quarters of them end with all, and three in a row too', async () => {
  const authors = Array.from({ length: AUTHORS }, (_, i) => testKey(600 + i))
  const all = await Promise.all(
    Array.from({ length: Math.max(AUTHORS, RECORDS / 5) }, (_, i) =>
      testRecord(swarm, authors[i % AUTHORS] ?? testKey(600), Math.floor(i / AUTHORS))
    )
  )
  const cut = Math.floor(all.length / 4)
  const [a, b, c] = [await member(all.slice(cut)), await member(all.slice(0, -cut)), await member()]
  await a.libp2p.dial(b.libp2p.getMultiaddrs())
  await b.libp2p.dial(c.libp2p.getMultiaddrs())
  const startedAt = performance.now()
  await untilEqual(a, b)
  await untilEqual(b, c)
  figure('seconds for three in a row', (performance.now() - startedAt) / 1000)
  for (const { records } of [a, b, c]) expect(records.size).toBe(all.length)
})
