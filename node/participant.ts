/**
 * START READING HERE: one participant in one swarm, the five steps top to bottom.
 *
 * The loop takes whatever work the present view shows (next-task.ts). Everything it publishes enters the state like anybody else's
 * records, so stopping, crashing, joining late or doing a thing twice needs no code of its own.
 */
import type { CID } from 'multiformats/cid'
import type { Gemm } from '../src/gemm.ts'
import type { Election } from '../src/align/election.ts'
import { applyTransform, type Transform } from '../src/align/transform.ts'
import type { PeerKey } from '../src/envelope.ts'
import { AlignmentRefusedError, ContentUnavailableError, PriorRefusedError } from '../src/errors.ts'
import { assessmentKey, belowFloor, qualityKey, type Pending } from '../src/merge/views.ts'
import { priorIdentity, type PriorModel } from '../src/optimize/prior.ts'
import { peerIdOf } from '../src/peer-key.ts'
import type { Lease, Result, Score, SignedRecord } from '../src/publish/record.ts'
import { NUMBER_BYTES } from '../src/publish/target-dtype.ts'
import type { ApiEvent } from './api.ts'
import type { Content } from './content.ts'
import type { Exact } from './exact/exact.ts'
import type { LeaseTable } from './leases.ts'
import type { Logger } from './logger.ts'
import { nextTask, type Task } from './next-task.ts'
import { storeMatrix, type Optimizer } from './optimizer.ts'
import { storeShard } from './shard-store.ts'
import type { Draft, SwarmState } from './swarm-state.ts'

export interface ParticipantComponents {
  self: PeerKey
  state: SwarmState
  exact: Exact
  content: Content
  prior: PriorModel
  optimizer: Optimizer
  /** Kernels for the heavy products of the alignment */
  gemm: Gemm
  leases: LeaseTable
  /** Tell the others about own work */
  announce(record: SignedRecord): Promise<void>
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'counter' | 'done' | 'released'>): Promise<void>
  /** Where the progress of a named piece of work is kept */
  journalPath(name: string): string
  removeJournal(name: string): Promise<void>
  onEvent(event: ApiEvent): void
  logger: Logger
}

export interface ParticipantInit {
  /** Leave when the dataset is complete */
  once: boolean
  /** Take at most this many partitions */
  maxPartitions: number
  /** How long the election must have been unchanged before targets are aligned to it, ms: early scores trickle in */
  settleMs: number
  /** How often a lease is renewed, ms; three renewals missed and it is over */
  renewMs: number
}

export interface ParticipantReport {
  /** Partitions taken by this participant */
  partitions: number
  complete: boolean
}

/**
 * Take part until the dataset is complete (`once`) or until `signal` aborts; the batch in flight is finished first and is in
 * the journal. `kill` ends the batch in flight as well.
 *
 * Throws `PriorRefusedError` when the own prior does not pass the gate, `AlignmentRefusedError` when it cannot be aligned well enough.
 */
export async function participate(
  components: ParticipantComponents,
  init: ParticipantInit,
  { signal, kill }: { signal: AbortSignal; kill: AbortSignal }
): Promise<ParticipantReport> {
  const { self, state, exact, content, prior, optimizer, gemm, leases, onEvent, logger } = components
  const { swarm } = state
  const { manifest } = swarm
  const id = priorIdentity(prior.descriptor)
  const stopping = AbortSignal.any([signal, kill])
  const transforms = new Map<string, Transform>()
  const setAside = new Map<number, number>() // partition -> when to try again
  const firstSeen = new Map<string, number>() // result -> when its alignment began to be waited for
  let taken = 0
  let counter = 0
  let electedAt = performance.now()

  /** Why targets of this prior would not be taken under the present reference, or undefined while nothing is known against them. */
  const refusalOf = ({ body }: SignedRecord<Score>): string | undefined => {
    const reference = state.view().election.reference?.cid
    if (reference === undefined) return undefined
    const quality = state.evidence.qualities.get(qualityKey(body.targets, reference))
    const refusal = quality === undefined ? undefined : belowFloor(manifest, quality)
    return refusal === undefined
      ? undefined
      : `prior "${body.prior.name}" cannot be aligned to ${reference}: ${refusal}`
  }

  // 1. distribute: the next piece of work, see next-task.ts
  const choose = (score: SignedRecord<Score>): Task | undefined => {
    const now = performance.now()
    const view = state.view()
    const waited = ({ result }: Pending): number => {
      if (!firstSeen.has(result.key)) firstSeen.set(result.key, now)
      return now - Math.max(electedAt, firstSeen.get(result.key) as number)
    }
    for (const list of view.pending.values()) list.forEach(waited)
    return nextTask({
      self,
      manifest,
      view,
      score,
      leases,
      admissible:
        state.evidence.assessments.get(assessmentKey(score.body))?.admissible === true &&
        refusalOf(score) === undefined,
      mayTake: taken < init.maxPartitions,
      once: init.once,
      settled: now - electedAt >= init.settleMs,
      isAbandoned: work => waited(work) >= init.settleMs + 3 * init.renewMs,
      isSetAside: partition => (setAside.get(partition) ?? 0) > now
    })
  }

  // 2. optimize: the prior's targets on the shared set, once, and on partition after partition
  const score = async (): Promise<SignedRecord<Score>> => {
    const { kind, name, dimension, license } = prior.descriptor
    const known = state.set.byType('score').find(({ body }) => isMine(body.author) && body.prior.id.equals(id))
    if (known !== undefined) return known
    const journal = `score-${id}`
    const { targets, present } = await optimizer.optimize({
      journal: components.journalPath(journal),
      rows: manifest.shared.rows,
      samples: start => content.samples(manifest.shared, start, kill),
      onBatch: (done, rows) => {
        onEvent({ type: 'scoring', done, rows })
        if (done < rows) stopping.throwIfAborted()
      },
      signal: kill
    })
    const record = await publish<Score>({
      type: 'score',
      prior: { id, kind, name, dimension, ...(license === undefined ? {} : { license }) },
      targets: await storeMatrix(targets, content.put),
      present,
      uniformValue: await exact.uniformValue(targets)
    })
    await components.removeJournal(journal)
    return record
  }

  const optimize = async (partition: number, by: SignedRecord<Score>, improving: boolean): Promise<void> => {
    const file = manifest.partitions[partition]
    if (file === undefined) return
    taken++
    const journal = `${id}-${partition}`
    let renewed = performance.now()
    await lease(partition, 'optimize', 0)
    onEvent({ type: 'partition', partition, state: 'started', rows: file.rows })
    try {
      const { targets, present } = await optimizer.optimize({
        journal: components.journalPath(journal),
        rows: file.rows,
        samples: start => content.samples(file, start, kill),
        onBatch: async (done, rows) => {
          onEvent({ type: 'batch', partition, done, rows })
          if (done === rows) return
          stopping.throwIfAborted() // the journal has it: the next start goes on from here
          if (!improving && state.view().chosen.has(partition)) throw new FinishedByOthers()
          if (performance.now() - renewed < init.renewMs) return
          renewed = performance.now()
          await lease(partition, 'optimize', done)
        },
        signal: kill
      })
      if (present > 0) {
        await publish<Result>({
          type: 'result',
          partition,
          score: by.id,
          raw: await storeMatrix(targets, content.put),
          present
        })
      } else {
        setAside.set(partition, Number.POSITIVE_INFINITY) // a human prior without a single label here
      }
    } catch (error) {
      if (!(error instanceof FinishedByOthers)) throw error
      onEvent({ type: 'partition', partition, state: 'left', rows: file.rows })
    } finally {
      await lease(partition, 'optimize', 0, true)
    }
    await components.removeJournal(journal)
  }

  // 3. align: one ridge fit onto the elected reference serves all partitions of a prior
  const fit = async (by: SignedRecord<Score>, reference: CID): Promise<Transform> => {
    const key = qualityKey(by.body.targets, reference)
    const known = transforms.get(key)
    if (known !== undefined) return known
    const transform = await exact.fit(by.body.targets, reference, gemm)
    const refusal = belowFloor(manifest, transform)
    if (refusal !== undefined)
      throw new AlignmentRefusedError(`prior "${by.body.prior.name}" cannot be aligned to ${reference}: ${refusal}`)
    transforms.set(key, transform)
    const { looR2, looCosine, lambda } = transform
    onEvent({ type: 'alignment', reference: reference.toString(), looR2, looCosine, lambda })
    return transform
  }

  const align = async ({ partition, score: by, result }: Pending): Promise<void> => {
    const file = manifest.partitions[partition]
    const reference = state.view().election.reference?.cid
    if (file === undefined || reference === undefined) return
    const transform = await fit(by, reference)
    const raw = await content.matrix(result.body.raw, file.rows, manifest.dimension, {
      signal: kill,
      from: result.body.author
    })
    const aligned = await applyTransform(transform, raw, gemm)
    const dtype = manifest.targetDtype ?? 'float32'
    const shard = await storeShard(content, file, aligned, shardMetadata(by, partition, reference), dtype, kill)
    const { lambda, looR2, looCosine } = transform
    const { cid, bytes, dagBytes, newBytes } = shard
    await publish(
      {
        type: 'alignment',
        partition,
        result: result.id,
        reference,
        shard: cid,
        bytes,
        dagBytes,
        lambda,
        looR2,
        looCosine
      },
      { newBytes, targetBytes: aligned.data.length * NUMBER_BYTES[dtype] }
    )
    onEvent({ type: 'partition', partition, state: 'done', rows: file.rows })
  }

  // 4. publish: blocks durable, then the record in the log, then the view, then the network
  const publish = async <T extends Score | Result = never>(
    draft: Draft,
    sizes: { newBytes?: number; targetBytes?: number } = {}
  ): Promise<SignedRecord<T>> => {
    await content.barrier()
    const record = await state.publish(draft)
    await components.announce(record)
    onEvent({
      type: 'published',
      record: record.key,
      kind: draft.type,
      ...('partition' in draft ? { partition: draft.partition } : {}),
      ...sizes
    })
    return record as SignedRecord<T>
  }

  // 5. merge: nothing to do here, own records have joined the set; merge.ts turns the set into a dataset

  const lease = async (partition: number, task: Lease['task'], done: number, released = false): Promise<void> => {
    await components.announceLease({ partition, task, counter: counter++, done, released })
  }

  const run = async (task: Task, by: SignedRecord<Score>): Promise<void> => {
    if (task.do === 'optimize') return await optimize(task.partition, by, task.improving)
    if (task.own) return await align(task.work)
    await lease(task.partition, 'align', 0)
    try {
      await align(task.work)
    } catch (error) {
      // the raw targets are gone with their author: make new ones, unless ours would not be taken
      if (!(error instanceof ContentUnavailableError) || taken >= init.maxPartitions) throw error
      logger.info('raw targets cannot be had, optimizing again', { partition: task.partition, reason: error.message })
      await optimize(task.partition, by, true)
    } finally {
      await lease(task.partition, 'align', 0, true)
    }
  }

  const isMine = (key: PeerKey): boolean => peerIdOf(key) === peerIdOf(self)
  const shardMetadata = (by: SignedRecord<Score>, partition: number, reference: CID): Record<string, string> => ({
    'coopt.swarm': swarm.id.toString(),
    'coopt.partition': partition.toString(),
    'coopt.reference': reference.toString(),
    'coopt.prior': by.body.prior.id.toString(),
    'coopt.trust': 'claimed'
  })

  let reference = state.view().election.reference?.cid
  const onElection = ({ detail }: CustomEvent<Election>): void => {
    // further scores change the ranking all the time; only another reference is a reason to wait
    const next = detail.reference?.cid
    if (next === undefined ? reference === undefined : reference?.equals(next)) return
    reference = next
    electedAt = performance.now()
    transforms.clear()
  }
  state.events.addEventListener('election', onElection)
  try {
    const own = await score()
    onEvent({ type: 'score', record: own.key, uniformValue: own.body.uniformValue, name: own.body.prior.name })
    while (!stopping.aborted) {
      // scores that are not judged yet, the own one among them, may elect another reference
      if (init.once && state.view().complete) await state.settled()
      const assessment = state.evidence.assessments.get(assessmentKey(own.body))
      if (assessment?.admissible === false) {
        throw new PriorRefusedError(
          `prior "${own.body.prior.name}" does not pass this swarm's gate: ${assessment.refusals.join('; ')}`
        )
      }
      if (init.once && state.view().complete) break
      const refusal = refusalOf(own)
      if (refusal !== undefined && performance.now() - electedAt >= init.settleMs) {
        throw new AlignmentRefusedError(refusal)
      }
      const task = choose(own)
      if (task === undefined) {
        await nextChange(state, Math.min(init.settleMs, init.renewMs), stopping)
        continue
      }
      try {
        await run(task, own)
      } catch (error) {
        if (stopping.aborted) break
        const othersFault = error instanceof AlignmentRefusedError && task.do === 'align' && !task.own
        if (!(error instanceof ContentUnavailableError) && !othersFault) throw error
        logger.warn('put aside for now', { partition: task.partition, reason: error.message })
        setAside.set(task.partition, performance.now() + 3 * init.renewMs)
      }
    }
  } catch (error) {
    if (!stopping.aborted) throw error
    logger.info('stopped', { reason: String(error) })
  } finally {
    state.events.removeEventListener('election', onElection)
  }
  return { partitions: taken, complete: state.view().complete }
}

// --- internal ---

/** Another peer finished the partition while we were at it. */
class FinishedByOthers extends Error {}

/** Wait for a change of the state, or `ms` for leases and the settling time to move on, or the end. */
async function nextChange(state: SwarmState, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const done = (): void => resolve()
  state.events.addEventListener('change', done)
  signal.addEventListener('abort', done)
  await promise
  clearTimeout(timer)
  state.events.removeEventListener('change', done)
  signal.removeEventListener('abort', done)
}
