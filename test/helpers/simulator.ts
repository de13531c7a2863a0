/**
 * Seeded simulation of a swarm: replicas that run the node's own state, and a network that loses, repeats, reorders and splits.
 *
 * One seed is one history: every choice is drawn from one stream, time is a counter, and nothing waits on a clock. After the trouble
 * comes quiet: everybody is back, links are whole, and digests are exchanged until they are equal and nobody has anything left to do.
 * Then all replicas must hold the same records, elect the same reference, see the same work and merge to the same CID.
 */
import { setImmediate } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { openLease } from '../../src/publish/lease.ts'
import { openRecord, sealRecord, type SignedRecord } from '../../src/publish/record.ts'
import { createRandomStream } from '../../src/random.ts'
import { checkReplicas } from './simulated-checks.ts'
import { createSimulatedNetwork, missingRecords } from './simulated-network.ts'
import { createReplica, LEASE_TTL, type Replica, type ReplicaInit, type Truth } from './simulated-replica.ts'
import { makeSwarm, resultBody, testCid, testPeer, verify } from './swarm-factory.ts'
import { testAssessment, testQuality } from './test-evidence.ts'

/** Faults put in on purpose, to see that the simulation finds them. */
export type Sabotage = 'no anti-entropy' | 'lying disk' | 'verdicts differ'

export interface SimulationReport {
  readonly replicas: number
  readonly records: number
  readonly complete: boolean
  /** Authors that signed two records under one number */
  readonly equivocators: number
  readonly crashes: number
  /** Messages that never arrived */
  readonly lost: number
  /** Check records */
  readonly checks: number
  /** Results whose targets are of other images, or nowhere */
  readonly falseResults: number
  /** The merged dataset, the same for all */
  readonly root: string
}

const PARTITIONS = 6
const PRIORS = 24
const MOST_REPLICAS = 8

export interface SimulationOptions {
  /** Members check each other's work */
  readonly checks?: boolean
  /** Everybody's clock says something else, and jumps */
  readonly clocks?: boolean
  /** Steps of trouble before the quiet */
  readonly steps?: number
}

/** Enough that most histories finish some partitions and redo others. */
const STEPS = 300

/** How wrong a clock is, and how far it jumps, in seconds: ten minutes, an hour, a year, either way. */
const SKEWS = [0, 600, 3600, -3600, 31_536_000, -31_536_000]
/** A clock jumps in this share of the steps. */
const JUMP_PERCENT = 5

/** After so many rounds of quiet something turns in circles. */
const MAX_QUIET_ROUNDS = 100

/** Run one history. Throws an error that names the seed and ends with the last steps when anything does not hold. */
export async function simulate(
  seed: number,
  sabotage?: Sabotage,
  options: SimulationOptions = {}
): Promise<SimulationReport> {
  const trace: string[] = []
  try {
    return await run(seed, sabotage, options, line => trace.push(line))
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    const last = trace.slice(-60).join('\n')
    throw new Error(`seed ${seed}: ${message}\nreplay with COOPT_SEED=${seed}; the last steps were\n${last}`, { cause })
  }
}

// --- internal ---

async function run(
  seed: number,
  sabotage: Sabotage | undefined,
  { checks = false, clocks = false, steps = STEPS }: SimulationOptions,
  note: (line: string) => void
): Promise<SimulationReport> {
  const stream = createRandomStream('test/simulator', `${seed}`)
  const below = (n: number): number => stream.below(n)
  const chance = (percent: number): boolean => below(100) < percent

  const swarm = await simulatedSwarm(checks)
  const truths = new Map<string, Truth>()
  const truth = (cid: CID): Truth => truths.get(cid.toString()) ?? 'sound'
  const open = memoizedOpen(swarm)
  const count = 5 + below(4)
  const everybody = Array.from({ length: count }, (_, i) => i)
  const network = createSimulatedNetwork(count, below)
  let time = 0
  let crashes = 0
  const skew = (): number => (clocks ? (SKEWS[below(SKEWS.length)] ?? 0) : 0)
  const wrong = everybody.map(skew)
  const replicas = everybody.map(i =>
    createReplica({
      name: `replica ${i}`,
      peer: testPeer(`replica ${i}`),
      swarm,
      open,
      now: () => time + (wrong[i] ?? 0),
      ...(checks ? { truth } : {}),
      tell: (kind, bytes) => network.send(i, kind, bytes, everybody),
      ...sabotaged(i, sabotage)
    })
  )
  const at = (i: number): Replica => replicas[i] as Replica
  /** Joins in the second half, with a prior of its own */
  const late = count - 1
  at(late).crash(() => 0)
  /** Signs several records under one number and shows them to different peers */
  const equivocator = chance(50) ? 1 : undefined
  /** Cites and claims what is not so */
  const liar = chance(50) ? 2 : undefined

  const deliver = (): string => {
    const message = network.next()
    if (message === undefined) return 'a message is lost'
    const { from, to, kind, bytes } = message
    const replica = at(to)
    if (!replica.online) return `${to} is not there to hear ${from}`
    if (kind === 'lease') replica.leases.observe(openLease(bytes, swarm, verify))
    else if (replica.receive(open(bytes))) network.send(to, 'record', bytes, [below(count), below(count)])
    return `${kind} from ${from} to ${to}`
  }

  /** Anti-entropy between two; a broken session leaves some records behind. Returns whether there was anything to do. */
  const sync = (a: number, b: number, limit = Infinity): boolean => {
    const { toA, toB, equal } = missingRecords(at(a).state.set, at(b).state.set)
    for (const { bytes } of toA.slice(0, limit)) at(a).receive(open(bytes))
    for (const { bytes } of toB.slice(0, limit)) at(b).receive(open(bytes))
    return !equal
  }

  const crash = (i: number): void => {
    crashes++
    at(i).crash(unsynced => below(unsynced + 1))
  }

  const equivocate = async (i: number): Promise<void> => {
    const { peer, state } = at(i)
    const score = at(i).own()
    if (score === undefined) return
    const seq = below(state.set.nextSeq(peer.key) + 1)
    for (let face = 0; face < 3; face++) {
      const raw = testCid(`face ${below(1000)}`)
      const { bytes } = await sealRecord(resultBody(swarm, peer, seq, score, below(PARTITIONS), { raw }), peer.sign)
      const audience = everybody.filter(to => to % 3 === face)
      network.send(i, 'record', bytes, audience)
    }
  }

  /** Another's targets under the other kind of prior; work of another's score, under another partition, to a foreign reference, with better figures than it has. */
  const lie = async (i: number): Promise<void> => {
    const { state } = at(i)
    const [scores, results] = [state.set.byType('score'), state.set.byType('result')]
    const [score, result] = [scores[below(scores.length + 1)], results[below(results.length + 1)]]
    const reference = chance(70) ? state.view().election.reference?.cid : testCid('no reference')
    const partition = below(PARTITIONS)
    const lies = testCid(`lie ${below(1000)}`)
    if (score === undefined) return
    if (chance(25)) {
      const { prior, targets, present, uniformValue } = score.body
      const kind = prior.kind === 'onnx' ? 'human' : 'onnx'
      await at(i).publish({ type: 'score', prior: { ...prior, kind }, targets, present, uniformValue })
      return
    }
    if (result === undefined || reference === undefined) {
      await at(i).publish({ type: 'result', partition, score: score.id, raw: lies, present: 10 })
      return
    }
    await at(i).publish({
      type: 'alignment',
      partition: chance(20) ? partition : result.body.partition,
      result: result.id,
      reference,
      shard: lies,
      bytes: 21_000,
      dagBytes: 21_000,
      lambda: 1,
      looR2: 1,
      looCosine: 1
    })
  }

  /** With checks: false work behind an honest score, as good as its figures; and words that are not so about the work of others. */
  const cheat = async (i: number): Promise<void> => {
    const { state } = at(i)
    const score = at(i).own()
    const { chosen, contenders, election } = state.view()
    const reference = election.reference?.cid
    const others = [...chosen.values(), ...[...contenders.values()].flat()]
    const work = others[below(others.length + 1)]
    if (work !== undefined && chance(60)) {
      const what = { partition: work.partition, alignment: work.alignment.id, result: work.result.id }
      await at(i).publish({ type: 'check', ...what, shard: chance(70) ? 'wrong' : 'lost' })
      return
    }
    if (score === undefined || reference === undefined) return
    const kind = chance(50) ? 'ghost' : 'garbage'
    const [raw, shard] = [testCid(`${kind} ${below(1_000_000)}`), testCid(`shard of ${kind} ${below(1_000_000)}`)]
    for (const cid of [raw, shard]) truths.set(cid.toString(), kind)
    const partition = below(PARTITIONS)
    const result = await at(i).publish({ type: 'result', partition, score: score.id, raw, present: 10 })
    if (result === undefined) return
    const { looR2, looCosine } = testQuality(score.body.targets, reference)
    const sizes = { bytes: 21_000, dagBytes: 21_000, lambda: 1 }
    await at(i).publish({
      type: 'alignment',
      partition,
      result: result.id,
      reference,
      shard,
      ...sizes,
      looR2,
      looCosine
    })
  }

  const act = async (i: number): Promise<string> => {
    if (at(i).own() === undefined || chance(3)) {
      await at(i).score(below(PRIORS))
      return `${i} scores`
    }
    if (i === equivocator && chance(15)) {
      await equivocate(i)
      return `${i} equivocates`
    }
    if (i === liar && chance(25)) {
      await (checks && chance(70) ? cheat(i) : lie(i))
      return `${i} lies`
    }
    const point = chance(4) ? (chance(50) ? 'before-log' : 'after-log') : undefined
    if (checks && chance(50) && (await at(i).check(point))) {
      if (at(i).online) return `${i} checks`
      crash(i)
      return `${i} dies ${point}`
    }
    const did = await at(i).act({ settled: chance(70), eager: chance(20), crash: point })
    if (at(i).online) return `${i} ${did ? 'works' : 'has nothing to do'}`
    crash(i)
    return `${i} dies ${point}`
  }

  const trouble = async (i: number): Promise<string> => {
    const dice = below(100)
    if (dice < 60 && network.inFlight > 0) return deliver()
    if (!at(i).online) {
      if (chance(40)) return `${i} stays away`
      at(i).restart()
      return `${i} starts`
    }
    if (dice < 84) return await act(i)
    if (dice < 88) {
      const j = below(late)
      if (!at(j).online || !network.isLinked(i, j) || sabotage === 'no anti-entropy') return `${i} does not reach ${j}`
      sync(i, j, chance(50) ? below(5) : Infinity)
      return `${i} syncs with ${j}`
    }
    if (dice < 90) {
      crash(i)
      return `${i} crashes`
    }
    if (dice < 93) {
      network.split()
      return 'the network splits'
    }
    if (dice < 96) {
      network.heal()
      return 'the network heals'
    }
    const available = chance(60)
    at(i).setContent(available)
    return `${i} ${available ? 'gets' : 'waits for'} content`
  }

  for (let step = 0; step < steps; step++) {
    time += below(4)
    if (clocks && chance(JUMP_PERCENT)) wrong[below(count)] = skew()
    note(`${step}: ${await trouble(below(step < steps / 2 ? late : count))}`)
    await settle()
  }

  network.heal()
  network.clear()
  for (const replica of replicas) {
    if (!replica.online) replica.restart()
    replica.setContent(true)
  }
  if (at(late).own() === undefined) await at(late).score(below(PRIORS))
  await settle()

  /** Everybody syncs with the first, until nobody has anything new. */
  const syncAll = async (): Promise<void> => {
    for (let pass = 0, busy = sabotage !== 'no anti-entropy'; busy; pass++) {
      if (pass === MAX_QUIET_ROUNDS) throw new Error('digests never become equal')
      busy = everybody.slice(1).reduce((any, i) => sync(0, i) || any, false)
      await settle()
    }
  }
  await syncAll()
  for (let round = 0, busy = true; busy; round++) {
    if (round === MAX_QUIET_ROUNDS) throw new Error('there is no end to the work')
    busy = false
    time += LEASE_TTL
    for (const i of everybody) {
      const did = (await at(i).check()) || (await at(i).act({ settled: true, eager: true }))
      if (!did) continue
      note(`quiet ${round}: ${i} works`)
      busy = sabotage !== 'no anti-entropy'
    }
    network.clear()
    await syncAll()
  }

  const guilty = equivocator === undefined ? [] : [at(equivocator).peer.id]
  const liars = liar === undefined ? guilty : [...guilty, at(liar).peer.id]
  const found = await checkReplicas(swarm, replicas, { guilty, liars, truth }, stream)
  for (const { state } of replicas) await state.stop()
  return { replicas: count, crashes, lost: network.lost, ...found }
}

function sabotaged(i: number, sabotage: Sabotage | undefined): Partial<ReplicaInit> {
  if (sabotage === 'lying disk') return { disk: 'lying' }
  if (sabotage !== 'verdicts differ' || i !== 0) return {}
  return {
    assess: (cid, kind) => {
      const verdict = testAssessment(cid, kind)
      return { ...verdict, admissible: !verdict.admissible }
    }
  }
}

/** Let everything that waits on nothing but promises come to its end. */
async function settle(): Promise<void> {
  await setImmediate()
}

const made = new Map<boolean, Promise<Swarm>>()
async function simulatedSwarm(checks: boolean): Promise<Swarm> {
  const file = { rows: 10, bytes: 20_000, dagBytes: 20_000 }
  const known = made.get(checks)
  if (known !== undefined) return await known
  const swarm = makeSwarm({
    partitions: Array.from({ length: PARTITIONS }, (_, i) => ({ cid: testCid(`partition ${i}`), ...file })),
    samples: PARTITIONS * file.rows,
    quotas: { recordsPerPeer: 10_000, recordBytes: 16_777_216 },
    ...(checks
      ? {
          acceptance: { quorum: 1, voters: 'members' },
          admission: Array.from({ length: MOST_REPLICAS }, (_, i) => testPeer(`replica ${i}`).key)
        }
      : {})
  })
  made.set(checks, swarm)
  return await swarm
}

/** Checking a record is a pure function of its bytes: when many replicas check the same one it is done once. */
function memoizedOpen(swarm: Swarm): (bytes: Uint8Array) => SignedRecord {
  const opened = new Map<string, SignedRecord>()
  return bytes => {
    const text = Buffer.from(bytes).toString('latin1')
    const known = opened.get(text)
    if (known !== undefined) return known
    const record = openRecord(bytes, swarm, verify)
    opened.set(text, record)
    return record
  }
}
