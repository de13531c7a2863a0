/**
 * START READING HERE: one participant in one swarm, the five steps top to bottom.
 *
 * The loop takes the work that the present view shows (next-task.ts). Everything it publishes enters the state like any other peer's
 * records, so stopping, crashing, joining late and repeating work need no code of their own.
 *
 * A partition from `nextTask` to its published record: `participate` -> `nextTask` -> optimize-step `partition` -> compute-targets `ofFile` ->
 * publish-step `publish` (a result) -> `nextTask` again -> align-step `align` -> publish-step `publish` (an alignment).
 */
import type { Election } from '../../src/align/candidate.ts'
import {
  AlignmentRefusedError,
  CoOptError,
  IdentityInUseError,
  PriorRefusedError,
  StoreFullError
} from '../../src/errors.ts'
import { assessmentKey, belowFloor, qualityKey, type Choice, type Pending } from '../../src/merge/views.ts'
import { nextPartition } from '../../src/distribute/assignment.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import type { LeaseTable } from '../state/leases.ts'
import type { Content } from '../content/content.ts'
import type { Logger } from '../process/logger.ts'
import { isDoubted } from '../checks/due-checks.ts'
import { createAlignStep, type AlignStepComponents } from './align-step.ts'
import { nextChange } from './next-change.ts'
import type { Departure } from './departure.ts'
import { hasResultBy, nextTask, type Task } from './next-task.ts'
import { createOptimizeStep, type OptimizeStepComponents, type StopSignals } from './optimize-step.ts'
import { createPrefetch } from './prefetch.ts'
import { createPublishStep, type PublishStepComponents } from './publish-step.ts'
import type { SwarmState } from '../state/swarm-state.ts'
import { takeovers } from './takeover.ts'

/** What the loop itself uses, and what each of its steps uses */
export interface ParticipantComponents extends OptimizeStepComponents, AlignStepComponents, PublishStepComponents {
  state: SwarmState
  content: Pick<Content, 'fetch'> &
    OptimizeStepComponents['content'] &
    AlignStepComponents['content'] &
    PublishStepComponents['content']
  exact: OptimizeStepComponents['exact'] & AlignStepComponents['exact']
  leases: LeaseTable
  /** Of work that nobody who is here can judge (checks/undecided.ts) */
  isUndecided(work: Choice): boolean
  mayRetry(): boolean
  /** The own score is published: the prior can give opinions on the work of others */
  onScored(score: SignedRecord<Score>): void
  departure: Pick<Departure, 'intend' | 'isHeldBack'>
  logger: Logger
}

export interface ParticipantInit {
  /** Leave when every partition has work, there is nothing to do, and nobody is known to change the dataset soon */
  once: boolean
  /** Publish targets of at most this many partitions */
  maxPartitions: number
  /** How long the reference must have been the same before targets are aligned to it, ms: early scores trickle in */
  settleMs: number
  /** How often a lease is renewed, ms; it ends after three missed renewals */
  renewMs: number
}

export interface ParticipantReport {
  /** Partitions of which this participant published targets */
  partitions: number
  /** Every partition has work, confirmed or not */
  done: boolean
}

/**
 * Take part until every partition has work (`once`) or until `signal` aborts; the batch in flight is finished first and is in
 * the journal. `kill` ends the batch in flight as well.
 *
 * Throws `PriorRefusedError` when the own prior does not pass the gate, `AlignmentRefusedError` when it cannot be aligned well enough.
 */
export async function participate(
  components: ParticipantComponents,
  init: ParticipantInit,
  { signal, kill }: StopSignals
): Promise<ParticipantReport> {
  const { self, state, leases, departure, announceLease, onEvent, logger } = components
  const { manifest } = state.swarm
  const stopping = AbortSignal.any([signal, kill])
  const retries = createRetries(3 * init.renewMs)
  const firstSeen = new Map<string, number>() // result -> when its alignment began to be waited for
  let published = 0
  let electedAt = performance.now()

  // 1. distribute: the next piece of work under the present view, see next-task.ts
  /** `taken`: partitions that are worked on already, or will be */
  const choose = (own: SignedRecord<Score>, taken: readonly number[] = []): Task | undefined => {
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
      mayTake: published + taken.length < init.maxPartitions,
      once: init.once,
      isReferenceStable: now - electedAt >= init.settleMs,
      isAbandoned: work => waited(work) >= init.settleMs + 3 * init.renewMs,
      isSetAside: key => taken.some(partition => key === `${partition}`) || retries.isWaiting(key),
      isDoubted: work => isDoubted({ self, set: state.set }, work),
      isUndecided: components.isUndecided,
      mayRetry: components.mayRetry(),
      hasOwnResult: partition => hasResultBy(state.set, own, partition)
    })
  }

  /** What the others may wait for: the own score, or better work than what a weaker prior has done */
  const coming = (own: SignedRecord<Score>): 'score' | 'improve' | undefined => {
    const assessment = state.evidence.assessments.get(assessmentKey(own.body))
    if (assessment === undefined) return 'score'
    if (!assessment.admissible) return undefined
    const view = state.view()
    const mayTake = (partition: number): boolean =>
      published < init.maxPartitions && !hasResultBy(state.set, own, partition) && !retries.isWaiting(`${partition}`)
    const isComing = takeovers(view, manifest, own, init.once).some(
      p => mayTake(p) || view.pending.get(p)?.some(({ score }) => score.key === own.key) === true
    )
    return isComing ? 'improve' : undefined
  }

  // 4. publish: blocks durable, then the record in the log, then the view, then the network
  const publish = createPublishStep(components)
  // 2. optimize: the prior's targets on the shared set and on partitions
  const optimize = createOptimizeStep(components, publish, init, { signal, kill })
  // 3. align: raw targets onto the elected reference
  const { align, forgetTransforms } = createAlignStep(components, publish, kill)
  // 5. merge: own records have joined the set like all others; merge/merge-swarm.ts turns the set into a dataset

  using prefetch = createPrefetch({
    manifest,
    content: components.content,
    isTaken: leases.isHeldByOther,
    logger,
    signal: kill
  })
  /** Of the open partitions others at work take as many; one more is always fetched ahead. */
  const isShareAhead = (ahead: ReadonlySet<number>): boolean =>
    ahead.size > 0 && ahead.size + 1 >= state.view().missing.length / (leases.activePeers().length + 1)
  const run = async (task: Exclude<Task, { do: 'wait' }>, own: SignedRecord<Score>): Promise<void> => {
    if (task.do === 'optimize') {
      prefetch.workingOn(task.partition, ahead => {
        const next = isShareAhead(ahead) ? undefined : choose(own, [task.partition, ...ahead])
        return next?.do === 'optimize' ? next.partition : undefined
      })
      const outcome = await optimize.partition(task.partition, own, task.improving)
      if (outcome === 'published') published++
      if (outcome === 'no-targets') retries.giveUp(`${task.partition}`)
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

  /** Before there is a score to choose by */
  const firstOpen = (ahead: ReadonlySet<number>): number | undefined => {
    const open = state.view().missing.filter(p => !ahead.has(p) && !leases.isHeldByOther(p))
    return ahead.size >= init.maxPartitions
      ? undefined
      : nextPartition({
          self,
          peers: leases.activePeers(),
          open: open.flatMap(index => {
            const file = manifest.partitions[index]
            return file === undefined ? [] : [{ index, cid: file.cid }]
          })
        })
  }

  let reference = state.view().election.reference?.cid
  const onElection = ({ detail }: CustomEvent<Election>): void => {
    // further scores change the ranking all the time; only another reference is a reason to wait
    const next = detail.reference?.cid
    if (next === undefined ? reference === undefined : reference?.equals(next)) return
    reference = next
    electedAt = performance.now()
    forgetTransforms()
  }
  state.events.addEventListener('election', onElection)
  try {
    // most likely the prior passes, and what is open now is open then
    prefetch.workingOn('shared', ahead => (isShareAhead(ahead) ? undefined : firstOpen(ahead)))
    const own = await optimize.score()
    components.onScored(own)
    onEvent({ type: 'score', record: own.key, uniformValue: own.body.uniformValue, name: own.body.prior.name })
    while (!stopping.aborted) {
      // scores that are not judged yet, the own one among them, may elect another reference
      if (init.once && isAllChosen(state)) await state.untilJudged(stopping)
      assertUsable(own, state, performance.now() - electedAt >= init.settleMs)
      const task = choose(own)
      departure.intend(coming(own))
      if (task === undefined && init.once && isAllChosen(state) && !departure.isHeldBack()) break
      if (task === undefined || task.do === 'wait') {
        await nextChange(state, Math.min(init.settleMs, init.renewMs), stopping)
        continue
      }
      try {
        await run(task, own)
      } catch (error) {
        if (stopping.aborted) break
        // the own disk, identity and prior end the work; nothing that content of others brings may
        if (!(error instanceof CoOptError) || error instanceof StoreFullError || error instanceof IdentityInUseError)
          throw error
        if (task.do === 'align' && task.own) throw error
        const what = task.do === 'align' ? task.work.result.key : `${task.partition}`
        retries.failed(what)
        logger.warn('set aside, to be tried again later', {
          task: task.do,
          partition: task.partition,
          reason: error.message
        })
      }
    }
  } catch (error) {
    if (!stopping.aborted) throw error
    logger.info('stopped', { reason: String(error) })
  } finally {
    state.events.removeEventListener('election', onElection)
  }
  return { partitions: published, done: isAllChosen(state) }
}

// --- internal ---

function isAllChosen({ swarm, view }: Pick<SwarmState, 'swarm' | 'view'>): boolean {
  return view().chosen.size === swarm.manifest.partitions.length
}

/** Throws when the targets of this prior would be refused: by the gate, or (once the reference stands) by the alignment's floor. */
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

/** Work that failed is tried again, each time after twice the pause. */
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
