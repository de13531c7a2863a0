/**
 * The asking end of one `/coopt/blocks/1.0.0` stream: requests one after another without waiting for answers, and blocks that hash to their CIDs.
 *
 * Measures the rate at which the peer sends while it has something to send; the deadline of each piece is generous, since what is late costs nothing
 * when other holders take over (download.ts).
 */
import type { PeerId, Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { isNamed } from '../../src/distribute/content-id.ts'
import { ContentUnavailableError, ProtocolError } from '../../src/errors.ts'
import { BLOCKS_PIECE_BYTES, BLOCKS_STALL_MS, MAX_BLOCKS_HEADER_BYTES, MAX_SENT_BLOCK_BYTES } from '../constants.ts'
import { asError, frameStream } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { watchForStall, type StallWatch } from '../stall-watch.ts'
import { createRateMeter } from './rate-meter.ts'
import { blocksHeaderSchema, blocksRequestSchema } from './messages.ts'

export interface Wanted {
  readonly cid: CID
  /** How long the block probably is: for planning, never believed */
  readonly bytes: number
}

/** The peer could answer later. */
export class BusyError extends ContentUnavailableError {}

/** Takes a block (undefined: the peer does not hold it); what it returns holds up the reading of further ones. */
export type OnBlock = (wanted: Wanted, block: Uint8Array | undefined) => Promise<void> | void

export interface Question {
  onBlock: OnBlock
  /** Is this block still of use? */
  isOfUse(wanted: Wanted): boolean
}

/** Bytes that a reset leaves on their way anyhow, and a new stream costs more than they do. */
const NOT_WORTH_A_RESET_SECONDS = 0.25

export interface Channel {
  readonly peer: PeerId
  /** Bytes that were asked for and have not come, as far as known */
  readonly awaited: number
  /** Bytes a second, undefined before a block has come. Falls while nothing comes. */
  rate(): number | undefined
  /** Seconds until this block, asked for before, has come at the present rate */
  secondsUntil(wanted: Wanted): number
  /** Resolves when all of these were given to `onBlock`. Throws `BusyError` with none of them given, and what broke the channel. */
  ask(wanted: readonly Wanted[], question: Question): Promise<void>
  /** Resolves when the next block has come, or the channel is closed. */
  moved(): Promise<void>
  /** Reset the stream if everything that is still to come would be thrown away, and that is worth it. */
  dropUseless(): void
  /** Milliseconds since anything was asked or came */
  idleMs(): number
  /** Close in order when nothing is awaited, else reset. Safe at any time. */
  close(reason: Error): void
  readonly isOpen: boolean
}

interface Asked {
  readonly wanted: readonly Wanted[]
  /** How many of `wanted` have come */
  come: number
  readonly question: Question
  resolve(): void
  reject(error: Error): void
}

export function openChannel(
  peer: PeerId,
  stream: Stream,
  { stallMs = BLOCKS_STALL_MS, onClose }: { stallMs?: number; onClose(error: Error | undefined): void }
): Channel {
  const framed = frameStream(stream)
  const meter = createRateMeter()
  const asked: Asked[] = []
  const ending = new AbortController()
  let awaited = 0
  let at = performance.now()
  let move = Promise.withResolvers<void>()
  let isOpen = true
  let isReading = false
  let writing: Promise<void> = Promise.resolve()

  const end = (reason: Error | undefined): void => {
    if (!isOpen) return
    isOpen = false
    if (reason === undefined) framed.close(ending.signal).catch((cause: unknown) => framed.abort(asError(cause)))
    else {
      ending.abort(reason)
      framed.abort(reason)
    }
    for (const one of asked.splice(0))
      one.reject(reason ?? new ContentUnavailableError(`${peer}: the stream was closed`))
    move.resolve()
    onClose(reason)
  }

  /** The block of the next frame, in pieces, each of which shows that the peer is alive. */
  const readBlock = async (stall: StallWatch, signal: AbortSignal): Promise<Uint8Array | undefined> => {
    const length = await framed.readPrefix(MAX_SENT_BLOCK_BYTES, signal)
    stall.moved()
    if (length === 0) return undefined
    const block = new Uint8Array(length)
    for (let at = 0; at < length; at += BLOCKS_PIECE_BYTES) {
      const bytes = Math.min(BLOCKS_PIECE_BYTES, length - at)
      await framed.readInto(block, at, bytes, signal)
      stall.moved()
      meter.received(bytes)
    }
    return block
  }

  const readAnswer = async (one: Asked, stall: StallWatch, signal: AbortSignal): Promise<void> => {
    const frame = await framed.read(MAX_BLOCKS_HEADER_BYTES, signal)
    const header = decodeMessage(blocksHeaderSchema, frame, MAX_BLOCKS_HEADER_BYTES)
    stall.moved()
    if (header.t === 'refused') {
      for (const { bytes } of one.wanted) awaited -= bytes
      one.reject(new BusyError(`${peer} refused: ${header.reason}`))
      return
    }
    for (const wanted of one.wanted) {
      const block = await readBlock(stall, signal)
      awaited -= wanted.bytes
      one.come++
      at = performance.now()
      move.resolve()
      move = Promise.withResolvers<void>()
      if (block !== undefined && !(await isNamed(wanted.cid, block)))
        throw new WrongContentError(`${peer} sent other bytes than ${wanted.cid}`)
      await one.question.onBlock(wanted, block)
    }
    one.resolve()
  }

  const readAnswers = async (): Promise<void> => {
    if (isReading) return
    isReading = true
    using stall = watchForStall(stallMs, `${peer} stands still`)
    const signal = AbortSignal.any([ending.signal, stall.signal])
    meter.start()
    try {
      for (let one = asked[0]; one !== undefined; one = asked[0]) {
        await readAnswer(one, stall, signal)
        asked.shift()
      }
    } catch (cause) {
      end(asError(cause))
    } finally {
      meter.stop()
      isReading = false
    }
  }

  /** After the request before it. */
  const write = async (request: Uint8Array, before: Promise<void>): Promise<void> => {
    await before
    try {
      if (isOpen) await framed.write(request, ending.signal)
    } catch (cause) {
      end(asError(cause))
    }
  }

  return {
    peer,
    get awaited() {
      return awaited
    },
    get isOpen() {
      return isOpen
    },
    rate: meter.rate,
    secondsUntil: ({ cid }) => {
      let before = 0
      for (const { wanted, come } of asked) {
        for (const one of wanted.slice(come)) {
          before += one.bytes
          if (one.cid.equals(cid)) return before / (meter.rate() ?? before / Math.max(1, meter.seconds()))
        }
      }
      return 0
    },
    ask: async (wanted, question) => {
      if (!isOpen) throw new ContentUnavailableError(`${peer}: the stream was closed`)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      asked.push({ wanted, come: 0, question, resolve, reject })
      at = performance.now()
      for (const { bytes } of wanted) awaited += bytes
      const request = encodeMessage(blocksRequestSchema, { cids: wanted.map(({ cid }) => cid) })
      writing = write(request, writing)
      void readAnswers()
      await promise
    },
    moved: async () => await move.promise,
    dropUseless: () => {
      const coming = asked.flatMap(({ wanted, come, question }) => wanted.slice(come).map(one => ({ one, question })))
      if (coming.length === 0 || coming.some(({ one, question }) => question.isOfUse(one))) return
      const seconds = awaited / (meter.rate() ?? 1)
      if (seconds > NOT_WORTH_A_RESET_SECONDS) end(new ContentUnavailableError(`${peer}: others were faster`))
    },
    idleMs: () => (asked.length > 0 ? 0 : performance.now() - at),
    close: reason => end(asked.length === 0 ? undefined : reason)
  }
}

/** A peer sent bytes under a CID that is not theirs. */
export class WrongContentError extends ProtocolError {}
