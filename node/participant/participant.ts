/**
 * START READING HERE: one participant in one swarm, the five steps top to bottom.
 *
 * The loop takes whatever work the present view shows (next-task.ts). Everything it publishes enters the state like anybody else's
 * records, so stopping, crashing, joining late or doing a thing twice needs no code of its own.
 */
import type { Election } from '../../src/align/candidate.ts'
import { CoOptError, PriorRefusedError, AlignmentRefusedError, StoreFullError } from '../../src/errors.ts'
import { assessmentKey, belowFloor, qualityKey, type Pending } from '../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { createAlignStep } from './align-step.ts'
import { nextTask, type Task } from './next-task.ts'
import { createOptimizeStep } from './optimize-step.ts'
import type { ParticipantComponents, ParticipantInit, ParticipantSignals } from './components.ts'
import { createPublishStep } from './publish-step.ts'
import type { SwarmState } from '../state/swarm-state.ts'

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
  { signal, kill }: ParticipantSignals
): Promise<ParticipantReport> {
  const { self, state, leases, announceLease, onEvent, logger } = components
  const { manifest } = state.swarm
  const stopping = AbortSignal.any([signal, kill])
  const retries = createRetries(3 * init.renewMs)
  const firstSeen = new Map<string, number>() // result -> when its alignment began to be waited for
  let taken = 0
  let electedAt = performance.now()

  // 1. distribute: the next piece of work under the present view, see next-task.ts
  const choose = (own: SignedRecord<Score>): Task | undefined => {
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
      score: own,
      leases,
      admissible: state.evidence.assessments.get(assessmentKey(own.body))?.admissible === true,
      mayTake: taken < init.maxPartitions,
      once: init.once,
      settled: now - electedAt >= init.settleMs,
      isAbandoned: work => waited(work) >= init.settleMs + 3 * init.renewMs,
      isSetAside: key => retries.isWaiting(key)
    })
  }

  // 4. publish: blocks durable, then the record in the log, then the view, then the network
  const publish = createPublishStep(components)
  // 2. optimize: the prior's targets on the shared set and on partitions
  const optimize = createOptimizeStep(components, publish, init, { signal, kill })
  // 3. align: raw targets onto the elected reference
  const { align, forget } = createAlignStep(components, publish, kill)
  // 5. merge: own records have joined the set like anybody else's; merge-swarm.ts turns the set into a dataset

  const run = async (task: Task, own: SignedRecord<Score>): Promise<void> => {
    if (task.do === 'optimize') {
      taken++
      // a human prior without a single label there is of no use to this partition
      if (!(await optimize.partition(task.partition, own, task.improving))) retries.giveUp(`${task.partition}`)
      return
    }
    if (task.own) return await align(task.work)
    const lease = async (released: boolean): Promise<void> =>
      await announceLease({ partition: task.partition, task: 'align', done: 0, released })
    await lease(false)
    try {
      await align(task.work)
    } finally {
      await lease(true)
    }
  }

  let reference = state.view().election.reference?.cid
  const onElection = ({ detail }: CustomEvent<Election>): void => {
    // further scores change the ranking all the time; only another reference is a reason to wait
    const next = detail.reference?.cid
    if (next === undefined ? reference === undefined : reference?.equals(next)) return
    reference = next
    electedAt = performance.now()
    forget()
  }
  state.events.addEventListener('election', onElection)
  try {
    const own = await optimize.score()
    onEvent({ type: 'score', record: own.key, uniformValue: own.body.uniformValue, name: own.body.prior.name })
    while (!stopping.aborted) {
      // scores that are not judged yet, the own one among them, may elect another reference
      if (init.once && state.view().complete) await state.settled(stopping)
      assertUsable(own, state, performance.now() - electedAt >= init.settleMs)
      if (init.once && state.view().complete) break
      const task = choose(own)
      if (task === undefined) {
        await nextChange(state, Math.min(init.settleMs, init.renewMs), stopping)
        continue
      }
      try {
        await run(task, own)
      } catch (error) {
        if (stopping.aborted) break
        // our own disk and our own prior are our own matter; whatever else others' content brings must not end our work
        if (!(error instanceof CoOptError) || error instanceof StoreFullError) throw error
        if (task.do === 'align' && task.own) throw error
        const what = task.do === 'align' ? task.work.result.key : `${task.partition}`
        retries.failed(what)
        logger.warn('put aside for now', { task: task.do, partition: task.partition, reason: error.message })
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

/** Throws when the targets of this prior would not be taken: by the gate, or (once the reference stands) by the alignment's floor. */
function assertUsable({ body }: SignedRecord<Score>, state: SwarmState, settled: boolean): void {
  const { name } = body.prior
  const assessment = state.evidence.assessments.get(assessmentKey(body))
  if (assessment?.admissible === false) {
    throw new PriorRefusedError(`prior "${name}" does not pass this swarm's gate: ${assessment.refusals.join('; ')}`)
  }
  const reference = state.view().election.reference?.cid
  if (!settled || reference === undefined) return
  const quality = state.evidence.qualities.get(qualityKey(body.targets, reference))
  const refusal = quality === undefined ? undefined : belowFloor(state.swarm.manifest, quality)
  if (refusal !== undefined)
    throw new AlignmentRefusedError(`prior "${name}" cannot be aligned to ${reference}: ${refusal}`)
}

/** Longest pause before something that failed is tried again: 64 first pauses. */
const MAX_DOUBLINGS = 6

/** What could not be done is tried again later and later. */
function createRetries(firstMs: number) {
  const waiting = new Map<string, { failures: number; until: number }>()
  return {
    isWaiting: (key: string): boolean => (waiting.get(key)?.until ?? 0) > performance.now(),
    failed: (key: string): void => {
      const failures = (waiting.get(key)?.failures ?? 0) + 1
      waiting.set(key, { failures, until: performance.now() + firstMs * 2 ** Math.min(MAX_DOUBLINGS, failures - 1) })
    },
    giveUp: (key: string): void => {
      waiting.set(key, { failures: 0, until: Number.POSITIVE_INFINITY })
    }
  }
}

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
