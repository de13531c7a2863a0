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
import { assessmentKey, belowFloor, qualityKey, type Pending, type SwarmView } from '../../../src/merge/views.ts'
import type { Lease } from '../../../src/publish/lease.ts'
import { sealRecord, type RecordBody, type Score, type SignedRecord } from '../../../src/publish/record.ts'
import { verify } from '../../process/verify-signature.ts'
import { createLeaseTable, type LeaseTable } from '../../state/leases.ts'
import { createLogger } from '../../process/logger.ts'
import { isDoubted } from '../../checks/due-checks.ts'
import { hasAllRows, hasResultBy, nextTask } from '../../participant/next-task.ts'
import { createSwarmState, type Draft, type SwarmState } from '../../state/swarm-state.ts'
import type { DirectExact } from './direct-exact.ts'
import type { Draw, Published } from './draw.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import { simulatedPeer } from './simulated-peer.ts'

export interface SimulatedSwarm {
  readonly swarm: Swarm
  readonly state: SwarmState
  /** Publish the scores of these participants and wait for all verdicts. */
  publishScores(participants: readonly SimulatedParticipant[]): Promise<void>
  /** Let all participants work until none finds anything to do. `once`: finished work is not redone. */
  work(options: { once: boolean }): Promise<void>
  view(): SwarmView
  /** The aligned matrix that an alignment record's shard refers to */
  aligned(shard: string): Published
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

interface Job {
  readonly by: SimulatedParticipant
  readonly partition: number
  readonly improving: boolean
  readonly until: number
}

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

  const { key: self, sign } = simulatedPeer('observer')
  const state = createSwarmState({
    swarm,
    self,
    sign,
    verify,
    patient: false,
    // refusals are results here and reported as such
    logger: createLogger({ levels: 'error' }),
    log: { append: async () => {} },
    sequence: { next: async known => known },
    exact,
    fetchTargets: async score => draw.sharedMatrix(score.body.targets)
  })
  state.start()

  const publish = async <T extends RecordBody>(
    { peer }: SimulatedParticipant,
    draft: Draft
  ): Promise<SignedRecord<T>> => {
    const seq = state.set.nextSeq(peer.key)
    const body = { ...draft, v: 1 as const, swarm: swarm.id, author: peer.key, seq } as RecordBody
    const { bytes } = await sealRecord(body, peer.sign)
    const taken = state.receive(bytes)
    if (!('record' in taken)) throw new Error(`a simulated record was not taken: ${taken.outcome}`)
    return taken.record as SignedRecord<T>
  }

  const publishScores = async (authors: readonly SimulatedParticipant[]): Promise<void> => {
    exact.expected += authors.length
    for (const author of authors) {
      const { cid, matrix, present } = await author.source.shared()
      author.score = await publish<Score>(author, {
        type: 'score',
        prior: author.source.prior,
        targets: cid,
        present,
        uniformValue: await exact.uniformValue(matrix)
      })
    }
    await state.untilJudged()
  }

  const lease = (by: SimulatedParticipant, partition: number, released: boolean): void => {
    const head = { v: 1, swarm: swarm.id, author: by.peer.key, type: 'lease', task: 'optimize' } as const
    const message: Lease = { ...head, partition, counter: counter++, done: 0, released }
    for (const table of leases.values()) table.observe(message)
  }

  /** A participant whose prior is refused or cannot be aligned stops (participant/participant.ts). */
  const isUsable = (score: SignedRecord<Score>): boolean => {
    const reference = state.view().election.reference?.cid
    if (state.evidence.assessments.get(assessmentKey(score.body))?.admissible !== true || reference === undefined)
      return false
    const quality = state.evidence.qualities.get(qualityKey(score.body.targets, reference))
    return quality !== undefined && belowFloor(manifest, quality) === undefined
  }

  const align = async (by: SimulatedParticipant, { partition, score, result }: Pending): Promise<void> => {
    const reference = state.view().election.reference?.cid
    if (reference === undefined) return
    const transform = await exact.fit(score.body.targets, reference, plainGemm)
    const raw = rawOf.get(result.body.raw.toString())
    if (raw === undefined) throw new Error(`raw targets ${result.body.raw} were never published`)
    const shard = unaligned ? raw : await draw.publish(await applyTransform(transform, raw.matrix, plainGemm))
    shards.set(shard.cid.toString(), shard)
    const bytes = (manifest.partitions[partition]?.bytes ?? 0) + shard.matrix.data.byteLength
    const { lambda, looR2, looCosine } = transform
    const made = { shard: shard.cid, bytes, dagBytes: bytes, lambda, looR2, looCosine }
    await publish(by, { type: 'alignment', partition, result: result.id, reference, ...made })
  }

  const finish = async ({ by, partition, improving }: Job): Promise<void> => {
    const { score } = by
    if (score !== undefined && (improving || !hasAllRows(manifest, state.view(), partition))) {
      const raw = await by.source.partition(partition)
      if (raw.present === 0) setAside.get(by)?.add(`${partition}`)
      else {
        rawOf.set(raw.cid.toString(), raw)
        await publish(by, { type: 'result', partition, score: score.id, raw: raw.cid, present: raw.present })
      }
    }
    lease(by, partition, true)
  }

  /** The job that this participant begins now, after everything that takes no time. */
  const begin = async (by: SimulatedParticipant, once: boolean): Promise<Job | undefined> => {
    const table = leases.get(by)
    const { score } = by
    if (table === undefined || score === undefined || !isUsable(score)) return undefined
    for (;;) {
      const view = state.view()
      const task = nextTask({
        self: by.peer.key,
        manifest,
        view,
        score,
        admissible: true,
        leases: table,
        mayTake: view.missing.length + view.incomplete.length > 0 || (!once && by.taken < by.budget),
        once,
        isReferenceStable: true,
        isAbandoned: () => false,
        isSetAside: key => setAside.get(by)?.has(key) === true,
        isDoubted: work => isDoubted({ self: by.peer.key, set: state.set }, work),
        hasOwnResult: partition => hasResultBy(state.set, score, partition)
      })
      if (task === undefined || task.do === 'wait') return undefined
      if (task.do === 'align') {
        await align(by, task.work)
        continue
      }
      by.taken++
      lease(by, task.partition, false)
      const rows = manifest.partitions[task.partition]?.rows ?? 0
      return { by, partition: task.partition, improving: task.improving, until: now + rows / by.speed }
    }
  }

  return {
    swarm,
    state,
    publishScores,
    view: state.view,
    stop: state.stop,
    aligned: shard => {
      const found = shards.get(shard)
      if (found === undefined) throw new Error(`shard ${shard} was never published`)
      return found
    },
    work: async ({ once }) => {
      for (const p of everybody) p.taken = 0
      const jobs = new Map<SimulatedParticipant, Job>()
      // human labels exist before any model has run
      for (let people = true; ; people = false) {
        for (;;) {
          // one participant may wait for another's alignment: repeat until a pass changes nothing
          for (let known = -1; known !== state.set.size;) {
            known = state.set.size
            for (const by of everybody) {
              if (jobs.has(by) || (people && by.source.prior.kind !== 'human')) continue
              const job = await begin(by, once)
              if (job !== undefined) jobs.set(by, job)
            }
          }
          const next = [...jobs.values()].sort(
            (a, b) => a.until - b.until || compareBytes(a.by.peer.key, b.by.peer.key)
          )[0]
          if (next === undefined) break
          jobs.delete(next.by)
          now = next.until
          await finish(next)
        }
        if (!people) break
      }
    }
  }
}
