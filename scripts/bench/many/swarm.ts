/**
 * One swarm of many whole nodes in this process, over TCP on loopback: from the first join to one CID, then idle. Prints
 * one JSON object.
 *
 *     node scripts/bench/many/swarm.ts --nodes 16 [--participants 15] [--partitions 200] [--settle 60] [--idle 60]
 *
 * Beside the publisher and the participants the nodes are members that only hold and pass on.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { nodeOf } from '../../../node/create-node.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { mergeSwarm, UNSTORED } from '../../../node/merge/merge-swarm.ts'
import { openRuntime } from '../../../node/runtime.ts'
import { decodeInvite } from '../../../src/distribute/invite.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { makeSample } from '../../make-sample.ts'
import { DIMENSION, featuresOf, writeTable } from './table-priors.ts'
import { countTraffic, difference, trafficSoFar, type Traffic } from './traffic.ts'

/** The gate cannot be relied on below some 250 shared rows. */
const SHARED = 250
const ROWS_PER_PARTITION = 2
/** Joins that are under way at once: a process of one event loop stands for many machines. */
const JOINING = 2
const POLL_MS = 100
const GIVE_UP_MS = 20 * 60_000

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '16' },
    participants: { type: 'string' },
    partitions: { type: 'string', default: '200' },
    settle: { type: 'string', default: '60' },
    idle: { type: 'string', default: '60' }
  }
})
const count = Number(values.nodes)
const participants = Number(values.participants ?? count - 1)
const partitions = Number(values.partitions)

const directory = await mkdtemp(join(tmpdir(), 'coopt-many-'))
const nodes: Awaited<ReturnType<typeof openNode>>[] = []
const stopping = new AbortController()
const say = (text: string): void => console.error(`[${(performance.now() / 1000).toFixed(1)}] ${text}`)
countTraffic()
try {
  console.log(JSON.stringify(await run()))
} finally {
  stopping.abort()
  for (const { node } of nodes) await node.close()
  await rm(directory, { recursive: true, force: true })
}
process.exit() // an operation that was cut off may keep a timer

// --- internal ---

async function openNode(number: number) {
  const home = join(directory, `home-${number}`)
  await initHome(home, { network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] } })
  const runtime = await openRuntime({ home, network: true, what: 'a benchmark', onEvent: () => {} })
  // alignments here are small: a process for the products of each node would be most of the memory
  return { node: nodeOf({ ...runtime, gemm: plainGemm }), runtime }
}

async function run() {
  const images = join(directory, 'images')
  await makeSample(images, { count: SHARED + ROWS_PER_PARTITION * partitions })
  const features = await featuresOf(images)
  const [publisher] = (nodes.push(await openNode(0)), nodes)
  if (publisher === undefined) throw new Error('no publisher')
  const { invite, manifest } = await publisher.node.publish(images, {
    name: 'many',
    partitions,
    shared: SHARED,
    dimension: DIMENSION,
    election: 'uniformity',
    quorum: 0 // partitions of two rows are too small for checks
  })
  say('published')
  const before = await trafficSoFar()
  const startedAt = performance.now()
  let lastJoin = 0
  const joinOne = async (number: number): Promise<void> => {
    const opened = await openNode(number)
    nodes.push(opened)
    if (number > participants) {
      await opened.runtime.swarms.find(decodeInvite(invite), stopping.signal)
      lastJoin = Math.max(lastJoin, performance.now())
      return
    }
    const table = await writeTable(join(directory, `prior-${number}`), features, number)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    opened.node
      .join(
        invite,
        { prior: table, name: `table-${number}`, once: false },
        { signal: stopping.signal, onEvent: event => event.type === 'score' && resolve() }
      )
      .catch(reject)
    await promise
    lastJoin = Math.max(lastJoin, performance.now())
  }
  const numbers = Array.from({ length: count - 1 }, (_, i) => i + 1)
  await Promise.all(
    Array.from({ length: JOINING }, async () => {
      for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) await joinOne(number)
    })
  )
  say(`all ${count} have joined`)

  const memberships = nodes.map(({ runtime }) => {
    const found = runtime.swarms.get(manifest)
    if (found === undefined) throw new Error('a node is not in the swarm')
    return found
  })
  /** Milliseconds since the last join until it is so */
  const until = async (isIt: () => boolean | Promise<boolean>): Promise<number> => {
    while (!(await isIt())) {
      if (performance.now() - lastJoin > GIVE_UP_MS) throw new Error('gave up')
      await pause(POLL_MS)
    }
    return performance.now() - lastJoin
  }
  const electionMs = await until(() => {
    const references = memberships.map(({ state }) =>
      state.set.byType('score').length === participants && state.unjudged() === 0
        ? state.view().election.reference?.cid?.toString()
        : undefined
    )
    return references[0] !== undefined && references.every(reference => reference === references[0])
  })
  say(`elected after ${Math.round(electionMs)} ms`)
  const completeMs = await until(() => memberships.every(({ state }) => state.view().complete))
  say(`complete after ${Math.round(completeMs)} ms`)
  const cids = new Set<string>()
  const oneCidMs = await until(async () => {
    cids.clear()
    for (const membership of memberships) cids.add((await mergeSwarm(membership, UNSTORED)).root.toString())
    return cids.size === 1
  })
  say(`one CID after ${Math.round(oneCidMs)} ms`)
  const work = difference(await trafficSoFar(), before)

  stopping.abort() // participants that stay go on to improve the work of others
  await pause(Number(values.settle) * 1000)
  const cpu = process.cpuUsage()
  const idleFrom = performance.now()
  const idleBefore = await trafficSoFar()
  await pause(Number(values.idle) * 1000)
  const idleSeconds = (performance.now() - idleFrom) / 1000
  const idle = difference(await trafficSoFar(), idleBefore)
  const used = process.cpuUsage(cpu)
  const degrees = nodes.map(({ runtime }) => runtime.network?.libp2p.getConnections().length ?? 0)
  const peers = memberships.map(membership => membership.members().length)
  return {
    nodes: count,
    participants,
    partitions,
    rows: memberships[0]?.state.view().rows,
    mergedCid: [...cids],
    joinSeconds: round((lastJoin - startedAt) / 1000),
    electionSeconds: round(electionMs / 1000),
    completeSeconds: round(completeMs / 1000),
    oneCidSeconds: round(oneCidMs / 1000),
    workPerNode: perNode(work, 1),
    idlePerNodeAndSecond: perNode(idle, idleSeconds),
    cpuPercentPerNode: round((100 * (used.user + used.system)) / 1e6 / idleSeconds / count),
    connections: { mean: round(mean(degrees)), most: Math.max(...degrees) },
    members: { mean: round(mean(peers)), least: Math.min(...peers) },
    memoryMiBPerNode: round(process.memoryUsage().rss / 2 ** 20 / count)
  }
}

function perNode({ protocols, wireBytes, packets }: Traffic, seconds: number) {
  const scale = (value: number | undefined): number | undefined =>
    value === undefined ? undefined : round(value / count / seconds)
  const rows = Object.entries(protocols).map(([name, { messages, bytes }]) => [
    name,
    { messages: scale(messages), bytes: scale(bytes) }
  ])
  return { wireBytes: scale(wireBytes), packets: scale(packets), protocols: Object.fromEntries(rows) as unknown }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
