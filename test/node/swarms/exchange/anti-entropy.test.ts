import type { Connection, Libp2p, PeerId, Topology } from '@libp2p/interface'
import { NotFoundError } from '@libp2p/interface'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createAntiEntropy } from '../../../../node/swarms/exchange/anti-entropy.ts'
import { silentLogger } from '../../../../node/process/logger.ts'
import { SYNC_PROTOCOL } from '../../../../protocols/constants.ts'
import { peerIdFromString } from '@libp2p/peer-id'
import { SyncRefusedError, type Sync } from '../../../../protocols/sync/sync.ts'
import { peerIdOf } from '../../../../src/peer-key.ts'
import { testKey, testSwarm } from '../../../helpers/signed-swarm.ts'
import { testNode } from '../../../helpers/test-network.ts'

const swarm = await testSwarm()

/** A started stack that says to be connected to a known member, and to a peer about which `get` of the store throws. */
async function metBy(error: Error): Promise<{ start(): Promise<void>; synced: string[]; known: string }> {
  const [node, member, stranger] = [await testNode(), await testNode(), await testNode()]
  await node.libp2p.peerStore.merge(member.libp2p.peerId, { protocols: [SYNC_PROTOCOL] })
  const { libp2p } = node
  const store: Pick<Libp2p['peerStore'], 'get'> = {
    get: async (peer, options) => {
      if (peer.equals(stranger.libp2p.peerId)) throw error
      return await libp2p.peerStore.get(peer, options)
    }
  }
  const peers = [stranger.libp2p.peerId, member.libp2p.peerId]
  const seen = new Proxy(libp2p, {
    get: (target, name) => {
      if (name === 'getPeers') return () => peers
      if (name === 'peerStore') return store
      return Reflect.get(target, name) as unknown
    }
  })
  const synced: string[] = []
  const sync: Pick<Sync, 'run'> = {
    run: async peer => {
      synced.push(peer.toString())
      return { equal: true, sent: 0, received: 0, added: 0 }
    }
  }
  const rounds = createAntiEntropy(
    { libp2p: seen, sync, swarm: swarm.id, logger: silentLogger },
    { intervalMs: 1_000_000 }
  )
  return {
    synced,
    known: member.libp2p.peerId.toString(),
    start: async () => {
      try {
        await rounds.start()
      } finally {
        await rounds.stop()
      }
    }
  }
}

test('a connected peer that is not identified yet does not keep the others from being synced with', async () => {
  const { start, synced, known } = await metBy(new NotFoundError('not identified yet'))
  await start()
  expect(synced).toEqual([known])
})

test('any other failure of the peer store is one', async () => {
  const { start } = await metBy(new Error('the store is broken'))
  await expect(start()).rejects.toThrow('the store is broken')
})

test('peers of other swarms are not members, and are not asked again and again', async () => {
  const peers = Array.from({ length: 17 }, (_, i) => peerIdFromString(peerIdOf(testKey(8000 + i).key)))
  const [member, ...strangers] = peers as [PeerId, ...PeerId[]]
  const asked: string[] = []
  const sync: Pick<Sync, 'run'> = {
    run: async peer => {
      asked.push(peer.toString())
      if (!peer.equals(member)) throw new SyncRefusedError(peer, 'unknown-swarm')
      return { equal: true, sent: 0, received: 0, added: 0 }
    }
  }
  let topology: Topology = {}
  const libp2p = {
    getPeers: () => peers,
    peerStore: { get: async () => ({ protocols: [SYNC_PROTOCOL] }) } as unknown as Libp2p['peerStore'],
    register: async (_: string, given: Topology) => {
      topology = given
      return 'topology'
    },
    unregister: () => {}
  }
  let time = 0
  const rounds = createAntiEntropy(
    { libp2p, sync, swarm: swarm.id, logger: silentLogger },
    { intervalMs: 1_000_000, now: () => time }
  )
  onTestFinished(async () => await rounds.stop())
  await rounds.start()
  await rounds.firstMember(new AbortController().signal)
  expect(await rounds.syncAll()).toBe(true)
  expect(rounds.members()).toEqual([member])

  asked.length = 0
  for (let i = 0; i < 10; i++) await rounds.syncAll()
  expect(new Set(asked)).toEqual(new Set([member.toString()]))

  // one of them joins, another connects anew
  const [joining, back] = strangers as [PeerId, PeerId]
  rounds.onMember(joining)
  expect(rounds.members().map(String).sort()).toEqual([member, joining].map(String).sort())
  await topology.onDisconnect?.(back)
  await topology.onConnect?.(back, {} as Connection)
  expect(asked).toContain(back.toString())
  time = 31_000
  await rounds.syncAll()
  expect(new Set(asked)).toEqual(new Set(peers.map(String)))
})

test('stopped in the middle of a round, it leaves no timer behind', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const peer = peerIdFromString(peerIdOf(testKey(8100).key))
  let runs = 0
  const sync: Pick<Sync, 'run'> = {
    run: async (_peer, _swarm, { signal } = {}) => {
      if (++runs === 1) return { equal: true, sent: 0, received: 0, added: 0 }
      return await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
    }
  }
  const libp2p = {
    getPeers: () => [peer],
    peerStore: { get: async () => ({ protocols: [SYNC_PROTOCOL] }) } as unknown as Libp2p['peerStore'],
    register: async () => 'topology',
    unregister: () => {}
  }
  const rounds = createAntiEntropy({ libp2p, sync, swarm: swarm.id, logger: silentLogger }, { intervalMs: 1000 })
  await rounds.start()
  await turn()
  await vi.advanceTimersByTimeAsync(1300)
  expect(runs, 'a round is under way').toBe(2)
  await rounds.stop()
  await turn()
  expect(vi.getTimerCount()).toBe(0)
})
