/**
 * One replica of the simulator: the node's own swarm state, lease table and choice of tasks around a simulated log, a simulated clock and
 * content that is a function of its CID. It publishes, crashes between the steps of publishing, and starts again from its log.
 */
import { isDoubted } from '../../node/checks/due-checks.ts'
import { dueWork } from '../../node/checks/due-work.ts'
import { isJudgeable, isUndecided } from '../../node/checks/undecided.ts'
import type { CID } from 'multiformats/cid'
import { createLeaseTable, type LeaseTable } from '../../node/state/leases.ts'
import type { Logger } from '../../node/process/logger.ts'
import { hasResultBy, nextTask } from '../../node/participant/next-task.ts'
import { createSwarmState, type Draft, type SwarmState } from '../../node/state/swarm-state.ts'
import { elect } from '../../src/align/election.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { assessmentKey, belowFloor, qualityKey, type Choice, type Pending } from '../../src/merge/views.ts'
import { sealLease, type Lease } from '../../src/publish/lease.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { testCid, verify, type TestPeer } from './swarm-factory.ts'
import { fraction, testAssessment, testQuality } from './test-evidence.ts'

/** `before-log`: the number is taken, nothing is logged. `after-log`: the record is durable, nobody was told. */
export type CrashPoint = 'before-log' | 'after-log'

export interface ReplicaInit {
  name: string
  peer: TestPeer
  swarm: Swarm
  /** The log's bytes as records, checked */
  open(bytes: Uint8Array): SignedRecord
  now(): number
  /** Hand something to the network */
  tell(kind: 'record' | 'lease', bytes: Uint8Array): void
  /** How this replica sees content; the same on all replicas unless a test wants the simulator to find a fault */
  assess?: typeof testAssessment
  /** Does a synced append survive a crash? Only a faulty disk says no. */
  disk?: 'honest' | 'lying'
  /** What a check finds of these raw targets, or of this shard: a function of the CID. Only in swarms with checks. */
  truth?(cid: CID): Truth
}

/** Nobody has it; it belongs to other images; or it is what it should be. */
export type Truth = 'ghost' | 'garbage' | 'sound'

export interface Replica {
  readonly name: string
  readonly peer: TestPeer
  readonly state: SwarmState
  readonly leases: LeaseTable
  readonly online: boolean
  /** Own records that are durable: the promise is that they are never lost */
  readonly durable: ReadonlySet<string>
  /** Take a checked record from elsewhere. Returns whether it was new. */
  receive(record: SignedRecord): boolean
  /** Make the content of scores available or let it hang */
  setContent(available: boolean): void
  /** Publish the score of a prior, by number */
  score(prior: number): Promise<void>
  /** Check the work of others that is due, one piece. Returns whether there was any. */
  check(crash?: CrashPoint): Promise<boolean>
  /** Do the next task, if there is one. `eager` takes up what others left waiting. Returns whether there was one. */
  act(options: { settled: boolean; eager: boolean; crash?: CrashPoint | undefined }): Promise<boolean>
  /** Publish any body, right or wrong */
  publish(draft: Draft, crash?: CrashPoint): Promise<SignedRecord | undefined>
  /** Lose what is in memory and, of the log's unsynced end, all but `keep(unsynced entries)` */
  crash(keep: (unsynced: number) => number): void
  restart(): void
  /** The own score that work is done with: the best one that may be used, else the newest */
  own(): SignedRecord<Score> | undefined
}

export const LEASE_TTL = 60

/** Stands for a kill: everything after it is not run. */
class Crash extends Error {}

export function createReplica(init: ReplicaInit): Replica {
  const { name, peer, swarm, open, now, tell, assess = testAssessment, disk = 'honest' } = init
  const { manifest } = swarm
  const durable = new Set<string>()
  let log: { bytes: Uint8Array; synced: boolean }[] = []
  let unused = 0 // the sequence file: durable before a number is used
  let counter = 0
  let crashAt: CrashPoint | undefined
  let content: PromiseWithResolvers<void> | undefined
  let online = true
  let leases: LeaseTable
  let state: SwarmState

  const boot = (): void => {
    leases = createLeaseTable({ self: peer.key, ttlMs: LEASE_TTL, now })
    state = createSwarmState(
      {
        swarm,
        self: peer.key,
        sign: peer.sign,
        verify,
        patient: false,
        logger: silent,
        log: {
          append: async (bytes, { sync }) => {
            if (sync && crashAt === 'before-log') throw new Crash()
            log.push({ bytes, synced: sync && disk === 'honest' })
            if (sync) for (const entry of log) entry.synced = disk === 'honest'
            if (sync) durable.add(open(bytes).key)
            if (sync && crashAt === 'after-log') throw new Crash()
          }
        },
        sequence: {
          next: async known => {
            unused = Math.max(unused, known) + 1
            return unused - 1
          }
        },
        exact: {
          assess: async (cid, kind) => assess(cid, kind),
          quality: async (from, to) => testQuality(from, to),
          elect: async candidates => elect(manifest, candidates),
          forget: async () => {}
        },
        fetchTargets: async (_, { signal }) => {
          if (content !== undefined) {
            const aborted = Promise.withResolvers<never>()
            signal.addEventListener('abort', () => aborted.reject(signal.reason))
            await Promise.race([content.promise, aborted.promise])
          }
          return { rows: 0, columns: 0, data: new Float32Array(0) }
        }
      },
      createRecordSet(
        log.map(({ bytes }) => open(bytes)),
        manifest.quotas
      )
    )
    state.start()
  }
  boot()

  const publish = async (draft: Draft, crash?: CrashPoint): Promise<SignedRecord | undefined> => {
    crashAt = crash
    try {
      const record = await state.publish(draft)
      tell('record', record.bytes)
      return record
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      online = false
      return undefined
    } finally {
      crashAt = undefined
    }
  }
  const lease = async (partition: number, task: Lease['task'], done: number, released: boolean): Promise<void> => {
    const body: Lease = {
      v: 1,
      swarm: swarm.id,
      author: peer.key,
      type: 'lease',
      partition,
      task,
      counter: counter++,
      done,
      released
    }
    tell('lease', await sealLease(body, peer.sign))
  }

  const isUsable = ({ body }: SignedRecord<Score>): boolean => {
    const reference = state.view().election.reference?.cid
    const quality =
      reference === undefined ? undefined : state.evidence.qualities.get(qualityKey(body.targets, reference))
    return (
      state.evidence.assessments.get(assessmentKey(body))?.admissible === true &&
      (quality === undefined || belowFloor(manifest, quality) === undefined)
    )
  }
  const own = (): SignedRecord<Score> | undefined => {
    const mine = state.set
      .byType('score')
      .filter(({ body }) => Buffer.compare(body.author, peer.key) === 0)
      .sort((a, b) => a.body.uniformValue - b.body.uniformValue)
    return mine.find(isUsable) ?? mine.at(-1)
  }

  const optimize = async (partition: number, by: SignedRecord<Score>, crash?: CrashPoint): Promise<void> => {
    await lease(partition, 'optimize', 0, false)
    const raw = testCid(`raw of ${partition} by ${by.key}`)
    await publish({ type: 'result', partition, score: by.id, raw, present: 10 }, crash)
    if (online) await lease(partition, 'optimize', 0, true)
  }
  const align = async ({ score, result }: Pending, crash?: CrashPoint): Promise<boolean> => {
    const reference = state.view().election.reference?.cid
    if (reference === undefined) return false
    const quality = testQuality(score.body.targets, reference)
    if (belowFloor(manifest, quality) !== undefined) return false
    const { looR2, looCosine } = quality
    const shard = testCid(`shard of ${result.key} to ${reference}`)
    const { partition } = result.body
    const sizes = { bytes: 21_000, dagBytes: 21_000 }
    const what = { partition, result: result.id, reference, shard, ...sizes, lambda: 1, looR2, looCosine }
    await publish({ type: 'alignment', ...what }, crash)
    return true
  }

  const firstSeen = new Map<string, number>()
  const ageOf = ({ alignment: { key } }: Choice): number => {
    if (!firstSeen.has(key)) firstSeen.set(key, now())
    return now() - (firstSeen.get(key) ?? 0)
  }
  const check = async (crash?: CrashPoint): Promise<boolean> => {
    const score = own()
    const { truth } = init
    if (score === undefined || truth === undefined) return false
    const [due] = dueWork({
      self: peer.key,
      view: state.view(),
      set: state.set,
      members: leases.activePeers(),
      ...(isUsable(score) ? { score } : {}),
      replicas: { min: 2, max: 3 },
      isGone: () => false,
      isOverdue: work => ageOf(work) >= LEASE_TTL,
      periods: work => ageOf(work) / LEASE_TTL,
      mayAskAgain: () => false,
      isBeyond: ({ result }) => fraction('beyond', peer.id, result.body.raw) < 0.1,
      chance: result => fraction('chance', peer.id, result)
    })
    if (due === undefined) return false
    const { partition, alignment, result } = due.work
    const found = [result.body.raw, alignment.body.shard].map(cid => truth(cid))
    const shard = found.includes('ghost') ? 'lost' : 'sound'
    const verdict = found.includes('garbage') ? 'implausible' : 'plausible'
    const opinion = {
      by: 'prior' as const,
      score: score.id,
      seed: new Uint8Array(32).fill(1),
      rows: 5,
      targets: testCid(`rows of ${result.key} by ${peer.id}`),
      z: verdict === 'plausible' ? 12 : 0,
      expected: 14,
      verdict
    } as const
    const what = { partition, alignment: alignment.id, result: result.id, shard } as const
    await publish({ type: 'check', ...what, ...(due.opinion && shard === 'sound' ? { opinion } : {}) }, crash)
    return true
  }

  return {
    name,
    peer,
    durable,
    check,
    get state() {
      return state
    },
    get leases() {
      return leases
    },
    get online() {
      return online
    },
    receive: record => state.add(record) === 'added',
    setContent: available => {
      if (available) content?.resolve()
      content = available ? undefined : (content ?? Promise.withResolvers<void>())
    },
    publish,
    own,
    score: async prior => {
      const targets = testCid(`targets of prior ${prior}`)
      const { uniformValue } = testAssessment(targets)
      const id = testCid(`prior ${prior}`)
      await publish({
        type: 'score',
        prior: { id, kind: 'onnx', name: `prior ${prior}`, dimension: 64 },
        targets,
        present: manifest.shared.rows,
        uniformValue
      })
    },
    act: async ({ settled, eager, crash }) => {
      const score = own()
      if (score === undefined) return false
      const task = nextTask({
        self: peer.key,
        manifest,
        view: state.view(),
        score,
        admissible: isUsable(score),
        leases,
        mayTake: true,
        once: false,
        isReferenceStable: settled,
        isAbandoned: () => eager,
        isSetAside: () => false,
        isDoubted: work => isDoubted({ self: peer.key, set: state.set }, work),
        isUndecided: work =>
          isUndecided({ self: peer.key, view: state.view(), set: state.set, members: leases.activePeers() }, work),
        mayRetry: isJudgeable({ view: state.view(), set: state.set }, score),
        hasOwnResult: partition => hasResultBy(state.set, score, partition)
      })
      if (task === undefined || task.do === 'wait') return false
      if (task.do === 'optimize') await optimize(task.partition, score, crash)
      else return await align(task.work, crash)
      return true
    },
    crash: keep => {
      online = false
      const synced = log.findLastIndex(entry => entry.synced) + 1
      log = log.slice(0, synced + keep(log.length - synced))
      state.stop().catch(() => undefined)
    },
    restart: () => {
      online = true
      boot()
    }
  }
}

// --- internal ---

const silent: Logger = {
  error: (message, fields) => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`)
  },
  warn: () => {},
  info: () => {},
  debug: () => {},
  trace: () => {},
  isEnabled: () => false,
  component: () => silent
}
