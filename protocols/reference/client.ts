/**
 * Fetches target matrices over `/coopt/reference/1.0.0`.
 *
 *   1. ask the first peer from byte 0; its header must state the expected length, otherwise nothing is read
 *   2. when it fails or is too slow, ask the next peer for the rest
 *   3. import the whole with the pinned UnixFS settings: the CID must be the one asked for
 *   4. a peer that is busy or limits our requests is asked again after a pause
 *   5. if the result is wrong and several peers contributed, the liar is unknown: from then on fetch the whole from one peer at a time
 *   6. if peers only offer another length, fetch that: if its CID matches, the record that cites the content as a matrix is wrong; if not,
 *      the peers are
 *
 * So a wrong matrix is never returned, one honest peer among the given ones is enough, and no peer's claim about a length is trusted.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { AbortOptions, Libp2p, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { IMPORT, importBytes } from '../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError, InvalidContentError, InvalidInputError, ProtocolError } from '../../src/errors.ts'
import { MAX_MATRIX_BYTES } from '../../src/distribute/manifest.ts'
import {
  MAX_REFERENCE_HEADER_BYTES,
  MIN_BYTES_PER_SECOND,
  REFERENCE_PROTOCOL,
  REFERENCE_SESSION_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS
} from '../constants.ts'
import { asError } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { openSession, within, type OnFault, type SessionInit } from '../session.ts'
import { referenceHeaderSchema, referenceRequestSchema } from './messages.ts'

/** Read in steps of this size, each with its own deadline; what has arrived survives a failure. */
const STEP_BYTES = 64 * 1024

export interface ReferenceClientComponents {
  libp2p: Pick<Libp2p, 'dialProtocol' | 'logger'>
}

export interface ReferenceClientInit {
  /** Slowest acceptable transfer, after the first 5 s. @default 16 KiB/s */
  minBytesPerSecond?: number
  /** Longest wait for the first and for any further answer, in addition to the above. @default 5000 */
  timeoutMs?: number
  /** First pause after a peer was too busy to answer; each further one is twice as long, ms. @default 500 */
  retryMs?: number
  /** Called when a peer broke the protocol or sent wrong content. @default nothing */
  onFault?: OnFault
}

export interface ReferenceClient {
  /**
   * The content of `cid`, which must have exactly `expectedBytes` bytes, from any of `peers` (tried in order).
   *
   * Throws `InvalidContentError` if the content of this CID provably has another length, `ContentUnavailableError` (its cause lists the failure of
   * each peer), or the signal's reason.
   */
  fetchMatrix(
    peers: Iterable<PeerId>,
    cid: CID,
    expectedBytes: number,
    options?: AbortOptions
  ): Promise<Uint8Array<ArrayBuffer>>
}

/** Passes over the peers while they make progress, so that a single peer on a bad line is enough. */
const MAX_ROUNDS = 5

/** Pauses for busy peers, 15 s in total: a server lets a peer fetch 5 matrices a second. */
const MAX_PAUSES = 5

/** The peer could answer later. */
class BusyError extends ContentUnavailableError {}

/** The peer claims that the content is longer or shorter than expected. */
class OtherLengthError extends ContentUnavailableError {
  readonly total: number
  constructor(total: number, message: string) {
    super(message)
    this.total = total
  }
}

/** Bytes received so far, and from which peers. */
interface Transfer {
  cid: CID
  data: Uint8Array<ArrayBuffer>
  filled: number
  sources: Set<PeerId>
}

export function createReferenceClient(
  components: ReferenceClientComponents,
  init: ReferenceClientInit = {}
): ReferenceClient {
  const minBytesPerSecond = init.minBytesPerSecond ?? MIN_BYTES_PER_SECOND
  const timeoutMs = init.timeoutMs ?? REQUEST_TIMEOUT_MS
  const retryMs = init.retryMs ?? 500
  const never = new AbortController().signal
  const session: SessionInit = {
    libp2p: components.libp2p,
    protocol: REFERENCE_PROTOCOL,
    log: components.libp2p.logger.forComponent('coopt:reference'),
    timeoutMs: REFERENCE_SESSION_TIMEOUT_MS,
    stopped: () => never,
    onFault: init.onFault
  }

  /** Ask one peer for what is still missing. */
  const fill = async (transfer: Transfer, peer: PeerId, options: AbortOptions | undefined): Promise<void> => {
    const { cid, data } = transfer
    await openSession(session, peer, options, async (framed, signal) => {
      const request = { cid, offset: transfer.filled, length: data.byteLength - transfer.filled }
      await framed.write(encodeMessage(referenceRequestSchema, request), within(signal, timeoutMs))
      const frame = await framed.read(MAX_REFERENCE_HEADER_BYTES, within(signal, timeoutMs))
      const header = decodeMessage(referenceHeaderSchema, frame, MAX_REFERENCE_HEADER_BYTES)
      if (header.t === 'refused') {
        const message = `${peer} refused ${cid}: ${header.reason}`
        if (header.reason === 'busy' || header.reason === 'rate-limited') throw new BusyError(message)
        throw new ContentUnavailableError(message)
      }
      if (header.total !== data.byteLength) {
        const message = `${peer} says ${cid} has ${header.total} bytes, expected ${data.byteLength}`
        throw new OtherLengthError(header.total, message)
      }
      transfer.sources.add(peer)
      while (transfer.filled < data.byteLength) {
        const step = Math.min(STEP_BYTES, data.byteLength - transfer.filled)
        const deadline = within(signal, timeoutMs + (step / minBytesPerSecond) * 1000)
        await framed.readInto(data, transfer.filled, step, deadline)
        transfer.filled += step
      }
    })
  }

  return {
    async fetchMatrix(peers, cid, expectedBytes, options) {
      if (!Number.isSafeInteger(expectedBytes) || expectedBytes < 1 || expectedBytes > MAX_MATRIX_BYTES) {
        throw new InvalidInputError(`a matrix has 1 to ${MAX_MATRIX_BYTES} bytes, not ${expectedBytes}`)
      }
      // the layout is pinned: a file of one chunk is that chunk, a longer one a tree
      if ((cid.code === raw.code) !== expectedBytes <= IMPORT.chunkBytes) {
        throw new InvalidContentError(`${cid} cannot be the CID of a matrix of ${expectedBytes} bytes`)
      }
      const candidates = [...peers]
      const failures: Error[] = []
      const otherLengths = new Map<PeerId, number>()
      let isBusy = false
      let mixed = false

      /** Try each candidate once. `resume`: let the next peer continue where the last one failed. */
      const pass = async (transfer: Transfer, resume: boolean): Promise<Uint8Array<ArrayBuffer> | undefined> => {
        isBusy = false
        for (const peer of candidates) {
          if (!resume) restart(transfer)
          try {
            await fill(transfer, peer, options)
          } catch (cause) {
            options?.signal?.throwIfAborted()
            failures.push(asError(cause))
            if (cause instanceof BusyError) isBusy = true
            if (cause instanceof OtherLengthError) otherLengths.set(peer, cause.total)
            continue
          }
          if (await isContent(transfer.data, cid)) return transfer.data
          failures.push(new ProtocolError(`${[...transfer.sources].join(', ')} sent other content than ${cid}`))
          if (transfer.sources.size === 1) init.onFault?.(peer, 'wrong-content')
          else mixed = true
          restart(transfer)
        }
        return undefined
      }

      const transfer: Transfer = { cid, data: new Uint8Array(expectedBytes), filled: 0, sources: new Set() }
      let pauses = 0
      for (let rounds = 0; rounds < MAX_ROUNDS;) {
        const before = transfer.filled
        const found = await pass(transfer, true)
        if (found !== undefined) return found
        if (transfer.filled > before) rounds++
        else if (isBusy && pauses < MAX_PAUSES) await wait(retryMs * 2 ** pauses++, options)
        else break
      }
      if (mixed) {
        const found = await pass(transfer, false)
        if (found !== undefined) return found
      }
      for (const [peer, total] of otherLengths) {
        if (total < 1 || total > MAX_MATRIX_BYTES) continue // too expensive to verify
        const other: Transfer = { cid, data: new Uint8Array(total), filled: 0, sources: new Set() }
        try {
          await fill(other, peer, options)
        } catch (cause) {
          options?.signal?.throwIfAborted()
          failures.push(asError(cause))
          continue
        }
        if (await isContent(other.data, cid)) {
          throw new InvalidContentError(`${cid} has ${total} bytes, not the ${expectedBytes} of a matrix of this swarm`)
        }
        init.onFault?.(peer, 'wrong-content')
      }
      const why = failures.length === 0 ? 'no peer to ask' : failures.map(f => f.message).join('; ')
      throw new ContentUnavailableError(`${cid} could not be fetched: ${why}`, {
        cause: new AggregateError(failures, why)
      })
    }
  }
}

// --- internal ---

function restart(transfer: Transfer): void {
  transfer.filled = 0
  transfer.sources.clear()
}

/** Pause, or throw the reason of the signal. */
async function wait(ms: number, options: AbortOptions | undefined): Promise<void> {
  const signal = options?.signal
  try {
    await pause(ms * (0.7 + 0.6 * Math.random()), undefined, signal === undefined ? {} : { signal })
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause
  }
}

async function isContent(data: Uint8Array, cid: CID): Promise<boolean> {
  const file = await importBytes([data], async () => {})
  return file.cid.equals(cid)
}
