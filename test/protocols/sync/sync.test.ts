import type { CID } from 'multiformats/cid'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SYNC_PROTOCOL } from '../../../protocols/constants.ts'
import { encodePrefix, frameStream } from '../../../protocols/framing.ts'
import { decodeMessage, encodeMessage } from '../../../protocols/message.ts'
import {
  decodeBitmap,
  digestSchema,
  encodeBitmap,
  heldReplySchema,
  manifestReplySchema,
  namesSchema,
  recordsSchema,
  requestSchema
} from '../../../protocols/sync/messages.ts'
import { createSync, type Sync, type SyncInit } from '../../../protocols/sync/sync.ts'
import { rawCid } from '../../../src/codec.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { ContentUnavailableError, ProtocolError } from '../../../src/errors.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import { testKey, testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { testIntake } from '../../helpers/test-intake.ts'
import { streamHub, type HubPeer } from '../../helpers/stream-hub.ts'

const swarm = await testSwarm()
const never = new AbortController().signal

interface Member {
  libp2p: HubPeer
  sync: Sync
  records: RecordSet
  faults: string[]
  /** Peers that spoke as members */
  asMembers: string[]
}

async function member(
  libp2p: HubPeer,
  records: Iterable<SignedRecord>,
  { of = swarm, holds = [], ...init }: SyncInit & { of?: Swarm; holds?: CID[] } = {}
): Promise<Member> {
  const { records: set, receive } = testIntake(of, records)
  const asMembers: string[] = []
  const faults: string[] = []
  const sync = createSync(
    {
      libp2p,
      verify,
      member: id =>
        id.equals(of.id)
          ? {
              swarm: of,
              records: set,
              receive,
              onMember: peer => asMembers.push(peer.toString()),
              holds: async cids => cids.map(cid => holds.some(h => h.equals(cid)))
            }
          : undefined
    },
    { ...init, onFault: (_, reason) => faults.push(reason) }
  )
  await sync.start()
  return { libp2p, sync, records: set, faults, asMembers }
}

const keys = (m: Member): string[] => m.records.records().map(r => r.key)

async function makeRecords(author: number, count: number): Promise<SignedRecord[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => testRecord(swarm, testKey(author), i)))
}

const pool = [...(await makeRecords(1, 40)), ...(await makeRecords(2, 40)), await testRecord(swarm, testKey(1), 0, 1)]

describe('sync', () => {
  test('brings two sets to their join in one session, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray(pool), fc.subarray(pool), async (x, y) => {
        const hub = streamHub()
        const [a, b] = [await member(hub.peer(1), x), await member(hub.peer(2), y)]
        const report = await a.sync.run(b.libp2p.peerId, swarm.id)
        const union = createRecordSet([...x, ...y])
        expect(keys(a)).toEqual(union.records().map(r => r.key))
        // the answering side is done when it has read everything, which the initiator does not wait for
        const again = await a.sync.run(b.libp2p.peerId, swarm.id)
        expect(again).toEqual({ equal: true, sent: 0, received: 0, added: 0 })
        expect(keys(b)).toEqual(keys(a))
        expect(report.received).toBe(
          createRecordSet(y)
            .records()
            .filter(r => !createRecordSet(x).has(r.key)).length
        )
        expect([a.faults, b.faults]).toEqual([[], []])
      }),
      { numRuns: 30 }
    )
  })

  test('serves a late joiner everything, and only once', async () => {
    const hub = streamHub()
    const [full, late] = [await member(hub.peer(1), pool), await member(hub.peer(2), [])]
    expect(await late.sync.run(full.libp2p.peerId, swarm.id)).toEqual({
      equal: false,
      sent: 0,
      received: pool.length,
      added: pool.length
    })
  })

  test('brings two full sets that differ to the same set, and then sends nothing more', async () => {
    const small = await testSwarm({ quotas: { recordsPerPeer: 10_000, recordBytes: 65_536 } })
    const make = async (author: number): Promise<SignedRecord[]> =>
      await Promise.all(Array.from({ length: 180 }, (_, i) => testRecord(small, testKey(author), i)))
    const [x, y] = [await make(1), await make(2)]
    expect(createRecordSet(x).bytes).toBeLessThan(65_536)
    const hub = streamHub()
    const [a, b] = [await member(hub.peer(1), x, { of: small }), await member(hub.peer(2), y, { of: small })]
    expect([a.records.size, b.records.size]).toEqual([180, 180])
    await a.sync.run(b.libp2p.peerId, small.id)
    expect(await a.sync.run(b.libp2p.peerId, small.id)).toEqual({ equal: true, sent: 0, received: 0, added: 0 })
    expect(keys(a)).toEqual(keys(b))
    // in turns: as many of each author, or one more of the one that comes first
    const kept = new Set(keys(a))
    const [ofX, ofY] = [x, y].map(list => list.filter(({ key }) => kept.has(key)).length) as [number, number]
    expect(kept).toEqual(new Set([...x.slice(0, ofX), ...y.slice(0, ofY)].map(({ key }) => key)))
    expect(Math.abs(ofX - ofY)).toBeLessThanOrEqual(1)
    expect(a.records.bytes).toBeGreaterThanOrEqual(65_536)
    expect([a.faults, b.faults]).toEqual([[], []])
  })

  test('tells a member which peers speak as members, not who asks for the manifest', async () => {
    const hub = streamHub()
    const [a, b, c] = [await member(hub.peer(1), []), await member(hub.peer(2), []), await member(hub.peer(3), [])]
    await c.sync.fetchManifest([a.libp2p.peerId], swarm.id)
    expect(a.asMembers).toEqual([])
    await b.sync.run(a.libp2p.peerId, swarm.id)
    await c.sync.holds(a.libp2p.peerId, swarm.id, [swarm.id])
    expect(a.asMembers).toEqual([b, c].map(({ libp2p }) => libp2p.peerId.toString()))
  })

  test('ends at an invalid record, blames its sender and keeps what was valid', async () => {
    const hub = streamHub()
    const evil = hub.peer(9)
    const good = pool[0] as SignedRecord
    await evil.handle(SYNC_PROTOCOL, async stream => {
      const framed = frameStream(stream)
      await framed.read(16_384, never)
      const digest = new Uint8Array(4096).fill(1)
      await framed.write(encodeMessage(digestSchema, { t: 'digest', swarm: swarm.id, digest }), never)
      await framed.read(300_000, never)
      const forged = Uint8Array.from(good.bytes)
      forged[forged.byteLength - 1] = (forged.at(-1) as number) ^ 1
      await framed.write(encodeMessage(recordsSchema, { t: 'records', records: [forged], more: false }), never)
    })
    const a = await member(hub.peer(1), [])
    await expect(a.sync.run(evil.peerId, swarm.id)).rejects.toMatchObject({ reason: 'bad-signature' })
    expect(a.faults).toEqual(['bad-signature'])
    expect(a.records.size).toBe(0)
  })

  test('refuses strangers to the swarm, and too many sessions', async () => {
    const hub = streamHub()
    const other = await testSwarm({ name: 'other' })
    const a = await member(hub.peer(1), [])
    const b = await member(hub.peer(2), [], { of: other })
    const busy = await member(hub.peer(3), [], { sessionLimit: { perSecond: 0.001, burst: 1 } })
    await expect(a.sync.run(b.libp2p.peerId, swarm.id)).rejects.toThrow('unknown-swarm')
    await a.sync.run(busy.libp2p.peerId, swarm.id)
    await expect(a.sync.run(busy.libp2p.peerId, swarm.id)).rejects.toThrow('rate-limited')
    expect([a.faults, b.faults, busy.faults]).toEqual([[], [], []])
  })

  test('says that a peer cannot be reached', async () => {
    const a = await member(streamHub().peer(1), [])
    await expect(a.sync.run(streamHub().peer(2).peerId, swarm.id)).rejects.toBeInstanceOf(ContentUnavailableError)
  })

  test('answers which content is held, in order, for any number of CIDs', async () => {
    const hub = streamHub()
    const cids = Array.from({ length: 300 }, (_, i) => rawCid(Uint8Array.of(i & 255, i >> 8)))
    const holds = cids.filter((_, i) => i % 3 === 0)
    const a = await member(hub.peer(1), [])
    const b = await member(hub.peer(2), [], { holds })
    expect(await a.sync.holds(b.libp2p.peerId, swarm.id, cids)).toEqual(cids.map((_, i) => i % 3 === 0))
  })

  test('hands out the manifest, and takes it from the next peer if the first lies', async () => {
    const hub = streamHub()
    const other = await testSwarm({ name: 'other' })
    const joiner = await member(hub.peer(1), [], { of: other })
    const b = await member(hub.peer(2), [])
    const liar = hub.peer(3)
    await liar.handle(SYNC_PROTOCOL, async stream => {
      const framed = frameStream(stream)
      await framed.read(16_384, never)
      const { id, bytes } = other
      await framed.write(encodeMessage(manifestReplySchema, { t: 'manifest', swarm: id, bytes }), never)
    })
    const found = await joiner.sync.fetchManifest([liar.peerId, b.libp2p.peerId], swarm.id)
    expect(found.id.toString()).toBe(swarm.id.toString())
    expect(found.bytes).toEqual(swarm.bytes)
    expect(joiner.faults).toEqual(['protocol'])
    await expect(joiner.sync.fetchManifest([], swarm.id)).rejects.toThrow('no peer to ask')
  })

  test('survives any frames a client may send', async () => {
    const hub = streamHub()
    const a = await member(hub.peer(1), pool, { sessionLimit: { perSecond: 1e6, burst: 1e6 } })
    const attacker = hub.peer(9)
    const digest = new Uint8Array(4096).fill(1)
    const opening = encodeMessage(requestSchema, { t: 'digest', swarm: swarm.id, digest })
    const frames = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(
          opening,
          encodeMessage(namesSchema, { t: 'names', names: new Uint8Array(64), through: 256, more: true }),
          encodeMessage(recordsSchema, { t: 'records', records: [], more: true }),
          encodeMessage(recordsSchema, { t: 'records', records: [new Uint8Array(9)], more: false })
        )
      ),
      { maxLength: 4 }
    )
    await fc.assert(
      fc.asyncProperty(fc.boolean(), frames, async (proper, list) => {
        const stream = await attacker.dialProtocol(a.libp2p.peerId, SYNC_PROTOCOL)
        const closed = new Promise<void>(resolve => stream.addEventListener('close', () => resolve(), { once: true }))
        stream.addEventListener('message', () => {})
        for (const frame of proper ? [opening, ...list] : list) {
          if (stream.writeStatus !== 'writable') break
          stream.send(encodePrefix(frame.byteLength))
          stream.send(frame)
        }
        if (stream.writeStatus === 'writable') await stream.close().catch(() => {})
        await closed
      }),
      { numRuns: 150 }
    )
    expect(a.records.size).toBe(pool.length)
    // still serves
    const b = await member(hub.peer(2), [])
    expect(await b.sync.run(a.libp2p.peerId, swarm.id)).toMatchObject({ added: pool.length })
  })
})

test('bitmaps decode to what was encoded, and other lengths are refused', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 256 }), bits => {
      expect(decodeBitmap(encodeBitmap(bits), bits.length)).toEqual(bits)
      expect(decodeBitmap(encodeBitmap(bits), bits.length + 8)).toBeUndefined()
    })
  )
})

test('decoders throw only ProtocolError, whatever the bytes', () => {
  const valid = encodeMessage(requestSchema, { t: 'holds', swarm: swarm.id, cids: [swarm.id] })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(fc.nat(valid.byteLength - 1), fc.nat(255)).map(([at, to]) => {
      const out = Uint8Array.from(valid)
      out[at] = to
      return out
    })
  )
  fc.assert(
    fc.property(bytes, frame => {
      const decoders = [
        () => decodeMessage(requestSchema, frame, 16_384),
        () => decodeMessage(namesSchema, frame, 16_384),
        () => decodeMessage(recordsSchema, frame, 16_384),
        () => decodeMessage(heldReplySchema, frame, 16_384),
        () => decodeMessage(manifestReplySchema, frame, 16_384)
      ]
      for (const decode of decoders) {
        try {
          decode()
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }
    }),
    { numRuns: 3000 }
  )
})
