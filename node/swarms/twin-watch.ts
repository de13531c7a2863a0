/**
 * Is another process using the identity of this node? Two that sign different records under one number are equivocators: nothing that this identity
 * publishes counts from then on. So a node signs nothing in a swarm before it is sure to be the only one there.
 *
 * - A home that was restored or copied (home/installation.ts) listens first, as consensus clients do: with a member connected it syncs, asks by a
 *   released lease of its own whether anybody else goes by this identity (`PROBE`), and waits for `listenMs`.
 * - Any other home does so once a record of its own arrives that it never made: its sequence is behind what the swarm knows.
 * - What shows a second process: a lease of this identity, newer than this process, that this process did not send; or own records that go on
 *   arriving while it listens. Leases are signed, so nobody else can raise the alarm, and an old one cannot raise it again.
 * - The one that listens gives way. The other one answers (`PRESENT`), says so and goes on. If both have been working, both stop.
 *
 * What it cannot show: a second process that no member is connected with, and one whose clock is behind the start of this one, unless it answers.
 */
import type { Lease } from '../../src/publish/lease.ts'
import { IdentityInUseError } from '../../src/errors.ts'
import { count } from '../process/counters.ts'
import type { Logger } from '../process/logger.ts'

/** A lease without work: others take it for the end of a task that never began. */
export const PROBE = { partition: 0, task: 'align', done: 0, released: true } as const
export const PRESENT = { partition: 0, task: 'optimize', done: 0, released: true } as const

/** Gossip may lose one, and the mesh takes a second to form. */
const PROBES = 5

/** Members answer one session a second. */
const SYNC_PAUSE_MS = 1000

/** Own records that still arrive in the second round after a sync with everybody are being made now. */
const MAX_ROUNDS = 2

export interface TwinWatchComponents {
  /** Why listen at the start, for people; undefined when there is no reason */
  reason: string | undefined
  /** Resolves when a member is connected */
  firstMember(signal: AbortSignal): Promise<void>
  /** Ask every connected member for records; resolves to whether one answered */
  sync(signal: AbortSignal): Promise<boolean>
  /** Above `counter`, if there is one to answer */
  announce(lease: typeof PROBE | typeof PRESENT, counter?: number): Promise<void>
  /** Has this process sent a lease with this counter? */
  sent(counter: number): boolean
  /** No own sequence number from this on was used by this home. */
  unused(): number
  /** It listened and heard nobody. */
  onAssured(): Promise<void>
  logger: Logger
}

export interface TwinWatchInit {
  /** How long to listen; 0: never */
  listenMs: number
  /** Milliseconds since 1970 at which this process began: the counters of leases are as large */
  startedAt: number
}

export type TwinState = 'alone' | 'listening' | 'in-use'

export interface TwinWatch {
  readonly state: TwinState
  start(): void
  stop(): Promise<void>
  /** A lease of this identity was heard. */
  onLease(lease: Pick<Lease, 'counter' | 'task' | 'partition' | 'done' | 'released'>): void
  /** A record of this identity came from elsewhere. */
  onRecord(seq: number): void
  /** Resolves when this node may sign. Throws `IdentityInUseError`, or the signal's reason. */
  untilAlone(signal?: AbortSignal): Promise<void>
}

export function createTwinWatch(components: TwinWatchComponents, { listenMs, startedAt }: TwinWatchInit): TwinWatch {
  const { reason, firstMember, sync, announce, sent, unused, onAssured, logger } = components
  const stopping = new AbortController()
  let state: TwinState = reason === undefined || listenMs === 0 ? 'alone' : 'listening'
  let listening: Promise<void> | undefined
  /** No number from this on is known to be used elsewhere. */
  let heardUpTo = 0
  /** Settled whenever `state` leaves 'listening' */
  let decided = Promise.withResolvers<void>()
  decided.promise.catch(() => undefined) // those who wait get the error; there may be none

  const isListening = (): boolean => state === 'listening'

  const inUse = (sign: string): void => {
    if (state === 'in-use') return
    state = 'in-use'
    count('identity_conflicts')
    const error = new IdentityInUseError(
      `another process uses the identity of this node (${sign}): stop one of them. ` +
        'Two nodes need two homes ("coopt init"), and a restored or copied home needs the other one to be gone'
    )
    logger.error('nothing more is published: another process uses the identity of this node', { sign })
    decided.reject(error)
  }

  /** Resolves to whether no own record came meanwhile. */
  const listenOnce = async (signal: AbortSignal): Promise<boolean> => {
    await firstMember(signal)
    // a member that only just met us may not answer for the swarm yet
    while (!(await sync(signal))) await pause(SYNC_PAUSE_MS, signal)
    const before = heardUpTo
    for (let i = 0; i < PROBES && isListening(); i++) {
      await announce(PROBE)
      await pause(listenMs / PROBES, signal)
    }
    await sync(signal) // what gossip lost
    return heardUpTo === before
  }

  const listen = async (): Promise<void> => {
    const { signal } = stopping
    // the members that were met last may bring old records, once
    for (let round = 1; isListening() && !(await listenOnce(signal)); round++) {
      if (round === MAX_ROUNDS) inUse(`it goes on publishing: its last record has the number ${heardUpTo - 1}`)
    }
    if (!isListening()) return
    state = 'alone'
    await onAssured()
    logger.info('listened: no other process uses the identity of this node')
    decided.resolve()
  }

  const begin = (why: string): void => {
    state = 'listening'
    logger.warn(
      'before it publishes, this node waits for a member and listens: nobody else may use its identity at the same time',
      { why, listenMs }
    )
    listening = listen().catch((error: unknown) => {
      if (stopping.signal.aborted) return
      logger.error('listening for others with the identity of this node failed', { error })
      decided.reject(error)
    })
  }

  return {
    get state() {
      return state
    },
    start: () => {
      if (state === 'listening') begin(reason as string)
    },
    stop: async () => {
      stopping.abort(new DOMException('the node is stopping', 'AbortError'))
      decided.reject(stopping.signal.reason as Error)
      await listening
    },
    onLease: ({ counter, task, partition, done, released }) => {
      if (listenMs === 0 || state === 'in-use' || counter <= startedAt || sent(counter)) return
      const isProbe = released && task === PROBE.task && partition === PROBE.partition && done === PROBE.done
      if (state === 'listening' || !isProbe) return inUse('it announces work, or says that it is there')
      count('identity_conflicts')
      logger.error('another process with the identity of this node has started: it should give way now')
      announce(PRESENT, counter).catch((error: unknown) => logger.warn('could not be answered', { error }))
    },
    onRecord: seq => {
      if (listenMs === 0 || state === 'in-use' || seq < Math.max(unused(), heardUpTo)) return
      heardUpTo = seq + 1
      if (state === 'listening') return // see `listen`
      decided = Promise.withResolvers<void>()
      decided.promise.catch(() => undefined)
      begin(`a record of this node with the number ${seq} arrived, which this home did not make`)
    },
    untilAlone: async signal => {
      if (state === 'alone') return
      if (signal === undefined) return await decided.promise
      signal.throwIfAborted()
      const aborted = Promise.withResolvers<never>()
      const onAbort = (): void => aborted.reject(signal.reason as Error)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await Promise.race([decided.promise, aborted.promise])
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
  }
}

// --- internal ---

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => reject(signal.reason as Error)
  const timer = setTimeout(resolve, ms)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
