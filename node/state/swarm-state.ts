/**
 * What this node believes of one swarm: the set of records, the evidence computed from content, and the view of both.
 *
 * Guarantees: every record passed `takeRecord` (or was sealed here); equal sets and equal evidence give equal views. Publishing follows the
 * write-ahead order: blocks are durable before `publish` is called; then the signed record is synced to the log (this is the publication: once
 * `publish` resolves, it survives any crash), then it enters the view, then it is announced. The log reports own records that the swarm does not keep
 * or does not judge.
 */
import { setMaxListeners } from 'node:events'
import { TypedEventEmitter } from 'main-event'
import type { Election } from '../../src/align/candidate.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { equalBytes } from '../../src/codec.ts'
import type { PeerKey, Sign, Verify } from '../../src/envelope.ts'
import { StoreFullError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import type { Acceptance } from '../../src/merge/confirmation.ts'
import { countedScores, MAX_COUNTED_SCORES, MAX_SCORES_PER_AUTHOR } from '../../src/merge/counted-scores.ts'
import { needsDistinctPriors } from '../../src/merge/local-view.ts'
import { createRecordSet, type InsertOutcome, type RecordSet } from '../../src/merge/record-set.ts'
import { takeRecord, type Taken } from '../../src/merge/take-record.ts'
import { candidatesOf, viewOf, type Evidence, type SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import {
  sealRecord,
  type Alignment,
  type Check,
  type Result,
  type Score,
  type SignedRecord
} from '../../src/publish/record.ts'
import type { Exact } from '../compute/exact/exact.ts'
import { failpoint } from '../process/failpoint.ts'
import { createJudge } from './judge.ts'
import type { Logger } from '../process/logger.ts'
import type { RecordLog } from '../store/record-log.ts'
import type { Sequence } from '../store/sequence.ts'

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
  verify: Verify
  log: Pick<RecordLog, 'append'>
  sequence: Pick<Sequence, 'next'>
  exact: Pick<Exact, 'assess' | 'elect' | 'forget' | 'quality'>
  /** S_Y of a score, from the store or from peers; throws `ContentUnavailableError` or `InvalidContentError`. */
  fetchTargets(score: SignedRecord<Score>, options: { signal: AbortSignal }): Promise<Matrix32>
  /** Make a computed reference durable (judge.ts) */
  keepReference?(matrix: Matrix32): Promise<void>
  /** Is there a network from which missing content may still come? */
  patient: boolean
  logger: Logger
}

/** A record's body without the fields that the state fills in. */
export type Draft =
  | Omit<Score, 'v' | 'swarm' | 'author' | 'seq'>
  | Omit<Result, 'v' | 'swarm' | 'author' | 'seq'>
  | Omit<Alignment, 'v' | 'swarm' | 'author' | 'seq'>
  | Omit<Check, 'v' | 'swarm' | 'author' | 'seq'>

/** The read-only part, for merging, reports and the choice of work. */
export interface ReadableState {
  readonly swarm: Swarm
  readonly set: RecordSet
  readonly evidence: Evidence
  readonly events: TypedEventEmitter<SwarmEvents>
  view(): SwarmView
}

/** Takes records from elsewhere. */
export interface RecordIntake {
  /** Take an encoded record. Throws `InvalidRecordError` (take-record.ts). */
  receive(bytes: Uint8Array): Taken
  /** Take a record that passed `openRecord`. */
  add(record: SignedRecord): InsertOutcome
}

export interface RecordPublisher {
  /**
   * Number, sign, log durably and insert an own record. Throws `StoreFullError` without publishing if the other members would not keep it.
   */
  publish(draft: Draft): Promise<SignedRecord>
}

/** Progress of judging (judge.ts). */
export interface JudgingProgress {
  /** Resolves when all counted scores are judged and the election reflects it, or further waiting would hardly help. Throws the signal's reason. */
  untilJudged(signal?: AbortSignal): Promise<void>
  /** Counted scores without a verdict, which a merge made now may lack */
  unjudged(): number
}

export interface LocalViews {
  /** What this node knows at this moment, seen by a rule of its own (merge/local-view.ts) */
  localState(acceptance: Acceptance): Promise<Pick<ReadableState, 'set' | 'evidence' | 'view'>>
}

export interface SwarmState extends ReadableState, LocalViews, RecordIntake, RecordPublisher, JudgingProgress {
  start(): void
  stop(): Promise<void>
}

/** Node warns from 11 on, where a leak would show. Five parts of a node listen, and each prior that works here twice: this is a dozen priors. */
const MAX_LISTENERS = 32

/** `set`: records known already, for example from the log. The state owns it from now on. */
export function createSwarmState(
  components: SwarmStateComponents,
  set: RecordSet = createRecordSet([], components.swarm.manifest.quotas)
): SwarmState {
  const { swarm, self, sign, verify, log, sequence, exact, fetchTargets, keepReference, patient, logger } = components
  const { manifest } = swarm
  const events = new TypedEventEmitter<SwarmEvents>()
  setMaxListeners(MAX_LISTENERS, events)
  let cachedView: SwarmView | undefined
  let isChangeDue = false

  /** One 'change' event for all changes in one turn: a sync brings hundreds of records, and a view costs milliseconds. */
  const changed = (): void => {
    cachedView = undefined
    if (isChangeDue) return
    isChangeDue = true
    queueMicrotask(() => {
      isChangeDue = false
      events.safeDispatchEvent('change', { detail: undefined })
    })
  }

  const judge = createJudge({
    set,
    exact,
    fetchTargets,
    ...(keepReference === undefined ? {} : { keepReference }),
    patient,
    logger,
    onChange: election => {
      changed()
      if (election) events.safeDispatchEvent('election', { detail: judge.election() })
    }
  })
  const { evidence } = judge

  const entered = (record: SignedRecord, own: boolean): void => {
    changed()
    events.safeDispatchEvent('record', { detail: { record, own } })
    // an author that signed two records under one number, of whatever type, cannot be elected, and any further record may have evicted one of its scores
    if (record.body.type === 'score' || set.isEquivocator(peerIdOf(record.body.author))) judge.wake()
  }

  // records that other members do not keep or judge are useless: their author must be told
  const isOwn = ({ body }: SignedRecord): boolean => equalBytes(body.author, self)
  const warned = new Set<string>() // own records only
  let isDisplacementTold = false
  set.onDisplaced((record, wasForked) => {
    if (record.body.type === 'score' || wasForked) judge.wake() // its author may be electable now
    if (!isOwn(record) || isDisplacementTold) return
    isDisplacementTold = true
    logger.error('the record quota of the swarm is used up, and other records displaced records of this node', {
      record: record.key
    })
  })
  let isScoreNew = false
  const warnOfUncounted = (): void => {
    if (!isScoreNew) return
    isScoreNew = false
    const own = set.byType('score').filter(isOwn)
    if (own.length === 0) return
    const counted = new Set(countedScores(set).map(({ key }) => key))
    for (const score of own) {
      if (counted.has(score.key) || warned.has(score.key)) continue
      warned.add(score.key)
      logger.error('a score of this node is not judged, so work made with its prior does not count', {
        score: score.key,
        judgedOfOneAuthor: MAX_SCORES_PER_AUTHOR,
        judgedInAll: MAX_COUNTED_SCORES
      })
    }
  }
  events.addEventListener('record', ({ detail: { record } }) => {
    if (record.body.type === 'score') isScoreNew = true
  })
  // once for all that came together: it looks through the whole set
  events.addEventListener('change', warnOfUncounted)

  /**
   * A foreign record can be fetched again, so it is logged without a sync; once the set is full it is not logged at all, because any number may come
   * and go.
   */
  const takenFromElsewhere = (record: SignedRecord, outcome: InsertOutcome): void => {
    entered(record, false)
    if (outcome !== 'added') return
    log.append(record.bytes, { sync: false }).catch((error: unknown) => {
      logger.error('a record could not be written to the log', { record: record.key, error })
    })
  }

  const refused = (reason: string): StoreFullError =>
    new StoreFullError(`${reason}: nothing more can be published in this swarm; ask its publisher for a new one`)

  return {
    swarm,
    set,
    evidence,
    events,
    receive: bytes => {
      const taken = takeRecord(bytes, { swarm, verify, set })
      if ('record' in taken) takenFromElsewhere(taken.record, taken.outcome)
      return taken
    },
    add: record => {
      const outcome = set.insert(record)
      if (outcome === 'added' || outcome === 'replaced') takenFromElsewhere(record, outcome)
      return outcome
    },
    publish: async draft => {
      const seq = await sequence.next(set.nextSeq(self))
      const { recordsPerPeer } = manifest.quotas
      // the others would drop it, and their sets and ours would differ forever
      if (seq >= recordsPerPeer)
        throw refused(`this node has published all ${recordsPerPeer} records that the swarm accepts from one peer`)
      const record = await sealRecord({ ...draft, v: 1, swarm: swarm.id, author: self, seq }, sign)
      if (!set.fits(record)) throw refused(`the swarm's record quota is used up (${set.size} records)`)
      await failpoint('publish:blocks')
      await log.append(record.bytes, { sync: true })
      await failpoint('publish:log')
      const outcome = set.insert(record)
      // other records may have arrived while it was being written
      if (outcome === 'over-quota') throw refused(`the swarm's record quota is used up (${set.size} records)`)
      if (outcome === 'added' || outcome === 'replaced') entered(record, true)
      return record
    },
    view: () => (cachedView ??= viewOf(manifest, set, evidence, judge.election())),
    localState: async acceptance => {
      const known = createRecordSet(set.records())
      const seen = { assessments: new Map(evidence.assessments), qualities: new Map(evidence.qualities) }
      const election = needsDistinctPriors(manifest, acceptance)
        ? await exact.elect(candidatesOf(known, seen), undefined, true)
        : judge.election()
      const view = viewOf(manifest, known, seen, election, acceptance)
      return { set: known, evidence: seen, view: () => view }
    },
    untilJudged: judge.untilJudged,
    unjudged: judge.unjudged,
    start: judge.start,
    stop: judge.stop
  }
}
