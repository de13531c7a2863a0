/**
 * Brings blocks here from peers: over our own protocol from all members that hold them (protocols/blocks), and what none of them has by bitswap
 * (Kubo, gateways, providers in the DHT). What is on its way for one caller is not fetched again for another.
 */
import type { PeerId } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { BlockClient } from '../../protocols/blocks/client.ts'
import type { Wanted } from '../../protocols/blocks/channel.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import { count } from '../process/counters.ts'
import { joinParts } from './join-parts.ts'

export interface FetchOptions {
  signal: AbortSignal
  /** A peer that is likely to have it: the author of the record that names it */
  from?: PeerKey
}

/** Peers that speak our own protocol. */
export interface Members {
  readonly blocks: Pick<BlockClient, 'peers' | 'download'>
  /** The peer of this key, unless it is this node */
  peerOf(key: PeerKey): PeerId | undefined
  /** Connect to a peer that is likely to have what is wanted next, unless it is connected; resolves to whether it is. */
  reach(peer: PeerId): Promise<boolean>
}

export interface TransferComponents {
  /** The own store */
  store: Pick<Blockstore, 'has' | 'put'>
  /** Gets by bitswap and stores what it got */
  network: Pick<Blockstore, 'get'>
  members?: Members | undefined
  /** When did a byte come by bitswap last? A line that is slow is not given up. Monotonic ms */
  movedAt?(): number | undefined
}

export interface TransferInit {
  /** Deadline of one attempt at one block by bitswap, ms; the same again as long as something comes */
  blockTimeoutMs: number
  attempts: number
}

export interface Transfers {
  /** All of these blocks are in the store when this resolves. Throws `ContentUnavailableError`, and what the store throws. */
  bring(wanted: readonly Wanted[], options: FetchOptions): Promise<void>
  /** The block, if it is on its way: `hurry` asks for it before others. */
  coming(cid: CID): Coming | undefined
}

export interface Coming {
  /** Whether it has come */
  readonly arrived: Promise<boolean>
  hurry(): void
}

/** Blocks asked for at once by bitswap: 16 MiB in flight. */
const BITSWAP_CONCURRENCY = 16

/** An attempt by bitswap on a line where something moves lasts so many deadlines at most. */
const MAX_EXTENSIONS = 10

/** Small blocks are not worth asking everybody one by one: bitswap asks all at once. */
const MAX_HOLDERS_ASKED = 16

/** A block has come and is in the store. */
type Done = (cid: CID, block: Uint8Array) => void

interface Underway extends Coming {
  settle(arrived: boolean): void
  hurry: () => void
}

export function createTransfers(
  { store, network, members, movedAt }: TransferComponents,
  init: TransferInit
): Transfers {
  const underway = new Map<string, Underway>()

  /** From these peers. Resolves to what none of them sent. */
  const fromPeers = async (
    wanted: readonly Wanted[],
    holders: readonly PeerId[],
    signal: AbortSignal,
    done: Done
  ): Promise<readonly Wanted[]> => {
    if (members === undefined || holders.length === 0 || wanted.length === 0) return wanted
    const download = members.blocks.download(wanted, {
      holders,
      deliver: async (cid, block) => {
        await store.put(cid, block)
        done(cid, block)
      },
      signal
    })
    for (const { cid } of wanted) {
      const one = underway.get(cid.toString())
      if (one !== undefined) one.hurry = () => download.hurry(cid)
    }
    return await download.missing
  }

  /** Resolves to what did not come. Ends early when members have been met that may send the rest faster. */
  const byBitswap = async (
    wanted: readonly Wanted[],
    signal: AbortSignal,
    done: Done,
    isEnough: () => boolean
  ): Promise<{ left: readonly Wanted[]; cause: unknown }> => {
    const queue = [...wanted]
    const left: Wanted[] = []
    let cause: unknown
    let came = 0
    const work = async (): Promise<void> => {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        try {
          const block = await patiently(
            async deadline => await joinParts(network.get(one.cid, { signal: deadline })),
            signal
          )
          came++
          done(one.cid, block)
        } catch (error) {
          signal.throwIfAborted()
          cause = error
          left.push(one)
          return
        }
        if (came > 0 && isEnough()) return
      }
    }
    await Promise.all(Array.from({ length: Math.min(BITSWAP_CONCURRENCY, queue.length) }, work))
    return { left: [...left, ...queue], cause }
  }

  /** Within the deadline, or longer while bytes come. */
  const patiently = async <T>(get: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> => {
    const controller = new AbortController()
    const began = performance.now()
    const look = (): void => {
      const now = performance.now()
      const quiet = now - Math.max(began, movedAt?.() ?? began)
      if (quiet >= init.blockTimeoutMs || now - began >= MAX_EXTENSIONS * init.blockTimeoutMs)
        controller.abort(new ContentUnavailableError(`nothing came for ${init.blockTimeoutMs} ms`))
      else timer = setTimeout(look, init.blockTimeoutMs - quiet)
    }
    let timer = setTimeout(look, init.blockTimeoutMs)
    try {
      return await get(AbortSignal.any([signal, controller.signal]))
    } finally {
      clearTimeout(timer)
    }
  }

  /** Connected members, the likely holder first. */
  const holdersNow = (likely: PeerId | undefined): PeerId[] => {
    const peers = members?.blocks.peers() ?? []
    const first = likely === undefined ? [] : peers.filter(peer => peer.equals(likely))
    return [...first, ...peers.filter(peer => likely === undefined || !peer.equals(likely))]
  }

  const fetch = async (wanted: readonly Wanted[], { signal, from }: FetchOptions, done: Done): Promise<void> => {
    const likely = from === undefined ? undefined : members?.peerOf(from)
    let left = wanted
    let cause: unknown
    for (let attempt = 0; attempt < init.attempts;) {
      signal.throwIfAborted()
      const holders = holdersNow(likely)
      left = await fromPeers(left, left.length === 1 ? holders.slice(0, MAX_HOLDERS_ASKED) : holders, signal, done)
      if (left.length === 0) return
      if (likely !== undefined && !holders.some(peer => peer.equals(likely)) && (await members?.reach(likely)))
        left = await fromPeers(left, [likely], signal, done)
      if (left.length === 0) return
      const tried = new Set([...holders, ...(likely === undefined ? [] : [likely])].map(String))
      const isEnough = (): boolean => members?.blocks.peers().some(peer => !tried.has(peer.toString())) === true
      const before = left.length
      const result = await byBitswap(left, signal, done, isEnough)
      left = result.left
      cause = result.cause ?? cause
      if (left.length === 0) return
      if (left.length === before || result.cause !== undefined) attempt++
    }
    count('block_fetch_failures', left.length)
    throw new ContentUnavailableError(
      `no peer sent ${left[0]?.cid} within ${init.attempts} attempts of ${init.blockTimeoutMs} ms`,
      { cause }
    )
  }

  /** Fetch what nobody else fetches. */
  const fetchOwn = async (wanted: readonly Wanted[], options: FetchOptions): Promise<void> => {
    const own = new Map<string, Underway>()
    for (const { cid } of wanted) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      own.set(cid.toString(), { arrived: promise, settle: resolve, hurry: () => {} })
    }
    for (const [key, one] of own) underway.set(key, one)
    const settle = (key: string, arrived: boolean): void => {
      const one = own.get(key)
      if (one === undefined) return
      own.delete(key)
      underway.delete(key)
      one.settle(arrived)
    }
    try {
      await fetch(wanted, options, (cid, block) => {
        count('blocks_fetched')
        count('block_bytes_fetched', block.byteLength)
        settle(cid.toString(), true)
      })
    } finally {
      for (const key of own.keys()) settle(key, false)
    }
  }

  return {
    coming: cid => underway.get(cid.toString()),
    bring: async (wanted, options) => {
      for (let left = wanted; left.length > 0;) {
        options.signal.throwIfAborted()
        const own = left.filter(({ cid }) => !underway.has(cid.toString()))
        const others = left.flatMap(one => {
          const coming = underway.get(one.cid.toString())
          return coming === undefined ? [] : [{ one, coming }]
        })
        if (own.length > 0) await fetchOwn(own, options)
        const again: Wanted[] = []
        for (const { one, coming } of others) {
          await orAborted(coming.arrived, options.signal)
          // its caller may have given up
          if (!(await store.has(one.cid))) again.push(one)
        }
        left = again
      }
    }
  }
}

// --- internal ---

async function orAborted(event: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort)
  try {
    await Promise.race([event, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
