/**
 * The state of one swarm on this node: the set of records, the evidence computed from content, and the views of both.
 *
 * Records come in through one door (`receive`) whether from gossip, sync, the log or ourselves. Publishing follows the write-ahead
 * order: blocks are durable before `publish` is called; then the signed record is synced to the log (this is the publication, and when
 * `publish` resolves it survives any crash), then it enters the view, then it is announced.
 */
import type { CID } from 'multiformats/cid'
import { TypedEventEmitter } from 'main-event'
import type { Election } from '../src/align/election.ts'
import type { Assessment } from '../src/align/gate.ts'
import type { Swarm } from '../src/distribute/manifest.ts'
import type { PeerKey, Sign } from '../src/envelope.ts'
import { ContentUnavailableError, CoOptError } from '../src/errors.ts'
import type { Matrix32 } from '../src/matrix.ts'
import { createRecordSet, isFull, type RecordSet } from '../src/merge/record-set.ts'
import {
  assessmentKey,
  candidatesOf,
  qualityKey,
  viewOf,
  type Evidence,
  type Quality,
  type SwarmView
} from '../src/merge/views.ts'
import { peerIdOf } from '../src/peer-key.ts'
import { sealRecord, type Alignment, type Result, type Score, type SignedRecord } from '../src/publish/record.ts'
import type { Exact } from './exact/exact.ts'
import { failpoint } from './failpoint.ts'
import type { Logger } from './logger.ts'
import type { RecordLog } from './store/record-log.ts'
import type { Sequence } from './store/sequence.ts'

/** Scores judged per swarm: each costs a fetch and about a second. Identities are free in an open swarm, so it must end somewhere. */
const MAX_SCORES_JUDGED = 1024

/** After a failed fetch of S_Y: 5 s, doubling to 5 min. Time decides only when we try again. */
const FIRST_RETRY_MS = 5_000
const MAX_RETRY_MS = 300_000

export interface SwarmEvents {
  /** A record entered the set */
  record: CustomEvent<{ record: SignedRecord; own: boolean }>
  /** The reference or the ranking changed */
  election: CustomEvent<Election>
  /** Anything that a view depends on changed */
  change: CustomEvent<undefined>
}

export interface SwarmStateComponents {
  swarm: Swarm
  self: PeerKey
  sign: Sign
  log: RecordLog
  sequence: Sequence
  exact: Exact
  /** S_Y of a score from wherever it can be had; throws `ContentUnavailableError` or `InvalidContentError`. */
  fetchTargets(score: SignedRecord<Score>, options: { signal: AbortSignal }): Promise<Matrix32>
  logger: Logger
}

/** A record's body without what the state fills in. */
export type Draft =
  | Omit<Score, 'v' | 'swarm' | 'author' | 'seq'>
  | Omit<Result, 'v' | 'swarm' | 'author' | 'seq'>
  | Omit<Alignment, 'v' | 'swarm' | 'author' | 'seq'>

export interface SwarmState {
  readonly swarm: Swarm
  readonly set: RecordSet
  readonly evidence: Evidence
  readonly events: TypedEventEmitter<SwarmEvents>
  /** Insert a valid record that came from elsewhere. Returns whether it was new. */
  receive(record: SignedRecord): boolean
  /** Number, sign, log durably and insert an own record. */
  publish(draft: Draft): Promise<SignedRecord>
  view(): SwarmView
  /** Resolves when every score that can be had has been judged and the election reflects it. */
  settled(): Promise<void>
  start(): void
  stop(): Promise<void>
}

export function createSwarmState(components: SwarmStateComponents, records: Iterable<SignedRecord> = []): SwarmState {
  const { swarm, self, sign, log, sequence, exact, fetchTargets, logger } = components
  const { manifest } = swarm
  const set = createRecordSet(records)
  const events = new TypedEventEmitter<SwarmEvents>()
  const assessments = new Map<string, Assessment>()
  const qualities = new Map<string, Quality>()
  const evidence: Evidence = { assessments, qualities }
  const retries = new Map<string, { at: number; delay: number }>()
  const controller = new AbortController()

  let election: Election = { ranking: [] }
  let cachedView: SwarmView | undefined
  let judging: Promise<void> | undefined
  let dirty = true
  let started = false
  let retryTimer: NodeJS.Timeout | undefined

  const changed = (): void => {
    cachedView = undefined
    events.safeDispatchEvent('change', { detail: undefined })
  }

  const insert = (record: SignedRecord, own: boolean): boolean => {
    if (set.insert(record) !== 'added') return false
    changed()
    events.safeDispatchEvent('record', { detail: { record, own } })
    // who signed twice, and be it two results, cannot be elected, and any further record may have evicted one of its scores
    if (record.body.type === 'score' || set.equivocators().has(peerIdOf(record.body.author))) wake()
    return true
  }

  /** Run the judge unless it runs already; if it does, have it look again when it is done. */
  const wake = (): void => {
    dirty = true
    if (!started || controller.signal.aborted || judging !== undefined) return
    judging = judge()
      .catch((error: unknown) => logger.error('the election could not be computed', { error: String(error) }))
      .finally(() => {
        judging = undefined
        if (dirty && !controller.signal.aborted) wake()
      })
  }

  /** Judge all scores not judged yet, most promising claim first; elect again after each. */
  const judge = async (): Promise<void> => {
    dirty = false
    clearTimeout(retryTimer)
    const open = set
      .byType('score')
      .filter(({ body }) => !assessments.has(assessmentKey(body)))
      .sort((a, b) => a.body.uniformValue - b.body.uniformValue || (a.key < b.key ? -1 : 1))
    let later: number | undefined
    for (const score of open) {
      if (controller.signal.aborted || assessments.size >= MAX_SCORES_JUDGED) return
      const retry = retries.get(score.key)
      if (retry !== undefined && retry.at > performance.now()) {
        later = Math.min(later ?? Infinity, retry.at)
        continue
      }
      try {
        const { targets, prior } = score.body
        const matrix = await fetchTargets(score, { signal: controller.signal })
        assessments.set(assessmentKey(score.body), await exact.assess(targets, prior.kind, matrix))
        retries.delete(score.key)
        await reelect()
      } catch (error) {
        if (controller.signal.aborted) return
        if (!(error instanceof CoOptError))
          logger.error('judging a score failed unexpectedly', { score: score.key, error: String(error) })
        const delay = Math.min(MAX_RETRY_MS, (retry?.delay ?? FIRST_RETRY_MS / 2) * 2)
        retries.set(score.key, { at: performance.now() + delay, delay })
        later = Math.min(later ?? Infinity, performance.now() + delay)
        logger.warn('a score cannot be judged yet', {
          score: score.key,
          reason: error instanceof Error ? error.message : String(error),
          retryMs: delay
        })
      }
    }
    await reelect()
    if (later !== undefined) {
      retryTimer = setTimeout(wake, Math.max(0, later - performance.now()))
      retryTimer.unref()
    }
  }

  const reelect = async (): Promise<void> => {
    const before = election
    const next = await exact.elect(candidatesOf(set, evidence, () => undefined))
    const reference = next.reference?.cid
    if (reference !== undefined) {
      for (const score of set.byType('score')) {
        const targets = score.body.targets
        const key = qualityKey(targets, reference)
        if (qualities.has(key) || assessments.get(assessmentKey(score.body))?.admissible !== true) continue
        qualities.set(key, await exact.quality(targets, reference))
      }
    }
    election = next
    if (JSON.stringify(before.ranking) !== JSON.stringify(next.ranking) || !sameCid(before.reference?.cid, reference)) {
      changed()
      events.safeDispatchEvent('election', { detail: election })
    }
  }

  return {
    swarm,
    set,
    evidence,
    events,
    receive: record => {
      if (set.has(record.key)) return false
      if (isFull(set, manifest.quotas)) return false
      if (!insert(record, false)) return false
      // a foreign record can be had again: logged, not synced
      log.append(record.bytes, { sync: false }).catch((error: unknown) => {
        logger.error('a record could not be written to the log', { record: record.key, error: String(error) })
      })
      return true
    },
    publish: async draft => {
      const seq = await sequence.next(set.nextSeq(self))
      const record = await sealRecord({ ...draft, v: 1, swarm: swarm.id, author: self, seq }, sign)
      await failpoint('publish:blocks')
      await log.append(record.bytes, { sync: true })
      await failpoint('publish:log')
      insert(record, true)
      return record
    },
    view: () => (cachedView ??= viewOf(manifest, set, evidence, election)),
    settled: async () => {
      for (let current = judging; current !== undefined; current = judging) await current
    },
    start: () => {
      started = true
      wake()
    },
    stop: async () => {
      controller.abort(new ContentUnavailableError('the node is stopping'))
      clearTimeout(retryTimer)
      await judging
    }
  }
}

// --- internal ---

function sameCid(a: CID | undefined, b: CID | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b)
}
