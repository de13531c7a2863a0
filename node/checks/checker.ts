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
import { dueChecks, type DueCheck } from './due-checks.ts'

export interface CheckerComponents extends Omit<CheckWorkComponents, 'manifest' | 'content'> {
  self: PeerKey
  state: ReadableState & RecordPublisher
  content: CheckWorkComponents['content'] & Pick<Content, 'barrier' | 'writing'>
  /** Members that are connected */
  members(): readonly PeerKey[]
  /** Which of these files does at least one connected member hold completely? */
  heldByOthers(cids: readonly CID[], signal: AbortSignal): Promise<boolean[]>
  announce(record: SignedRecord): Promise<void>
  /** Resolves once this node may sign (swarms/twin-watch.ts). Throws the signal's reason. */
  untilAlone(signal: AbortSignal): Promise<void>
  logger: Logger
}

export interface Checker {
  start(): void
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

/** `overdueMs`: how long work waits for the first members in line before it is everybody's. */
export function createChecker(components: CheckerComponents, { overdueMs }: { overdueMs: number }): Checker {
  const { self, state, content, members, heldByOthers, announce, logger } = components
  const { manifest } = state.swarm
  const controller = new AbortController()
  const { signal } = controller
  const { look } = createWorkChecker({ ...components, manifest })
  const secret = randomBytes(32)
  const now = (): number => performance.now()

  const firstSeen = new Map<string, number>() // alignment -> when it first waited for checks
  const pauses = createPauses()
  const beyond = new Set<string>() // results on which the present prior has no opinion
  const underWay = new Map<string, Look>()
  const failed = new Map<string, number>() // author -> looks in a row that found nothing sound
  let judge: Judge | undefined
  let timer: NodeJS.Timeout | undefined
  let isWakeDue = false

  const authorOf = ({ alignment }: Choice): string => peerIdOf(alignment.body.author)

  const due = (): DueCheck[] => {
    const view = state.view()
    const lists = [...view.contenders.values(), ...view.refuted.values()]
    const present = new Set(lists.flat().map(({ alignment }) => alignment.key))
    for (const key of firstSeen.keys()) if (!present.has(key)) firstSeen.delete(key)
    for (const key of present) if (!firstSeen.has(key)) firstSeen.set(key, now())
    return dueChecks({
      self,
      view,
      set: state.set,
      members: members(),
      score: judge?.score,
      isOverdue: ({ alignment }) => now() - (firstSeen.get(alignment.key) ?? now()) >= overdueMs,
      mayAskAgain: ({ alignment }) => !pauses.isOn(alignment.key),
      isBeyond: ({ result }) => beyond.has(result.key),
      chance: result => createHash('sha256').update(secret).update(result).digest().readUInt32BE() / 2 ** 32
    }).filter(({ work }) => !underWay.has(work.alignment.key) && !pauses.isOn(work.alignment.key))
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
    state.set
      .byType('check')
      .filter(({ body }) => body.alignment.equals(alignment.id) && peerIdOf(body.author) === peerIdOf(self))
      .reduce<Check | undefined>((last, { body }) => (body.seq > (last?.seq ?? -1) ? body : last), undefined)?.shard

  const publish = async ({ partition, alignment, result }: Choice, { shard, opinion }: Finding): Promise<void> => {
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
    await components.untilAlone(ending)
    await publish(work, found)
    count('checks_made')
  }

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
    const soonest = Math.min(
      pauses.soonest(),
      ...[...firstSeen.values()].map(at => at + overdueMs).filter(at => at > now())
    )
    if (Number.isFinite(soonest)) timer = setTimeout(wake, Math.max(0, soonest - now())).unref()
  }

  /** Once for all changes of one turn. */
  const wake = (): void => {
    if (isWakeDue || signal.aborted) return
    isWakeDue = true
    setImmediate(step)
  }

  return {
    start: () => {
      state.events.addEventListener('change', wake)
      wake()
    },
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
      clearTimeout(timer)
      controller.abort()
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

/** Pauses that double with each that follows. */
function createPauses() {
  const pauses = new Map<string, { times: number; until: number }>()
  return {
    isOn: (key: string): boolean => (pauses.get(key)?.until ?? 0) > performance.now(),
    begin: (key: string): void => {
      const times = (pauses.get(key)?.times ?? 0) + 1
      const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (times - 1))
      pauses.set(key, { times, until: performance.now() + ms })
    },
    end: (key: string): void => void pauses.delete(key),
    soonest: (): number => {
      const ahead = [...pauses.values()].map(({ until }) => until).filter(until => until > performance.now())
      return ahead.reduce((least, until) => Math.min(least, until), Number.POSITIVE_INFINITY)
    }
  }
}
