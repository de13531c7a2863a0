import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGossip, type Gossip } from '../../protocols/gossip/gossip.ts'
import { createSync, type Sync } from '../../protocols/sync/sync.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { watchLoop } from '../helpers/loop-watch.ts'
import { testIntent, testKey, testLease, testRecord, testSwarm, verify } from '../helpers/signed-swarm.ts'
import { testIntake } from '../helpers/test-intake.ts'
import { connect, testNode, waitFor, type TestNode } from '../helpers/test-network.ts'

/** A round stands for a minute of a day: 60 gossip messages and 6 syncs. */
const ROUNDS = sizeOf('COOPT_ROUNDS', 20)
const MESSAGES = 60
const SYNCS = 6
const RECORDS = 500
/** Of the rounds: caches fill, code is compiled. */
const WARM_UP = 1 / 3
const ROUNDS_AN_HOUR = 60
const GROWTH_AN_HOUR = 0.01
/** Below this many rounds noise is more than a hundredth an hour. */
const ENOUGH = 600

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const troubles: string[] = []
const onTrouble = (trouble: unknown): void => void troubles.push(String(trouble))
beforeAll(() => {
  process.on('unhandledRejection', onTrouble)
  process.on('warning', onTrouble)
})
afterAll(() => {
  process.off('unhandledRejection', onTrouble)
  process.off('warning', onTrouble)
})

interface Member extends TestNode {
  gossip: Gossip
  sync: Sync
}

const swarm = await testSwarm()
const records = await Promise.all(
  Array.from({ length: RECORDS }, (_, i) => testRecord(swarm, testKey(700 + (i % 20)), Math.floor(i / 20)))
)

/** Time of rate limits and of what is remembered: a round is a minute. */
let clock = 0
const now = (): number => clock

async function member(): Promise<Member> {
  const node = await testNode()
  const { records: set, receive } = testIntake(swarm, records)
  const gossip = createGossip(
    {
      pubsub: node.libp2p.services.pubsub,
      swarm,
      receive,
      verify,
      logger: node.libp2p.logger
    },
    { now }
  )
  await gossip.start()
  const sync = createSync(
    {
      libp2p: node.libp2p,
      verify,
      member: id =>
        id.equals(swarm.id)
          ? { swarm, records: set, receive, onMember: () => {}, holds: async cids => cids.map(() => false) }
          : undefined
    },
    { now, onFault: (_, reason) => onTrouble(reason) }
  )
  await sync.start()
  return { ...node, gossip, sync }
}

/** Share by which the fitted line grows in an hour of rounds. */
function growth(values: readonly number[]): number {
  const n = values.length
  const mean = values.reduce((sum, v) => sum + v, 0) / n
  let [above, below] = [0, 0]
  for (const [i, value] of values.entries()) {
    above += (i - (n - 1) / 2) * (value - mean)
    below += (i - (n - 1) / 2) ** 2
  }
  return ((below === 0 ? 0 : above / below) * ROUNDS_AN_HOUR) / mean
}

test(`three members gossip and sync for ${ROUNDS} rounds and keep nothing of it`, async () => {
  const [a, b, c] = [await member(), await member(), await member()]
  await connect(a, b)
  await connect(b, c)
  const { pubsub } = a.libp2p.services
  await waitFor(pubsub, 'subscription-change', () => pubsub.getSubscribers(a.gossip.topic).length > 0)
  const heap: number[] = []
  const handles: number[] = []
  const watch = watchLoop()
  let heard = 0
  b.gossip.addEventListener('lease', () => heard++)
  for (let round = 0; round < ROUNDS; round++) {
    clock += 60_000
    for (let i = 0; i < MESSAGES; i++) {
      const counter = round * MESSAGES + i
      if (i % 10 === 0) await a.gossip.publishIntent(await testIntent(swarm, a.key, { counter }))
      else await a.gossip.publishLease(await testLease(swarm, testKey(800 + (i % 8)), { counter }))
    }
    for (let i = 0; i < SYNCS; i++) {
      const [from, to] = [
        [a, b],
        [b, c],
        [c, b]
      ][i % 3] as [Member, Member]
      expect(await from.sync.run(to.libp2p.peerId, swarm.id)).toMatchObject({ equal: true })
    }
    collect()
    heap.push(process.memoryUsage().heapUsed)
    watch.reset()
    handles.push(process.getActiveResourcesInfo().length)
  }
  const { p99, most } = watch.stop()
  const from = Math.floor(ROUNDS * WARM_UP)
  const grown = growth(heap.slice(from))
  const settled = handles.slice(from)
  figure('rounds', ROUNDS)
  figure('leases heard', heard)
  figure('heap at the end, MiB', (heap.at(-1) ?? 0) / 2 ** 20)
  figure('heap an hour of rounds, %', 100 * grown)
  figure('handles, least and most', `${Math.min(...settled)} and ${Math.max(...settled)}`)
  figure('loop p99, CPU ms', p99)
  figure('loop at most, CPU ms', most)
  expect(heard).toBeGreaterThan(0)
  expect(troubles).toEqual([])
  expect(p99).toBeLessThan(50)
  expect(Math.max(...settled) - Math.min(...settled)).toBeLessThan(10)
  if (ROUNDS >= ENOUGH) expect(grown).toBeLessThan(GROWTH_AN_HOUR)
})
