/**
 * When a node of `join --once` may leave: who is first done must not decide whose work the dataset has. Members say what they are about to add
 * (src/publish/intent.ts): a newcomer that its prior's score is being computed, a strong prior that it replaces finished work. A node that could
 * leave stays for them.
 *
 * Guarantees: staying is bounded by `patienceMs`, counted from the first time that it was held back, whatever others announce. An own intent is
 * announced until it is taken back; a node that dies is waited for one lease duration at most. Nothing here decides what is true.
 */
import { peerIdOf } from '../../src/peer-key.ts'
import type { Intent } from '../../src/publish/intent.ts'
import type { ApiEvent } from '../api/events.ts'
import type { JoinReport } from '../api/reports.ts'
import type { Logger } from '../process/logger.ts'
import type { IntentTable } from '../state/intents.ts'
import type { SwarmKnowledge } from '../swarms/membership.ts'
import { replaceable } from './takeover.ts'

/** Pause after an announcement that nobody heard: a node that starts has its first connection within a second or so. */
const ALONE_MS = 500

export interface DepartureComponents {
  intents: IntentTable
  /** Resolves to the number of members that heard it */
  announceIntent(intent: Pick<Intent, 'task' | 'released'>): Promise<number>
  onEvent(event: ApiEvent): void
  logger: Logger
}

export interface DepartureInit {
  /** How long to stay for others, ms */
  patienceMs: number
  /** Pause between two announcements, ms: members that connect meanwhile have not heard the last one */
  renewMs: number
}

export interface Departure extends AsyncDisposable {
  /** Tell the members what is coming from this node, until told otherwise; undefined: nothing that others should wait for. */
  intend(task: Intent['task'] | undefined): void
  /** Is something coming from others, and is there patience left to wait for it? */
  isHeldBack(): boolean
  /** Peers from which something is coming, as texts */
  others(): Readonly<Record<Intent['task'], readonly string[]>>
}

export function createDeparture(
  { intents, announceIntent, onEvent, logger }: DepartureComponents,
  { patienceMs, renewMs }: DepartureInit
): Departure {
  let intended: Intent['task'] | undefined
  let timer: NodeJS.Timeout | undefined
  let deadline: number | undefined
  let told = ''
  /** Announcements in their order: an older one must not overtake the release */
  let last = Promise.resolve()

  const announce = (task: Intent['task'], released: boolean): void => {
    last = send(last, task, released)
  }
  const send = async (before: Promise<void>, task: Intent['task'], released: boolean): Promise<void> => {
    await before
    // taken back, or another one, while this one was waiting for its turn
    if (!released && intended !== task) return
    let heard = 0
    try {
      heard = await announceIntent({ task, released })
    } catch (error) {
      logger.debug('an intent was not announced', { reason: String(error) })
    }
    if (intended !== task || released) return
    clearTimeout(timer)
    timer = setTimeout(() => announce(task, false), heard === 0 ? Math.min(ALONE_MS, renewMs) : renewMs)
    timer.unref()
  }
  const others: Departure['others'] = () => {
    const live = intents.live()
    const by = (task: Intent['task']): string[] => live.filter(i => i.task === task).map(i => peerIdOf(i.author))
    return { score: by('score'), improve: by('improve') }
  }

  const intend: Departure['intend'] = task => {
    if (task === intended) return
    clearTimeout(timer)
    const before = intended
    intended = task
    if (task !== undefined) announce(task, false)
    else if (before !== undefined) announce(before, true)
  }

  return {
    intend,
    others,
    isHeldBack() {
      const { score, improve } = others()
      if (score.length + improve.length === 0) return false
      const now = performance.now()
      deadline ??= now + patienceMs
      if (now >= deadline) return false
      const what = [
        ...(score.length === 0 ? [] : [`${score.length} to score their priors`]),
        ...(improve.length === 0 ? [] : [`${improve.length} to improve finished work`])
      ].join(' and ')
      if (what !== told) {
        told = what
        const seconds = Math.ceil((deadline - now) / 1000)
        onEvent({ type: 'log', level: 'info', message: `waiting for other peers: ${what} (at most ${seconds} s)` })
      }
      return true
    },
    async [Symbol.asyncDispose]() {
      intend(undefined)
      await last
    }
  }
}

/** What this node knows that may change the dataset after it has left. */
export function mayChange(
  { swarm, state }: Pick<SwarmKnowledge, 'swarm' | 'state'>,
  departure: Pick<Departure, 'others'>
): JoinReport['mayChange'] {
  const { score, improve } = departure.others()
  const weaker = replaceable(state.view(), swarm.manifest, state.set.byType('score'))
  return { scoring: [...score], improving: [...improve], weaker, unjudged: state.unjudged() }
}
