/**
 * The state of one swarm on this node: the set of records, the evidence computed from content, and the views of both.
 *
 * Records come in through one door (`receive`) whether from gossip, sync, the log or ourselves. Publishing follows the write-ahead
 * order: blocks are durable before `publish` is called; then the signed record is synced to the log (this is the publication, and when
 * `publish` resolves it survives any crash), then it enters the view, then it is announced.
 */
import { TypedEventEmitter } from 'main-event'
import type { Election } from '../../src/align/candidate.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { StoreFullError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { createRecordSet, isFull, type InsertOutcome, type RecordSet } from '../../src/merge/record-set.ts'
import { viewOf, type Evidence, type SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { sealRecord, type Alignment, type Result, type Score, type SignedRecord } from '../../src/publish/record.ts'
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
  log: RecordLog
  sequence: Sequence
  exact: Exact
  /** S_Y of a score from wherever it can be had; throws `ContentUnavailableError` or `InvalidContentError`. */
  fetchTargets(score: SignedRecord<Score>, options: { signal: AbortSignal }): Promise<Matrix32>
  /** Make a computed reference durable (judge.ts) */
  keepReference?(matrix: Matrix32): Promise<void>
  /** Is there a network from which missing content may still come? */
  patient: boolean
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
  /** Resolves when all scores are judged and the election reflects it, or waiting longer would help little (judge.ts). */
  settled(signal?: AbortSignal): Promise<void>
  /** Scores without a verdict yet: what a merge made now may lack */
  unjudged(): number
  start(): void
  stop(): Promise<void>
}

export function createSwarmState(components: SwarmStateComponents, records: Iterable<SignedRecord> = []): SwarmState {
  const { swarm, self, sign, log, sequence, exact, fetchTargets, keepReference, patient, logger } = components
  const { manifest } = swarm
  const set = createRecordSet(records)
  const events = new TypedEventEmitter<SwarmEvents>()
  let cachedView: SwarmView | undefined
  let announced = true
  let fullWarned = false

  /** One 'change' for all that changes in one turn: a sync brings hundreds of records, and a view costs milliseconds. */
  const changed = (): void => {
    cachedView = undefined
    if (!announced) return
    announced = false
    queueMicrotask(() => {
      announced = true
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

  const insert = (record: SignedRecord, own: boolean): InsertOutcome => {
    const outcome = set.insert(record)
    if (outcome === 'duplicate' || outcome === 'superseded') return outcome
    changed()
    events.safeDispatchEvent('record', { detail: { record, own } })
    // who signed twice, and be it two results, cannot be elected, and any further record may have evicted one of its scores
    if (record.body.type === 'score' || set.equivocators().has(peerIdOf(record.body.author))) judge.wake()
    return outcome
  }

  return {
    swarm,
    set,
    evidence,
    events,
    receive: record => {
      if (set.has(record.key)) return false
      if (isFull(set, manifest.quotas)) {
        if (!fullWarned)
          logger.error('the record quota of the swarm is used up; further records are not taken', { bytes: set.bytes })
        fullWarned = true
        return false
      }
      if (insert(record, false) !== 'added') return false
      // a foreign record can be had again: logged, not synced
      log.append(record.bytes, { sync: false }).catch((error: unknown) => {
        logger.error('a record could not be written to the log', { record: record.key, error })
      })
      return true
    },
    publish: async draft => {
      const seq = await sequence.next(set.nextSeq(self))
      const { recordsPerPeer } = manifest.quotas
      // the others would drop it, and then their sets and ours would differ for ever
      if (seq >= recordsPerPeer) {
        throw new StoreFullError(
          `this node has published the ${recordsPerPeer} records that the swarm takes from one peer`
        )
      }
      const record = await sealRecord({ ...draft, v: 1, swarm: swarm.id, author: self, seq }, sign)
      await failpoint('publish:blocks')
      await log.append(record.bytes, { sync: true })
      await failpoint('publish:log')
      insert(record, true)
      return record
    },
    view: () => (cachedView ??= viewOf(manifest, set, evidence, judge.election())),
    settled: judge.settled,
    unjudged: judge.unjudged,
    start: judge.start,
    stop: judge.stop
  }
}
