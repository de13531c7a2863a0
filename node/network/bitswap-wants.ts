/**
 * Whom bitswap asks for what. In place of the sending of wants in @helia/bitswap 4.0.19, which tells every peer every want, waits for all of them before
 * it tells the next, and never tells anybody that a want is over:
 *
 * - one peer is asked for a block, the others whether they have it; the next one when the first does not have it, or is silent for `ASK_NEXT_MS`;
 * - each peer is told at its own pace: one that takes nothing delays nobody;
 * - a peer that was told of a want is told of its end;
 * - a want that is given up and wanted again is sent again.
 */
import type { PeerId } from '@libp2p/interface'
import { base64 } from 'multiformats/bases/base64'
import type { CID } from 'multiformats/cid'

/** As in the protocol: a block, or whether the peer has it. */
const WANT_BLOCK = 'WantBlock'
const WANT_HAVE = 'WantHave'
type WantType = typeof WANT_BLOCK | typeof WANT_HAVE

/** A block of 1 MiB from a peer that does 4 Mbit/s; then another is asked as well, and after twice as long the next. */
const ASK_NEXT_MS = 2000
const MAX_ASK_NEXT_MS = 60_000

/** After a message could not be sent; a peer that is gone is forgotten when its connection ends. */
const RETRY_MS = 1000

interface WantEntry {
  cid: CID
  priority: number
  wantType: WantType
  cancel: boolean
}

interface WantOptions {
  signal?: AbortSignal
}

interface WantMessage {
  full: boolean
  pendingBytes: number
  wantlist: Map<string, object>
  blocks: Map<string, object>
  blockPresences: Map<string, object>
}

interface Presence {
  sender: PeerId
  cid: CID
  has: boolean
  block?: Uint8Array
}

/** The parts of bitswap's want list that are used or replaced. */
export interface WantList {
  readonly peers: { entries(): Iterable<[PeerId, Set<string>]>; set(peer: PeerId, sent: Set<string>): unknown }
  readonly wants: Map<string, WantEntry>
  readonly network: { sendMessage(peer: PeerId, message: WantMessage): Promise<void> }
  addEventListener(type: 'presence', listener: (event: CustomEvent<Presence>) => void): void
  addEntry(cid: CID, options: WantOptions): Promise<unknown>
  sendMessages(): Promise<void>
  peerConnected(peer: PeerId): Promise<void>
  peerDisconnected(peer: PeerId): void
  stop(): void
}

/** What a peer was told, and whether it is being told more. */
interface Told {
  readonly peer: PeerId
  readonly wants: Map<string, { cid: CID; type: WantType }>
  isSending: boolean
  isStale: boolean
  /** Blocks it sent */
  blocks: number
}

/** The search for one block. */
interface Search {
  /** Asked for the block itself */
  readonly asked: Set<string>
  readonly have: Set<string>
  readonly lack: Set<string>
  timer: NodeJS.Timeout | undefined
}

const keyOf = (cid: CID): string => Buffer.from(cid.multihash.bytes).toString('base64').replaceAll('=', '')

export function mendWants(list: WantList): void {
  const told = new Map<string, Told>()
  const searches = new Map<string, Search>()

  const endSearch = (key: string): void => {
    clearTimeout(searches.get(key)?.timer)
    searches.delete(key)
  }

  /** Ask one more peer for the block: one that has it, else one that sent most so far and did not say that it lacks it. */
  const askNext = (search: Search): void => {
    const open = [...told.entries()].filter(([peer]) => !search.asked.has(peer) && !search.lack.has(peer))
    const rank = ([peer, { blocks }]: [string, Told]): number => (search.have.has(peer) ? 2 ** 40 : 0) + blocks
    const [next] = open.sort((a, b) => rank(b) - rank(a))
    if (next === undefined) return
    search.asked.add(next[0])
    tell(next[1])
  }

  const searchFor = (key: string): Search => {
    const known = searches.get(key)
    if (known !== undefined) return known
    const search: Search = { asked: new Set(), have: new Set(), lack: new Set(), timer: undefined }
    searches.set(key, search)
    const later = (ms: number): void => {
      search.timer = setTimeout(() => {
        askNext(search)
        later(Math.min(MAX_ASK_NEXT_MS, 2 * ms))
      }, ms)
    }
    later(ASK_NEXT_MS)
    return search
  }

  const isActive = (key: string): boolean => list.wants.get(key)?.cancel === false

  /** What this peer has not been told yet. */
  const newsFor = (one: Told): Map<string, { cid: CID; type: WantType | undefined }> => {
    const news = new Map<string, { cid: CID; type: WantType | undefined }>()
    for (const [key, { cid }] of one.wants) if (!isActive(key)) news.set(key, { cid, type: undefined })
    for (const [key, { cid, cancel, wantType }] of list.wants) {
      if (cancel) continue
      const isAsked = wantType === WANT_BLOCK && searches.get(key)?.asked.has(one.peer.toString()) === true
      const type = isAsked ? WANT_BLOCK : WANT_HAVE
      if (one.wants.get(key)?.type !== type) news.set(key, { cid, type })
    }
    return news
  }

  const send = async (one: Told): Promise<void> => {
    for (let news = newsFor(one); news.size > 0 && told.get(one.peer.toString()) === one; news = newsFor(one)) {
      one.isStale = false
      const message: WantMessage = {
        full: false,
        pendingBytes: 0,
        wantlist: new Map(),
        blocks: new Map(),
        blockPresences: new Map()
      }
      for (const [key, { cid, type }] of news)
        message.wantlist.set(base64.encode(cid.multihash.bytes), {
          cid: cid.bytes,
          priority: list.wants.get(key)?.priority ?? 1,
          wantType: type ?? WANT_BLOCK,
          cancel: type === undefined,
          sendDontHave: true
        })
      // before it is sent: an answer may be here sooner than the sending has ended
      for (const [key, { cid, type }] of news)
        if (type === undefined) one.wants.delete(key)
        else one.wants.set(key, { cid, type })
      try {
        await list.network.sendMessage(one.peer, message)
      } catch {
        for (const key of news.keys()) one.wants.delete(key)
        setTimeout(() => tell(one), RETRY_MS).unref()
        return
      }
      if (!one.isStale) return
    }
  }

  /** Tell a peer what is new, after what it is being told now. */
  const tell = (one: Told): void => {
    one.isStale = true
    if (one.isSending) return
    one.isSending = true
    void send(one).finally(() => {
      one.isSending = false
    })
  }

  const addPeer = (peer: PeerId): void => {
    const one: Told = { peer, wants: new Map(), isSending: false, isStale: false, blocks: 0 }
    told.set(peer.toString(), one)
    for (const search of searches.values()) if (search.asked.size === search.lack.size) askNext(search)
    tell(one)
  }

  list.addEventListener('presence', ({ detail: { sender, cid, has, block } }) => {
    const key = keyOf(cid)
    const peer = sender.toString()
    const one = told.get(peer)
    if (block !== undefined) {
      // a peer that sent a block has done with the want
      one?.wants.delete(key)
      if (one !== undefined) one.blocks++
      return
    }
    const search = searches.get(key)
    if (search === undefined) return
    search[has ? 'have' : 'lack'].add(peer)
    const isHopeless = [...search.asked].every(asked => search.lack.has(asked))
    if (isHopeless) askNext(search)
  })

  const addEntry = list.addEntry.bind(list)
  list.addEntry = async (cid, options) => {
    const key = keyOf(cid)
    if (list.wants.get(key)?.cancel === true) {
      list.wants.delete(key)
      endSearch(key)
      for (const one of told.values()) one.wants.delete(key)
    }
    return await addEntry(cid, options)
  }

  list.sendMessages = async () => {
    for (const [key, { cancel, wantType }] of list.wants) {
      if (cancel) {
        list.wants.delete(key)
        endSearch(key)
      } else if (wantType === WANT_BLOCK && !searches.has(key)) askNext(searchFor(key))
    }
    for (const one of told.values()) tell(one)
  }

  list.peerConnected = async peer => {
    list.peers.set(peer, new Set())
    if (!told.has(peer.toString())) addPeer(peer)
  }

  const peerDisconnected = list.peerDisconnected.bind(list)
  list.peerDisconnected = peer => {
    peerDisconnected(peer)
    const key = peer.toString()
    told.delete(key)
    for (const search of searches.values()) {
      search.have.delete(key)
      search.lack.delete(key)
      if (search.asked.delete(key)) askNext(search)
    }
  }

  const stop = list.stop.bind(list)
  list.stop = () => {
    stop()
    for (const key of searches.keys()) endSearch(key)
    told.clear()
  }

  for (const [peer] of list.peers.entries()) addPeer(peer)
}
