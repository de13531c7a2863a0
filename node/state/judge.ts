/**
 * The judge of one swarm: fetches S_Y of every score, has it assessed, and has elections held (elections.ts).
 *
 * Verdicts are pure functions of content; what this file decides is only in which order and how often content is asked for. Authors
 * take turns, so that one identity with many scores or a slow line delays nobody else, and content that is wrong (not merely absent)
 * is a verdict too.
 */
import type { Election } from '../../src/align/candidate.ts'
import type { Assessment } from '../../src/align/gate.ts'
import { ContentUnavailableError, InvalidContentError, NumericError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import { assessmentKey, countedScores, type Evidence, type Quality } from '../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { createElections } from './elections.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Logger } from '../process/logger.ts'

/** Scores judged per swarm: each costs a fetch and about a second. Identities are free in an open swarm, so it must end somewhere. */
const MAX_SCORES_JUDGED = 1024

/** Fetches at the same time: a few slow authors must not hold up the others. */
const CONCURRENCY = 4

/** A matrix of 1 MiB takes a second on a slow line; whoever needs longer is asked again later. */
const FETCH_MS = 30_000

/** After a failed fetch of S_Y: 2 s, doubling to 5 min. Time decides only when we try again. */
const FIRST_RETRY_MS = 2_000
const MAX_RETRY_MS = 300_000

/** `settled` waits for the second retry of a score, not for ever: its author may be gone. */
const PATIENT_FAILURES = 3

/** After an election that failed, as on a full disk. */
const ELECTION_RETRY_MS = 60_000

export interface JudgeComponents {
  set: RecordSet
  exact: Exact
  /** Throws `InvalidContentError` only for bytes that hash to the CID and are no such matrix. */
  fetchTargets(score: SignedRecord<Score>, options: { signal: AbortSignal }): Promise<Matrix32>
  /** Make a computed reference durable (elections.ts) */
  keepReference?(matrix: Matrix32): Promise<void>
  /** Evidence changed, or (`election`) the ranking or the reference */
  onChange(election: boolean): void
  /** Is there a network from which missing content may still come? */
  patient: boolean
  logger: Logger
}

export interface Judge {
  readonly evidence: Evidence
  election(): Election
  start(): void
  /** There may be something new to judge or elect. */
  wake(): void
  /** Resolves when all scores are judged, or have failed so often that waiting helps little. Throws the signal's reason. */
  settled(signal?: AbortSignal): Promise<void>
  /** Scores without a verdict: what a merge made now may lack. */
  unjudged(): number
  stop(): Promise<void>
}

export function createJudge(components: JudgeComponents): Judge {
  const { set, exact, fetchTargets, keepReference, onChange, patient, logger } = components
  const assessments = new Map<string, Assessment>()
  const qualities = new Map<string, Quality>()
  const evidence: Evidence = { assessments, qualities }
  const failures = new Map<string, { count: number; at: number }>()
  const controller = new AbortController()
  const elections = createElections({
    set,
    exact,
    evidence,
    qualities,
    ...(keepReference === undefined ? {} : { keepReference }),
    onChange,
    signal: controller.signal,
    logger
  })
  const passes = new EventTarget() // 'idle' after every pass
  let running: Promise<void> | undefined
  let dirty = true
  let started = false
  let warned = false
  let timer: NodeJS.Timeout | undefined

  const open = (): SignedRecord<Score>[] =>
    countedScores(set).filter(({ body }) => !assessments.has(assessmentKey(body)))

  const wake = (): void => {
    dirty = true
    if (!started || controller.signal.aborted || running !== undefined) return
    running = pass()
      .catch((error: unknown) => {
        if (controller.signal.aborted) return
        logger.error('the election could not be computed', { error, retryMs: ELECTION_RETRY_MS })
        wakeIn(ELECTION_RETRY_MS)
      })
      .finally(() => {
        running = undefined
        if (dirty && !controller.signal.aborted) wake()
        else passes.dispatchEvent(new Event('idle'))
      })
  }

  const wakeIn = (ms: number): void => {
    timer = setTimeout(wake, ms).unref()
  }

  const pass = async (): Promise<void> => {
    dirty = false
    clearTimeout(timer)
    const due = open().filter(score => (failures.get(score.key)?.at ?? 0) <= performance.now())
    let next = 0
    const work = async (): Promise<void> => {
      for (let score = due[next++]; score !== undefined; score = due[next++]) {
        if (controller.signal.aborted) return
        if (assessments.size >= MAX_SCORES_JUDGED) {
          if (!warned)
            logger.error('more scores than are judged; further ones are left out', { judged: MAX_SCORES_JUDGED })
          warned = true
          return
        }
        await judge(score)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
    if (controller.signal.aborted) return
    await elections.now()
    const soonest = Math.min(...open().map(score => failures.get(score.key)?.at ?? Infinity))
    if (Number.isFinite(soonest)) wakeIn(Math.max(0, soonest - performance.now()))
  }

  const judge = async (score: SignedRecord<Score>): Promise<void> => {
    const key = assessmentKey(score.body)
    if (assessments.has(key)) return // another record cites the same matrix
    const { targets, prior } = score.body
    try {
      const matrix = await fetchTargets(score, {
        signal: AbortSignal.any([controller.signal, AbortSignal.timeout(FETCH_MS)])
      })
      assessments.set(key, await exact.assess(targets, prior.kind, matrix))
    } catch (error) {
      if (controller.signal.aborted) return
      const reason = error instanceof Error ? error.message : String(error)
      if (error instanceof InvalidContentError || error instanceof NumericError) {
        assessments.set(key, refused(reason))
        logger.warn('a score is refused for its content', { score: score.key, reason })
      } else {
        const count = (failures.get(score.key)?.count ?? 0) + 1
        const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1))
        failures.set(score.key, { count, at: performance.now() + delay })
        logger.warn('a score cannot be judged yet', { score: score.key, reason, retryMs: delay })
        return
      }
    }
    failures.delete(score.key)
    onChange(false)
    await elections.soon()
  }

  const isBusy = (): boolean => {
    if (running !== undefined) return true
    if (!patient || !started || assessments.size >= MAX_SCORES_JUDGED) return false
    return open().some(score => (failures.get(score.key)?.count ?? 0) < PATIENT_FAILURES)
  }

  return {
    evidence,
    election: elections.present,
    start: () => {
      started = true
      wake()
    },
    wake,
    settled: async signal => {
      while (isBusy()) {
        signal?.throwIfAborted()
        if (controller.signal.aborted) return
        const { promise, resolve } = Promise.withResolvers<void>()
        const done = (): void => resolve()
        passes.addEventListener('idle', done, { once: true })
        signal?.addEventListener('abort', done, { once: true })
        controller.signal.addEventListener('abort', done, { once: true })
        await promise
        passes.removeEventListener('idle', done)
        signal?.removeEventListener('abort', done)
        controller.signal.removeEventListener('abort', done)
      }
      signal?.throwIfAborted()
    },
    unjudged: () => open().length,
    stop: async () => {
      controller.abort(new ContentUnavailableError('the node is stopping'))
      clearTimeout(timer)
      await running
      await elections.stop()
    }
  }
}

// --- internal ---

function refused(reason: string): Assessment {
  return {
    uniformValue: 0,
    r2: 0,
    chanceR2: 0,
    noiseDeviation: 0,
    neighbourOverlap: 0,
    neighbourLift: 0,
    effectiveRank: 0,
    present: 0,
    admissible: false,
    refusals: [reason]
  }
}
