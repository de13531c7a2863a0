/**
 * Many blocks from several holders at once, each for another part.
 *
 * A holder is asked for about half a second's worth at its own rate, twice ahead, so that the line never waits for a request; near the end for less,
 * so that all end together. One without work takes over what would come much later from another (stealing), so a slow, stalled or dead holder
 * delays nothing for longer than others need for the part that it had. What came is delivered once, in any order.
 */
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { ProtocolError } from '../../src/errors.ts'
import { MAX_BLOCKS_PER_REQUEST } from '../constants.ts'
import { BusyError, type Channel, type Wanted } from './channel.ts'

export interface DownloadComponents {
  /** A channel to this peer, perhaps one that is used already. Throws when there is none. */
  open(peer: PeerId): Promise<Channel>
  /** Take a block whose bytes hash to its CID. What it throws ends the download. */
  deliver(cid: CID, block: Uint8Array): Promise<void>
  /** This peer sent a block that was of use. */
  credit(peer: PeerId): void
}

export interface Download {
  /** Resolves to what none of the holders sent. Throws what `deliver` threw, or the signal's reason. */
  readonly missing: Promise<Wanted[]>
  /** A reader waits for this block: ask for it before others. */
  hurry(cid: CID): void
}

/** Holders asked at the same time. More share a line rather than add to it. */
const MAX_HOLDERS = 4

/** Less than this is not divided. */
const SHARE_BYTES = 1024 * 1024

/** What a holder is asked for at once: at most this many seconds' worth at its rate, and bytes. Two such questions are on their way. */
const BATCH_SECONDS = 0.5
const MAX_BATCH_BYTES = 16 * 1024 * 1024
const FIRST_BATCH_BYTES = 1024 * 1024
const MAX_QUESTIONS = 2

/**
 * A part is taken over when it would come so much later, and it is on its way from so many at most. What the slower one sends meanwhile is wasted: a
 * third of the part at most with this factor. Rates of healthy holders on busy machines differ by as much from second to second.
 */
const STEAL_FACTOR = 3
const STEAL_SECONDS = 1
const MAX_ASKED = 2

/** How often a holder without work looks again: rates fall while nothing happens. */
const LOOK_MS = 200

/** Blocks being stored at once, 4 MiB; beyond that the holders wait. */
const MAX_DELIVERIES = 4

/** Pauses for a busy holder double from the first: about a minute in total. */
const FIRST_PAUSE_MS = 500
const MAX_PAUSES = 7

/** A holder that broke off after it had sent something is tried again so often. */
const MAX_RETURNS = 3

interface Piece {
  readonly wanted: Wanted
  readonly askedOf: Set<Worker>
  readonly absentAt: Set<string>
  isDone: boolean
}

interface Worker {
  readonly channel: Channel
  delivered: number
  /** Answered without a block */
  empty: number
  pauses: number
  pausedUntil: number
  failure: unknown
}

/** Start it; it runs until `missing` settles. `holders` in the order in which they are asked. */
export function startDownload(
  wanted: readonly Wanted[],
  holders: readonly PeerId[],
  { open, deliver, credit }: DownloadComponents,
  signal: AbortSignal
): Download {
  const pieces = new Map<string, Piece>()
  for (const one of wanted)
    pieces.set(one.cid.toString(), { wanted: one, askedOf: new Set(), absentAt: new Set(), isDone: false })
  const waiting = new Set(pieces.values())
  const urgent = new Set<Piece>()
  const underWay = new Set<Piece>()
  const workers = new Set<Worker>()
  const deliveries = new Set<Promise<void>>()
  let waitingBytes = 0
  for (const { wanted: one } of waiting) waitingBytes += one.bytes
  let left = pieces.size
  let failure: { readonly error: unknown } | undefined
  let change = Promise.withResolvers<void>()

  const changed = (): void => {
    change.resolve()
    change = Promise.withResolvers<void>()
  }
  const isOver = (): boolean => left === 0 || failure !== undefined || signal.aborted

  const store = async (piece: Piece, block: Uint8Array): Promise<void> => {
    const delivery = deliver(piece.wanted.cid, block)
      .catch((error: unknown) => {
        failure ??= { error }
        changed()
      })
      .finally(() => deliveries.delete(delivery))
    deliveries.add(delivery)
    if (deliveries.size >= MAX_DELIVERIES) await Promise.race(deliveries)
  }

  const release = (piece: Piece, worker: Worker): void => {
    if (!piece.askedOf.delete(worker) || piece.isDone || piece.askedOf.size > 0) return
    underWay.delete(piece)
    waiting.add(piece)
    waitingBytes += piece.wanted.bytes
    urgent.add(piece) // the others have gone on meanwhile: this one is the oldest
  }

  const come = async (worker: Worker, { cid }: Wanted, block: Uint8Array | undefined): Promise<void> => {
    const piece = pieces.get(cid.toString()) as Piece
    if (block === undefined) {
      worker.empty++
      piece.absentAt.add(`${worker.channel.peer}`)
      release(piece, worker)
      return changed()
    }
    worker.delivered++
    piece.askedOf.delete(worker)
    if (piece.isDone || isOver()) return
    credit(worker.channel.peer)
    piece.isDone = true
    left--
    underWay.delete(piece)
    urgent.delete(piece)
    changed()
    for (const { channel } of piece.askedOf) channel.dropUseless()
    await store(piece, block)
  }

  /** Of all that would come much later than this worker could bring it, what would come last. */
  const steal = (worker: Worker, isMeant: (piece: Piece) => boolean): Piece[] => {
    const rate = worker.channel.rate()
    let found: Piece | undefined
    let latest = 0
    for (const piece of underWay) {
      if (piece.askedOf.has(worker) || piece.askedOf.size >= MAX_ASKED) continue
      if (piece.absentAt.has(`${worker.channel.peer}`) || !isMeant(piece)) continue
      const theirs = Math.min(...[...piece.askedOf].map(({ channel }) => channel.secondsUntil(piece.wanted)))
      const own = rate === undefined ? 1 : (worker.channel.awaited + piece.wanted.bytes) / rate
      if (theirs <= STEAL_FACTOR * own + STEAL_SECONDS || theirs <= latest) continue
      found = piece
      latest = theirs
    }
    return found === undefined ? [] : [found]
  }

  const take = (worker: Worker): Piece[] => {
    const peer = `${worker.channel.peer}`
    const late = steal(worker, piece => urgent.has(piece))
    if (late.length > 0) return late
    const rate = worker.channel.rate()
    const most = rate === undefined ? FIRST_BATCH_BYTES : Math.min(MAX_BATCH_BYTES, rate * BATCH_SECONDS)
    let room = Math.min(most, waitingBytes / (2 * Math.max(1, workers.size)))
    const taken = new Set<Piece>()
    for (const list of [urgent, waiting])
      for (const piece of list) {
        if (taken.has(piece) || piece.askedOf.size > 0 || piece.absentAt.has(peer)) continue
        if (taken.size > 0 && (piece.wanted.bytes > room || taken.size === MAX_BLOCKS_PER_REQUEST)) break
        taken.add(piece)
        room -= piece.wanted.bytes
      }
    if (taken.size === 0) return steal(worker, () => true)
    for (const piece of taken) {
      waiting.delete(piece)
      waitingBytes -= piece.wanted.bytes
    }
    return [...taken]
  }

  const ask = async (worker: Worker, batch: readonly Piece[]): Promise<void> => {
    for (const piece of batch) {
      piece.askedOf.add(worker)
      underWay.add(piece)
    }
    try {
      await worker.channel.ask(
        batch.map(piece => piece.wanted),
        {
          onBlock: async (one, block) => await come(worker, one, block),
          isOfUse: ({ cid }) => !isOver() && pieces.get(cid.toString())?.isDone === false
        }
      )
      worker.pauses = 0
    } catch (error) {
      if (error instanceof BusyError && worker.pauses < MAX_PAUSES) {
        worker.pausedUntil = performance.now() + FIRST_PAUSE_MS * 2 ** worker.pauses++
      } else worker.failure = error
    } finally {
      for (const piece of batch) release(piece, worker)
      changed()
    }
  }

  /** Is there nothing that this peer might have? */
  const isDry = ({ channel: { peer }, delivered, empty }: Worker): boolean =>
    (delivered === 0 && empty > 0) || [...waiting, ...underWay].every(piece => piece.absentAt.has(`${peer}`))

  /** Returns whether the peer may be asked again. */
  const work = async (peer: PeerId): Promise<boolean> => {
    let channel: Channel
    try {
      channel = await open(peer)
    } catch {
      return false // the next one
    }
    const worker: Worker = { channel, delivered: 0, empty: 0, pauses: 0, pausedUntil: 0, failure: undefined }
    const questions = new Set<Promise<void>>()
    workers.add(worker)
    while (!isOver() && worker.failure === undefined && channel.isOpen) {
      const hasRoom =
        questions.size < MAX_QUESTIONS &&
        channel.awaited <
          Math.max(MAX_QUESTIONS * FIRST_BATCH_BYTES, MAX_QUESTIONS * BATCH_SECONDS * (channel.rate() ?? 0))
      const batch = hasRoom && performance.now() >= worker.pausedUntil ? take(worker) : []
      if (batch.length > 0) {
        const question = ask(worker, batch).finally(() => questions.delete(question))
        questions.add(question)
        continue
      }
      if (questions.size === 0 && isDry(worker)) break
      await soonest(LOOK_MS, [change.promise, channel.moved()])
    }
    channel.dropUseless()
    workers.delete(worker)
    if (!isOver()) await Promise.all(questions)
    changed()
    return worker.failure !== undefined && worker.delivered > 0 && !(worker.failure instanceof ProtocolError)
  }

  const run = async (): Promise<Wanted[]> => {
    const queue = [...holders]
    const returns = new Map<string, number>()
    const parallel = Math.min(MAX_HOLDERS, Math.max(1, Math.ceil(waitingBytes / SHARE_BYTES)))
    const working = new Set<Promise<void>>()
    const onAbort = (): void => changed()
    signal.addEventListener('abort', onAbort)
    try {
      while (!isOver()) {
        while (working.size < parallel && queue.length > 0) {
          const peer = queue.shift() as PeerId
          const runOne = async (): Promise<void> => {
            const mayReturn = await work(peer)
            const count = (returns.get(`${peer}`) ?? 0) + 1
            returns.set(`${peer}`, count)
            if (mayReturn && count <= MAX_RETURNS) queue.push(peer)
          }
          const one = runOne().finally(() => working.delete(one))
          working.add(one)
        }
        if (working.size === 0) break
        await Promise.race(working)
      }
      await Promise.all(working)
      await Promise.all(deliveries)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    if (failure !== undefined) throw failure.error
    signal.throwIfAborted()
    return [...pieces.values()].filter(({ isDone }) => !isDone).map(({ wanted: one }) => one)
  }

  const missing = run()
  missing.catch(() => undefined) // the caller's to await, perhaps later
  return {
    missing,
    hurry: cid => {
      const piece = pieces.get(cid.toString())
      if (piece === undefined || piece.isDone) return
      urgent.add(piece)
      changed()
    }
  }
}

// --- internal ---

/** Wait for the first of these, or for `ms`. */
async function soonest(ms: number, events: readonly Promise<void>[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([promise, ...events])
  clearTimeout(timer)
}
