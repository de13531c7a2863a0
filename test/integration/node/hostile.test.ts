import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { peerIdFromString } from '@libp2p/peer-id'
import { encodePrefix } from '../../../protocols/framing.ts'
import { encodeGossip } from '../../../protocols/gossip/messages.ts'
import { recordTopic, REFERENCE_PROTOCOL, SYNC_PROTOCOL } from '../../../protocols/constants.ts'
import { cborCid, encodeCbor, rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { sealManifest, type Manifest } from '../../../src/distribute/manifest.ts'
import { seal } from '../../../src/envelope.ts'
import { sealRecord, type Score, type SignedRecord } from '../../../src/publish/record.ts'
import { testKey } from '../../helpers/signed-swarm.ts'
import { waitFor } from '../../helpers/test-network.ts'
import { closeShared, dial, pictures, shared, startNode, type TestNode } from '../../helpers/test-node.ts'

/** A publisher that hostile nodes talk to: it must stay up, and know whom not to trust. */
let publisher: TestNode
let invite: string
let manifest: string

beforeAll(async () => {
  publisher = await shared(async () => await startNode())
  ;({ invite, manifest } = await publisher.publish(await shared(async () => await pictures(40)), {
    partitions: 2,
    shared: 16,
    dimension: 16
  }))
})
afterAll(closeShared)

/** A node that is a member, as far as the publisher knows. */
async function attacker(): Promise<TestNode> {
  const node = await startNode()
  await node.node.status(invite)
  return node
}

const score = (of: TestNode, change: Partial<Score> = {}): Score => ({
  v: 1,
  swarm: publisher.membership(manifest).swarm.id,
  author: of.runtime.identity.key,
  seq: 0,
  type: 'score',
  prior: { id: rawCid(Uint8Array.of(1)), kind: 'onnx', name: 'hostile', dimension: 64 },
  targets: rawCid(Uint8Array.of(2)),
  present: 16,
  uniformValue: -1,
  ...change
})

/** What the publisher thinks of a peer changes by faults only. */
async function untilFault(of: TestNode, provoke: () => Promise<unknown>): Promise<void> {
  const { conduct } = publisher.network
  const before = conduct.score(of.peer)
  const fault = conduct.fault.bind(conduct)
  const { promise, resolve } = Promise.withResolvers<void>()
  conduct.fault = (peer, reason) => {
    fault(peer, reason)
    if (peer.toString() === of.peer) resolve()
  }
  try {
    await provoke()
    await promise
  } finally {
    conduct.fault = fault
  }
  expect(conduct.score(of.peer)).toBeLessThan(before)
}

describe('records sent in a sync session', () => {
  const otherSwarm = rawCid(Uint8Array.of(3))
  const cases: [string, (of: TestNode) => Promise<Uint8Array>][] = [
    ['with a wrong signature', async of => (await sealRecord(score(of), testKey(5).sign)).bytes],
    [
      'of another swarm',
      async of => (await sealRecord(score(of, { swarm: otherSwarm }), of.runtime.identity.sign)).bytes
    ],
    [
      'with an impossible uniform value',
      async of => (await sealRecord(score(of, { uniformValue: -50 }), of.runtime.identity.sign)).bytes
    ],
    [
      'with unknown fields',
      async of => await seal('coopt/1/record\0', { ...score(of), extra: 1 }, of.runtime.identity.sign)
    ]
  ]
  test.each(cases)('%s are refused, and their sender loses standing', async (_, make) => {
    const bad = await attacker()
    const bytes = await make(bad)
    const { state } = bad.membership(manifest)
    // as a node that checks nothing would hold it
    const forged: SignedRecord = { id: rawCid(bytes), key: rawCid(bytes).toString(), body: score(bad), bytes }
    state.set.insert(forged)
    await untilFault(bad, async () => await bad.membership(manifest).sync())
    expect(publisher.membership(manifest).state.set.size).toBe(0)
  })
})

test('a record over the quota of its author is not taken; it is no fault, quotas are learnt from the manifest', async () => {
  const bad = await attacker()
  const { bytes } = await sealRecord(score(bad, { seq: 100_000 }), bad.runtime.identity.sign)
  const membership = bad.membership(manifest)
  membership.state.set.insert({ id: rawCid(bytes), key: rawCid(bytes).toString(), body: score(bad), bytes })
  const before = publisher.network.conduct.score(bad.peer)
  expect(await membership.sync()).toBe(true)
  expect(await membership.sync()).toBe(true)
  expect(publisher.membership(manifest).state.set.size).toBe(0)
  expect(publisher.network.conduct.score(bad.peer)).toBe(before)
})

describe('frames', () => {
  test.each([
    ['sync', SYNC_PROTOCOL],
    ['reference', REFERENCE_PROTOCOL]
  ])('that are oversized or no messages on %s are refused, and their sender loses standing', async (_, protocol) => {
    const bad = await startNode()
    await dial(bad, publisher)
    const send = async (bytes: Uint8Array): Promise<void> => {
      const stream = await bad.network.libp2p.dialProtocol(publisher.network.libp2p.peerId, protocol)
      const closed = new Promise<void>(resolve => stream.addEventListener('close', () => resolve()))
      stream.send(bytes)
      await closed
    }
    const nonsense = encodeCbor({ t: 'digest', swarm: 'not a cid', full: 3 })
    const frames = [
      encodePrefix(200_000_000),
      Buffer.concat([encodePrefix(8), new Uint8Array(8)]),
      Buffer.concat([encodePrefix(nonsense.byteLength), nonsense])
    ]
    for (const frame of frames) await untilFault(bad, async () => await send(frame))
    expect(publisher.network.conduct.score(bad.peer)).toBeLessThan(-20)
  })

  test('that are no records on gossip cost their sender its standing', async () => {
    const bad = await attacker()
    const topic = recordTopic(publisher.membership(manifest).swarm.id)
    const { pubsub } = bad.network.libp2p.services
    await waitFor(pubsub, 'subscription-change', () =>
      pubsub.getSubscribers(topic).some(p => p.equals(peerIdFromString(publisher.peer)))
    )
    const wrong = await sealRecord(score(bad), testKey(6).sign)
    const messages = [Uint8Array.of(0xff, 9, 9), encodeGossip({ kind: 'record', bytes: wrong.bytes })]
    for (const message of messages) await untilFault(bad, async () => await pubsub.publish(topic, message))
    expect(publisher.membership(manifest).state.set.size).toBe(0)
  })

  test('sent without end get their sender kept out', async () => {
    const bad = await startNode()
    const { conduct } = publisher.network
    await dial(bad, publisher)
    const denied = new Promise<void>(resolve => conduct.addEventListener('denied', () => resolve()))
    for (let i = 0; i < 8 && !conduct.isDenied(bad.peer); i++) {
      try {
        const stream = await bad.network.libp2p.dialProtocol(publisher.network.libp2p.peerId, SYNC_PROTOCOL)
        const closed = new Promise<void>(resolve => stream.addEventListener('close', () => resolve()))
        stream.send(encodePrefix(250_000_000))
        await closed
      } catch {
        break // the connection is gone
      }
    }
    await denied
    const again = dial(bad, publisher).then(
      async () => await bad.network.libp2p.services.ping.ping(publisher.network.libp2p.peerId)
    )
    await expect(again).rejects.toBeInstanceOf(Error)
  })
})

describe('a manifest signed by its publisher', () => {
  const hostile: [string, Partial<Manifest>][] = [
    ['names that are paths and control characters', { name: '../../../etc/passwd\u0000\u001b[2J' }],
    ['a dimension of no machine', { dimension: 2 ** 31 }],
    ['a negative count', { samples: -5 }],
    ['no partitions', { partitions: [] }],
    ['an endless quota', { quotas: { recordsPerPeer: 2 ** 40, recordBytes: 2 ** 50 } }],
    ['a grid that is not finite', { alignment: { grid: [Number.MAX_VALUE], minLooZ: 0 } }]
  ]
  test.each(hostile)('with %s is refused on joining, without a trace', async (_, change) => {
    const { manifest: honest } = publisher.membership(manifest).swarm
    const { sign } = publisher.runtime.identity
    await expect(sealManifest({ ...honest, ...change }, sign), 'nobody signs it by mistake').rejects.toMatchObject({
      name: 'InvalidManifestError'
    })
    const bytes = await seal('coopt/1/manifest\0', { ...honest, ...change }, sign)
    const { cid, stop } = await serveManifest(bytes)
    try {
      const victim = await startNode()
      const bad = encodeInvite({ swarm: cid, addresses: publisher.node.addresses() })
      const refused = victim.node.status(bad)
      await expect(refused).rejects.toMatchObject({ name: 'ContentUnavailableError' })
      expect((await victim.node.status()).swarms).toEqual([])
    } finally {
      stop()
    }
  })

  /** Have the publisher hand these bytes out under their own CID. */
  async function serveManifest(bytes: Uint8Array) {
    const cid = cborCid(bytes)
    const { swarms } = publisher.runtime
    const get = swarms.get
    const real = publisher.membership(manifest)
    swarms.get = id => (id === cid.toString() ? { ...real, swarm: { ...real.swarm, id: cid, bytes } } : get(id))
    return {
      cid,
      stop: () => {
        swarms.get = get
      }
    }
  }
})

test('an invite to nobody, or with nonsense in it, is a clear error', async () => {
  const node = await startNode()
  const swarm = rawCid(Uint8Array.of(4))
  await expect(node.node.status('coopt1nonsense')).rejects.toMatchObject({ name: 'InvalidInputError' })
  const nowhere = encodeInvite({ swarm, addresses: ['/ip4/127.0.0.1/tcp/1'] })
  await expect(node.node.status(nowhere)).rejects.toMatchObject({
    name: 'ContentUnavailableError',
    message: expect.stringContaining('/ip4/127.0.0.1/tcp/1') as string
  })
})

test('after all that the publisher still answers, and has taken nothing', async () => {
  const [swarm] = (await publisher.node.status(invite)).swarms
  expect(swarm?.peers).toEqual([])
})
