/**
 * One swarm in one process: the node's own state, judge, choice of tasks, leases and records, with a virtual clock and a network without loss or
 * delay. Targets come from cached features instead of a model; shards are not built, and a record's shard is the CID of the aligned matrix.
 *
 * Everything is determined by plan and seed: peer keys, not the order of a list, decide which participant acts first at the same time.
 */
import { compareBytes } from '../../../src/codec.ts'
import { applyTransform } from '../../../src/align/transform.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { plainGemm } from '../../../src/gemm.ts'
import type { Choice, Pending, SwarmView } from '../../../src/merge/views.ts'
import type { Lease } from '../../../src/publish/lease.ts'
import { createLeaseTable, type LeaseTable } from '../../state/leases.ts'
import { hasAllRows, hasResultBy, nextTask } from '../../participant/next-task.ts'
import type { SwarmState } from '../../state/swarm-state.ts'
import type { DirectExact } from './direct-exact.ts'
import type { Draw, Published } from './draw.ts'
import { createSimulatedChecks, type CheckJob, type SimulatedChecks } from './simulated-checks.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import { createSimulatedState } from './simulated-state.ts'

export interface SimulatedSwarm {
  readonly swarm: Swarm
  readonly state: SwarmState
  /** Publish the scores of these participants and wait for all verdicts. */
  publishScores(participants: readonly SimulatedParticipant[]): Promise<void>
  /** Let all participants work until none finds anything to do. `once`: finished work is not redone. */
  work(options: { once: boolean }): Promise<void>
  view(): SwarmView
  /** The aligned matrix that an alignment record's shard refers to; undefined if nobody has it */
  aligned(shard: string): Published | undefined
  readonly checks: SimulatedChecks
  /** Rows of inference for partitions */
  readonly workRows: number
  /** Virtual time of the last work or check */
  readonly lastDone: number
  stop(): Promise<void>
}

export interface SimulatedSwarmInit {
  draw: Draw
  swarm: Swarm
  exact: DirectExact
  participants: readonly SimulatedParticipant[]
  /** Publish raw targets unchanged: the baseline without alignment. Records are those of the aligned swarm. */
  unaligned: boolean
}

/** A node's default, in virtual milliseconds. Longer than the slowest work, so that renewals need not be simulated. */
const LEASE_MS = 60_000

/** Inference on a partition, or a check */
interface Job {
  readonly by: SimulatedParticipant
  readonly partition: number
  readonly improving: boolean
  readonly check?: CheckJob
  readonly until: number
}

/** Unconfirmed work waits for so many leases until it is everybody's to check, or to do again. */
const OVERDUE_LEASES = 3

export function createSimulatedSwarm({
  draw,
  swarm,
  exact,
  participants,
  unaligned
}: SimulatedSwarmInit): SimulatedSwarm {
  const { manifest } = swarm
  const everybody = participants.toSorted((a, b) => compareBytes(a.peer.key, b.peer.key))
  const shards = new Map<string, Published>()
  const rawOf = new Map<string, Published>()
  const leases = new Map<SimulatedParticipant, LeaseTable>()
  /** Partitions that a participant cannot do, because its human labels do not cover them */
  const setAside = new Map<SimulatedParticipant, Set<string>>()
  let now = 0
  let counter = 0

  const mostRows = Math.max(...manifest.partitions.map(({ rows }) => rows))
  const ttlMs = Math.max(LEASE_MS, ...everybody.map(({ speed }) => (2 * mostRows) / speed))
  for (const p of everybody) {
    leases.set(p, createLeaseTable({ self: p.peer.key, ttlMs, now: () => now }))
    setAside.set(p, new Set())
  }

  const { state, publish, publishScores, isUsable } = createSimulatedState(draw, swarm, exact)
  const firstSeen = new Map<string, number>() // alignment -> when it was published
  const overdueMs = OVERDUE_LEASES * ttlMs
  const isOverdue = ({ alignment }: Choice): boolean => now - (firstSeen.get(alignment.key) ?? now) >= overdueMs
  const gone = new Set<SimulatedParticipant>()
  const checks = createSimulatedChecks({
    draw,
    state,
    exact,
    participants: everybody,
    isThere: p => !gone.has(p),
    isOverdue,
    periods: ({ alignment }) => (now - (firstSeen.get(alignment.key) ?? now)) / overdueMs,
    rawOf: ({ body }) => rawOf.get(body.raw.toString()),
    shardOf: cid => shards.get(cid),
    publish
  })
  let workRows = 0
  let lastDone = 0

  const lease = (by: SimulatedParticipant, partition: number, released: boolean): void => {
    const head = { v: 1, swarm: swarm.id, author: by.peer.key, type: 'lease', task: 'optimize' } as const
    const message: Lease = { ...head, partition, counter: counter++, done: 0, released }
    for (const table of leases.values()) table.observe(message)
  }

  const align = async (by: SimulatedParticipant, { partition, score, result }: Pending): Promise<void> => {
    const reference = state.view().election.reference?.cid
    if (reference === undefined) return
    const transform = await exact.fit(score.body.targets, reference, plainGemm)
    // ghosts are named after their raw targets, which are not there either
    const raw = rawOf.get(result.body.raw.toString())
    const shard =
      unaligned || raw === undefined ? raw : await draw.publish(await applyTransform(transform, raw.matrix, plainGemm))
    const cid = shard?.cid ?? result.body.raw
    if (shard !== undefined) {
      shards.set(cid.toString(), shard)
      checks.hold(by, cid.toString())
    }
    const { bytes: images = 0, rows = 0 } = manifest.partitions[partition] ?? {}
    const bytes = images + 4 * rows * manifest.dimension
    const { lambda, looR2, looCosine } = transform
    const made = { shard: cid, bytes, dagBytes: bytes, lambda, looR2, looCosine }
    const { key } = await publish(by, { type: 'alignment', partition, result: result.id, reference, ...made })
    firstSeen.set(key, now)
  }

  const finish = async ({ by, partition, improving, check }: Job): Promise<void> => {
    if (check !== undefined) return await checks.finish(by, check)
    const { score, source } = by
    if (score !== undefined && (improving || !hasAllRows(manifest, state.view(), partition))) {
      const raw = await source.partition(partition)
      if (raw.present === 0) setAside.get(by)?.add(`${partition}`)
      else {
        if (source.falseWork?.(partition) !== 'ghost') rawOf.set(raw.cid.toString(), raw)
        await publish(by, { type: 'result', partition, score: score.id, raw: raw.cid, present: raw.present })
        by.published = (by.published ?? 0) + 1
      }
      if (source.attack === undefined) workRows += raw.matrix.rows
    }
    lease(by, partition, true)
  }

  /** The job that this participant begins now, after everything that takes no time. */
  const begin = async (by: SimulatedParticipant, once: boolean): Promise<Job | undefined> => {
    const table = leases.get(by)
    const { score } = by
    if (table === undefined || score === undefined || gone.has(by) || !isUsable(score)) return undefined
    const job = (partition: number, improving: boolean, rows: number, check?: CheckJob): Job => {
      const until = now + rows / by.speed
      return { by, partition, improving, until, ...(check === undefined ? {} : { check }) }
    }
    const optimize = (partition: number, improving: boolean): Job | undefined => {
      if ((by.published ?? 0) >= (by.leavesAfter ?? Infinity)) {
        gone.add(by)
        return undefined
      }
      by.taken++
      lease(by, partition, false)
      return job(partition, improving, manifest.partitions[partition]?.rows ?? 0)
    }
    for (;;) {
      const check = await checks.next(by)
      if (check !== undefined) return job(check.due.work.partition, false, check.rows, check)
      const view = state.view()
      const task = nextTask({
        self: by.peer.key,
        manifest,
        view,
        score,
        admissible: true,
        leases: table,
        mayTake:
          view.missing.length + view.incomplete.length + view.unconfirmed.length > 0 || (!once && by.taken < by.budget),
        isDoubted: work => checks.isDoubted(by, work) || isOverdue(work),
        // what is overdue is done again whatever the reason
        isUndecided: () => false,
        mayRetry: false,
        once,
        isReferenceStable: true,
        isAbandoned: () => false,
        isSetAside: key => setAside.get(by)?.has(key) === true,
        hasOwnResult: partition => hasResultBy(state.set, score, partition)
      })
      if (task === undefined || task.do === 'wait') return undefined
      if (task.do === 'optimize') return optimize(task.partition, task.improving)
      await align(by, task.work)
    }
  }

  return {
    swarm,
    state,
    publishScores,
    view: state.view,
    stop: state.stop,
    checks,
    get workRows() {
      return workRows
    },
    get lastDone() {
      return lastDone
    },
    aligned: shard => (manifest.acceptance === undefined || checks.isHeld(shard) ? shards.get(shard) : undefined),
    work: async ({ once }) => {
      for (const p of everybody) p.taken = 0
      let waited = -1
      const jobs = new Map<SimulatedParticipant, Job>()
      // human labels exist before any model has run
      for (let people = true; ; people = false) {
        for (;;) {
          // one participant may wait for another's alignment: repeat until a pass changes nothing
          for (let known = -1; known !== state.set.size;) {
            known = state.set.size
            for (const by of everybody) {
              if (jobs.has(by) || (people && by.source.prior.kind !== 'human')) continue
              while (manifest.acceptance !== undefined && (await checks.lie(by)));
              const job = await begin(by, once)
              if (job !== undefined) jobs.set(by, job)
            }
          }
          const next = [...jobs.values()].sort(
            (a, b) => a.until - b.until || compareBytes(a.by.peer.key, b.by.peer.key)
          )[0]
          if (next === undefined) {
            // whoever waits for the word of others waits until it is everybody's turn, and lots for audits are drawn after a while
            if (manifest.acceptance === undefined || state.set.size === waited) break
            waited = state.set.size
            now += overdueMs
            continue
          }
          jobs.delete(next.by)
          now = lastDone = next.until
          await finish(next)
        }
        if (!people) break
      }
    }
  }
}
