/**
 * The elections of one swarm, one at a time, and how well each prior maps onto the reference.
 *
 * An election over many priors takes seconds of the thread that also judges scores (src/align/consensus.ts), and anyone may publish scores. So while
 * scores remain to be judged, elections take at most half of the time; once all are judged, one follows immediately.
 *
 * Guarantees: elections never overlap; each covers everything known when it began; a computed reference is durable before it is announced; and
 * figures for the current reference are never forgotten.
 */
import type { CID } from 'multiformats/cid'
import type { Election } from '../../src/align/candidate.ts'
import { NumericError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { countedScores } from '../../src/merge/counted-scores.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import {
  assessmentKey,
  candidatesOf,
  HOPELESS,
  qualityKey,
  type Evidence,
  type Quality
} from '../../src/merge/views.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Logger } from '../process/logger.ts'

/** Figures for past references are kept up to this total (5 MB), because a past reference may win again. */
export const MAX_QUALITIES = 16_384

export interface ElectionsComponents {
  set: RecordSet
  exact: Pick<Exact, 'elect' | 'quality'>
  evidence: Evidence
  /** The map behind `evidence.qualities` */
  qualities: Map<string, Quality>
  /** Make a computed reference durable, so that others can fetch it once it is announced; omitted if no peer can ask for it. */
  keepReference?(matrix: Matrix32): Promise<void>
  /** Evidence changed, or (`election`) the ranking or the reference */
  onChange(election: boolean): void
  signal: AbortSignal
  logger: Logger
}

export interface Elections {
  /** The latest election */
  present(): Election
  /** Run an election over everything known when it begins. Callers share an election that is still waiting for its turn. */
  now(): Promise<void>
  /** The same, but delayed until the time since the last election is at least as long as that took. Failures are logged. */
  soon(): Promise<void>
  /** After the signal: resolves when no election is running. */
  stop(): Promise<void>
}

export function createElections(components: ElectionsComponents): Elections {
  const { set, exact, evidence, qualities, keepReference, onChange, signal, logger } = components
  let election: Election = { ranking: [] }
  let last: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined
  let restUntil = 0
  let timer: NodeJS.Timeout | undefined

  const cancel = (): void => {
    clearTimeout(timer)
    timer = undefined
  }

  const now = async (): Promise<void> => {
    cancel()
    waiting ??= inTurn(last)
    last = waiting
    await waiting
  }

  const inTurn = async (before: Promise<void>): Promise<void> => {
    await before.catch(() => undefined) // its callers have its error
    waiting = undefined
    signal.throwIfAborted()
    const started = performance.now()
    try {
      await electOnce()
    } finally {
      restUntil = 2 * performance.now() - started
    }
  }

  const attempt = async (): Promise<void> => {
    try {
      await now()
    } catch (error) {
      if (!signal.aborted) logger.error('the election could not be computed', { error })
    }
  }

  const electOnce = async (): Promise<void> => {
    const before = election
    const next = await exact.elect(candidatesOf(set, evidence))
    const { cid: reference, matrix } = next.reference ?? {}
    const isSame = sameCid(before.reference?.cid, reference)
    if (matrix !== undefined && !isSame) await keepReference?.(matrix)
    election = next
    if (!isSame || JSON.stringify(before.ranking) !== JSON.stringify(next.ranking)) onChange(true)
    if (reference === undefined) return
    if (qualities.size > MAX_QUALITIES) forgetOtherReferences(reference)
    for (const { body } of countedScores(set)) {
      const key = qualityKey(body.targets, reference)
      if (qualities.has(key) || evidence.assessments.get(assessmentKey(body))?.admissible !== true) continue
      signal.throwIfAborted()
      qualities.set(key, await quality(body.targets, reference))
      onChange(false)
    }
  }

  const forgetOtherReferences = (reference: CID): void => {
    for (const key of qualities.keys()) if (!key.endsWith(` ${reference}`)) qualities.delete(key)
  }

  const quality = async (targets: CID, reference: CID): Promise<Quality> => {
    try {
      return await exact.quality(targets, reference)
    } catch (error) {
      if (!(error instanceof NumericError) || signal.aborted) throw error
      logger.warn('a prior cannot be mapped onto the reference', { targets, reason: error.message })
      return HOPELESS
    }
  }

  return {
    present: () => election,
    now,
    soon: async () => {
      const rest = restUntil - performance.now()
      if (rest <= 0) await attempt()
      else timer ??= setTimeout(() => void attempt(), rest).unref()
    },
    stop: async () => {
      cancel()
      await last.catch(() => undefined)
    }
  }
}

// --- internal ---

function sameCid(a: CID | undefined, b: CID | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b)
}
