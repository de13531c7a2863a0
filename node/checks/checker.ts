/**
 * Looks at the work of the other members of one swarm, in the background, for as long as the swarm is open: what is due (due-checks.ts) is looked at
 * (check-work.ts) and what was found is published. A participant lends its prior for opinions while it takes part.
 *
 * Several looks run at once, the next always at an author of whom the fewest are under way or failed: files that nobody has take long, and anybody may
 * name any number of them. Nothing that content of others brings ends the loop.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../../src/envelope.ts'
import { CoOptError, StoreFullError } from '../../src/errors.ts'
import type { Choice } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Check, SignedRecord } from '../../src/publish/record.ts'
import type { Content } from '../content/content.ts'
import { count } from '../process/counters.ts'
import type { Logger } from '../process/logger.ts'
import type { ReadableState, RecordPublisher } from '../state/swarm-state.ts'
import { createWorkChecker, type CheckWorkComponents, type Finding, type Judge } from './check-work.ts'
import type { DueCheck } from './due-checks.ts'
import { holdersOf, type ReplicaLimits } from './due-copies.ts'
import { dueWork } from './due-work.ts'
import { createFirstSeen } from './first-seen.ts'
import { createKeeper } from './keep-vouched.ts'
import { createPauses } from './pauses.ts'
import { createPresence } from './presence.ts'
import { isJudgeable, isUndecided } from './undecided.ts'
import { wordsOf } from './words.ts'

export interface CheckerComponents extends Omit<CheckWorkComponents, 'manifest' | 'content'> {
  self: PeerKey
  state: ReadableState & RecordPublisher
  content: CheckWorkComponents['content'] & Pick<Content, 'barrier' | 'writing' | 'peek' | 'has' | 'distrust'>
  /** Members that are connected */
  members(): readonly PeerKey[]
  /** Which of these files does at least one connected member hold completely? */
  heldByOthers(cids: readonly CID[], signal: AbortSignal): Promise<boolean[]>
  announce(record: SignedRecord): Promise<void>
  /** Resolves once this node may sign (swarms/twin-watch.ts). Throws the signal's reason. */
  untilAlone(signal: AbortSignal): Promise<void>
  logger: Logger
}

export interface CheckerInit {
  /** How long work waits for the first members in line before it is everybody's, ms */
  overdueMs: number
  /** How many members should hold a shard */
  replicas: ReplicaLimits
  /** How long a member may be away before what it holds does not count as a copy, ms */
  goneMs: number
  /** Pause between two of the files that this node vouched for and reads again, ms */
  keepMs: number
}

export interface Checker {
  start(): void
  /** How many members are known to hold this shard and are not gone for long, its author included */
  copiesOf(works: readonly Choice[]): number[]
  /** Work that nobody who is here can judge, this node's prior neither (undecided.ts) */
  isUndecided(work: Choice): boolean
  /** May the own prior do such work again? */
  mayRetry(): boolean
  /** Give opinions with this prior until the answer is disposed of, which ends looks that have begun with it. */
  judgeWith(judge: Judge): AsyncDisposable
  stop(): Promise<void>
}

/** Looks at once: one that waits for files must not hold up the others. */
const CONCURRENCY = 4

/** To fetch raw targets and shard: a handshake and the slowest line that counts as one, 256 kbit/s. */
const LEAST_DEADLINE_MS = 60_000
const SLOWEST_BYTES_PER_MS = 32

/** The same where no connected member, the author included, says that it holds them: who comes back is asked again later. */
const NOBODY_HOLDS_MS = 15_000

/** After a look that failed, and before files that were lost are asked for again: doubling from one to the other. */
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 300_000

/** Of confirmed work nobody says that it is lost before everybody who vouched for it is gone for so many times as long as makes another copy: a day. */
const LOST_AFTER_GONE = 24

export function createChecker(components: CheckerComponents, init: CheckerInit): Checker {
  const { overdueMs, replicas, goneMs, keepMs } = init
  const { self, state, content, members, heldByOthers, announce, logger } = components
  const { manifest } = state.swarm
  const controller = new AbortController()
  const { signal } = controller
  const { look } = createWorkChecker({ ...components, manifest })
  const secret = randomBytes(32)

  const firstSeen = createFirstSeen() // alignment -> when it first waited for checks
  const confirmed = createFirstSeen() // alignment -> when it was first seen confirmed
  const presence = createPresence(peerIdOf(self), () => members().map(key => peerIdOf(key)), {
    goneMs,
    usual: replicas.max
  })
  const pauses = createPauses(FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
  const beyond = new Set<string>() // results on which the present prior has no opinion
  const underWay = new Map<string, Look>()
  const failed = new Map<string, number>() // author -> looks in a row that found nothing sound
  let judge: Judge | undefined
  let timer: NodeJS.Timeout | undefined
  let isWakeDue = false

  const authorOf = ({ alignment }: Choice): string => peerIdOf(alignment.body.author)

  const due = (): DueCheck[] => {
    const view = state.view()
    presence.update()
    firstSeen.update([...view.contenders.values(), ...view.refuted.values()].flat())
    confirmed.update([...view.chosen.values()].filter(({ standing }) => standing?.state === 'confirmed'))
    const isOver = judge?.isLeaving === true && view.complete
    return dueWork({
      self,
      view,
      set: state.set,
      members: members(),
      score: judge?.score,
      replicas,
      isGone: presence.isGone,
      isOverdue: work => firstSeen.ageOf(work) >= overdueMs,
      periods: work => confirmed.ageOf(work) / overdueMs,
      mayAskAgain: ({ alignment }) => !pauses.isOn(alignment.key),
      isBeyond: ({ result }) => beyond.has(result.key),
      chance: what => createHash('sha256').update(secret).update(what).digest().readUInt32BE() / 2 ** 32
    }).filter(({ work: { alignment, standing } }) => {
      if (isOver && standing?.state === 'confirmed') return false
      return !underWay.has(alignment.key) && !pauses.isOn(alignment.key)
    })
  }

  const burdenOf = (author: string): number =>
    (failed.get(author) ?? 0) + [...underWay.values()].filter(one => one.author === author).length

  const deadlineOf = async ({ alignment, result }: Choice): Promise<AbortSignal> => {
    const held = await heldByOthers([result.body.raw, alignment.body.shard], signal)
    const { bytes } = alignment.body
    const ms = held.every(Boolean) ? LEAST_DEADLINE_MS + Math.ceil(bytes / SLOWEST_BYTES_PER_MS) : NOBODY_HOLDS_MS
    return AbortSignal.timeout(ms)
  }

  const lastWord = ({ alignment }: Choice): Check['shard'] | undefined =>
    wordsOf(state.set).shards.get(alignment.key)?.get(peerIdOf(self))?.shard

  const publish = async (
    { partition, alignment, result }: Choice,
    { shard, opinion }: Finding,
    ending: AbortSignal
  ): Promise<void> => {
    await components.untilAlone(ending)
    await content.barrier()
    const record = await state.publish({
      type: 'check',
      partition,
      alignment: alignment.id,
      result: result.id,
      shard,
      ...(opinion === undefined ? {} : { opinion })
    })
    await announce(record)
    count('checks_made')
  }

  /** May those that vouched for confirmed work be away only, so that it is not lost because this node cannot get it now? */
  const mayComeBack = (work: Choice): boolean => {
    const { standing } = work
    const { confirmation } = state.view()
    if (standing?.state !== 'confirmed' || confirmation === undefined) return false
    presence.update()
    const here = new Set(members().map(key => peerIdOf(key)))
    const vouching = holdersOf(work, wordsOf(state.set), confirmation, () => false)
    return vouching.some(peer => !here.has(peer) && !presence.isGoneFor(peer, LOST_AFTER_GONE))
  }

  const lookAt = async (one: DueCheck, by: Judge | undefined, ending: AbortSignal): Promise<void> => {
    const { work } = one
    const { key } = work.alignment
    using writing = content.writing() // nothing names the targets of an opinion before its record does
    const found = await look(one, by, { signal: ending, deadline: await deadlineOf(work), put: writing.put })
    const { shard, opinion, reason } = found
    if (one.opinion && shard === 'sound' && opinion === undefined) beyond.add(work.result.key)
    if (shard === 'sound') {
      pauses.end(key)
      failed.delete(authorOf(work)) // it is back
    } else {
      pauses.begin(key)
      failed.set(authorOf(work), (failed.get(authorOf(work)) ?? 0) + 1)
    }
    if (shard === 'lost' && mayComeBack(work)) return
    const isNews = opinion !== undefined || lastWord(work) !== shard
    if (isNews && (shard !== 'sound' || opinion?.verdict === 'implausible'))
      logger.warn('the work of a member is not what its records say', {
        partition: work.partition,
        author: authorOf(work),
        shard,
        ...(opinion === undefined ? {} : { verdict: opinion.verdict, z: opinion.z, expected: opinion.expected }),
        ...(reason === undefined ? {} : { reason })
      })
    // the same word again says nothing new
    if (!isNews) return
    await publish(work, found, ending)
  }

  const keeper = createKeeper(
    {
      self,
      state,
      content,
      deadlineOf,
      lost: async work => {
        pauses.begin(work.alignment.key)
        await publish(work, { shard: 'lost' }, signal)
      },
      logger
    },
    keepMs
  )

  const begin = (one: DueCheck): void => {
    const { key } = one.work.alignment
    const by = one.opinion ? judge : undefined
    const leaving = new AbortController()
    const ending = AbortSignal.any([signal, leaving.signal])
    const done = lookAt(one, by, ending)
      .catch((error: unknown) => {
        if (ending.aborted) return
        pauses.begin(key)
        // a full set or disk, or a model that fails: the participant's own work ends with it and says so
        const isExpected = error instanceof CoOptError
        const log = isExpected && !(error instanceof StoreFullError) ? logger.debug : logger.error
        log('a check could not be made', { partition: one.work.partition, author: authorOf(one.work), error })
      })
      .finally(() => {
        underWay.delete(key)
        wake()
      })
    underWay.set(key, { author: authorOf(one.work), done, judge: by, leaving })
  }

  const step = (): void => {
    isWakeDue = false
    if (signal.aborted) return
    clearTimeout(timer)
    let waiting = due()
    while (underWay.size < CONCURRENCY && waiting.length > 0) {
      const fewest = Math.min(...waiting.map(({ work }) => burdenOf(authorOf(work))))
      const next = waiting.find(({ work }) => burdenOf(authorOf(work)) === fewest)
      if (next === undefined) break
      begin(next)
      waiting = waiting.filter(({ work }) => work.alignment.key !== next.work.alignment.key)
    }
    // who is away, and what waits for its turn among confirmed work, is looked at once in each lease's time
    const soonest = Math.min(pauses.soonest(), firstSeen.nextAfter(overdueMs), performance.now() + overdueMs)
    timer = setTimeout(wake, Math.max(0, soonest - performance.now())).unref()
  }

  /** Once for all changes of one turn. */
  const wake = (): void => {
    if (isWakeDue || signal.aborted) return
    isWakeDue = true
    setImmediate(step)
  }

  const onRecord = ({ detail: { record } }: CustomEvent<{ record: SignedRecord }>): void =>
    presence.heard(peerIdOf(record.body.author))

  return {
    start: () => {
      state.events.addEventListener('change', wake)
      state.events.addEventListener('record', onRecord)
      keeper.start()
      wake()
    },
    copiesOf: works => {
      const { confirmation } = state.view()
      if (confirmation === undefined) return works.map(() => 0)
      presence.update()
      const words = wordsOf(state.set)
      return works.map(work => holdersOf(work, words, confirmation, presence.isGone).length)
    },
    isUndecided: work =>
      judge !== undefined && isUndecided({ self, view: state.view(), set: state.set, members: members() }, work),
    mayRetry: () => judge !== undefined && isJudgeable({ view: state.view(), set: state.set }, judge.score),
    judgeWith: own => {
      judge = own
      beyond.clear()
      wake()
      return {
        [Symbol.asyncDispose]: async () => {
          if (judge === own) judge = undefined
          const looks = [...underWay.values()].filter(one => one.judge === own)
          for (const { leaving } of looks) leaving.abort()
          await Promise.all(looks.map(({ done }) => done))
        }
      }
    },
    stop: async () => {
      state.events.removeEventListener('change', wake)
      state.events.removeEventListener('record', onRecord)
      clearTimeout(timer)
      controller.abort()
      await keeper.stop()
      await Promise.all([...underWay.values()].map(({ done }) => done))
    }
  }
}

// --- internal ---

interface Look {
  readonly author: string
  readonly done: Promise<void>
  readonly judge: Judge | undefined
  /** Ends it */
  readonly leaving: AbortController
}
