/**
 * The judge of one swarm: fetches S_Y of every score that counts, has it assessed, and triggers elections (elections.ts).
 *
 * Guarantees: a verdict is a function of content, and which scores get one is a function of the set (counted-scores.ts), so members with
 * equal sets that could fetch everything have equal evidence. This module only decides in which order and how often content is requested: authors
 * take turns, so an identity with many scores or a slow line does not delay others. Content that is wrong (not merely absent) gets a verdict, too.
 * Memory is bounded by the number of scores that count.
 */
import type { Election } from '../../src/align/candidate.ts'
import { NOTHING, type Assessment } from '../../src/align/gate.ts'
import { parseCid } from '../../src/codec.ts'
import { ContentUnavailableError, InvalidContentError, NumericError } from '../../src/errors.ts'
import { least } from '../../src/extremes.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import { countedScores } from '../../src/merge/counted-scores.ts'
import { assessmentKey, type Evidence, type Quality } from '../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { createElections } from './elections.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Logger } from '../process/logger.ts'

/** Concurrent fetches: a few slow authors must not hold up the others. */
const CONCURRENCY = 4

/** A matrix of 1 MiB takes a second on a slow line; peers that need longer are asked again later. */
const FETCH_MS = 30_000

/** After a failed fetch of S_Y: 2 s, doubling to 5 min. Time decides only when we try again. */
const FIRST_RETRY_MS = 2_000
const MAX_RETRY_MS = 300_000

/** `untilJudged` waits for the second retry of a score, not forever: its author may be gone. */
const PATIENT_FAILURES = 3

/** Pause after a failed election, for example because of a full disk. */
const ELECTION_RETRY_MS = 60_000

export interface JudgeComponents {
  set: RecordSet
  exact: Pick<Exact, 'assess' | 'elect' | 'forget' | 'quality'>
  /** Throws `InvalidContentError` only for bytes that match the CID but are not such a matrix. */
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
  /** Signals that there may be something new to judge or elect. */
  wake(): void
  /** Resolves when all counted scores are judged, or have failed so often that waiting helps little. Throws the signal's reason. */
  untilJudged(signal?: AbortSignal): Promise<void>
  /** Counted scores without a verdict, which a merge made now may lack. */
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
  let isStale = true // something may have changed since the last pass began
  let started = false
  let timer: NodeJS.Timeout | undefined

  const unjudgedScores = (): SignedRecord<Score>[] =>
    countedScores(set).filter(({ body }) => !assessments.has(assessmentKey(body)))

  /** Forgets scores that no longer count or were displaced from the set. */
  const forgetUncounted = async (): Promise<void> => {
    const scores = countedScores(set)
    const kept = new Set(scores.map(({ body }) => assessmentKey(body)))
    const matrices = new Set(scores.map(({ body }) => `${body.targets}`))
    for (const key of assessments.keys()) {
      if (kept.has(key)) continue
      assessments.delete(key)
      const [targets = ''] = key.split(' ')
      if (!matrices.has(targets)) await exact.forget(parseCid(targets))
    }
    const waiting = new Set(unjudgedScores().map(({ key }) => key))
    for (const key of failures.keys()) if (!waiting.has(key)) failures.delete(key)
  }

  const wake = (): void => {
    isStale = true
    if (!started || controller.signal.aborted || running !== undefined) return
    running = pass()
      .catch((error: unknown) => {
        if (controller.signal.aborted) return
        logger.error('the election could not be computed', { error, retryMs: ELECTION_RETRY_MS })
        wakeIn(ELECTION_RETRY_MS)
      })
      .finally(() => {
        running = undefined
        if (isStale && !controller.signal.aborted) wake()
        else passes.dispatchEvent(new Event('idle'))
      })
  }

  const wakeIn = (ms: number): void => {
    timer = setTimeout(wake, ms).unref()
  }

  const pass = async (): Promise<void> => {
    isStale = false
    clearTimeout(timer)
    await forgetUncounted()
    const due = unjudgedScores().filter(score => (failures.get(score.key)?.at ?? 0) <= performance.now())
    let next = 0
    const work = async (): Promise<void> => {
      for (let score = due[next++]; score !== undefined; score = due[next++]) {
        if (controller.signal.aborted) return
        await judge(score)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
    if (controller.signal.aborted) return
    await elections.now()
    const soonest = least(unjudgedScores().map(score => failures.get(score.key)?.at ?? Infinity))
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
        logger.warn('a score is refused because of its content', { score: score.key, reason })
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
    if (!patient || !started) return false
    return unjudgedScores().some(score => (failures.get(score.key)?.count ?? 0) < PATIENT_FAILURES)
  }

  return {
    evidence,
    election: elections.present,
    start: () => {
      started = true
      wake()
    },
    wake,
    untilJudged: async signal => {
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
    unjudged: () => unjudgedScores().length,
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
  return { ...NOTHING, present: 0, refusals: [reason] }
}
