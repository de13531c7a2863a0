/**
 * Fetches blocks over `/coopt/blocks/1.0.0`: which connected peers speak it, one channel to each that is used, and downloads that share them.
 */
import type { Libp2p, PeerId, Startable } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { ContentUnavailableError, ProtocolError } from '../../src/errors.ts'
import { BLOCKS_PROTOCOL, DIAL_TIMEOUT_MS } from '../constants.ts'
import type { OnFault } from '../session.ts'
import { openChannel, WrongContentError, type Channel, type Wanted } from './channel.ts'
import { startDownload, type Download } from './download.ts'

export interface BlockClientComponents {
  libp2p: Pick<Libp2p, 'dialProtocol' | 'register' | 'unregister' | 'logger'>
}

export interface BlockClientInit {
  /** Longest time without a piece from a peer, ms. @default 60,000 */
  stallMs?: number
  /** Called when a peer broke the protocol or sent wrong content. @default nothing */
  onFault?: OnFault
}

export interface DownloadOptions {
  /** In the order in which they are asked */
  holders: readonly PeerId[]
  /** Take a block whose bytes hash to its CID */
  deliver(cid: CID, block: Uint8Array): Promise<void>
  signal: AbortSignal
}

export interface BlockClient extends Startable {
  /** Connected peers that speak the protocol: those that sent most first, so that a good holder is asked before others */
  peers(): PeerId[]
  download(wanted: readonly Wanted[], options: DownloadOptions): Download
}

/** A channel without work is closed after this; another costs a round trip, and its window grows anew. */
const IDLE_MS = 10_000
const LOOK_MS = 5_000

export function createBlockClient({ libp2p }: BlockClientComponents, init: BlockClientInit = {}): BlockClient {
  const log = libp2p.logger.forComponent('coopt:blocks')
  const speakers = new Map<string, { peer: PeerId; blocks: number }>()
  const channels = new Map<string, Promise<Channel>>()
  const opened = new Set<Channel>()
  let registered: string | undefined
  let timer: NodeJS.Timeout | undefined

  const dial = async (peer: PeerId): Promise<Channel> => {
    const key = peer.toString()
    const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS)
    const stream = await libp2p.dialProtocol(peer, BLOCKS_PROTOCOL, { signal, runOnLimitedConnection: true })
    const channel = openChannel(peer, stream, {
      ...(init.stallMs === undefined ? {} : { stallMs: init.stallMs }),
      onClose: error => {
        opened.delete(channel)
        channels.delete(key)
        if (error === undefined) return
        log('the stream to %p ended - %e', peer, error)
        if (error instanceof WrongContentError) init.onFault?.(peer, 'wrong-content')
        else if (error instanceof ProtocolError) init.onFault?.(peer, 'protocol')
      }
    })
    opened.add(channel)
    return channel
  }

  const open = async (peer: PeerId): Promise<Channel> => {
    const key = peer.toString()
    const opening = channels.get(key) ?? dial(peer)
    channels.set(key, opening)
    try {
      return await opening
    } catch (error) {
      channels.delete(key)
      throw error
    }
  }

  const credit = (peer: PeerId): void => {
    const speaker = speakers.get(peer.toString())
    if (speaker !== undefined) speaker.blocks++
  }

  return {
    peers: () => [...speakers.values()].sort((a, b) => b.blocks - a.blocks).map(({ peer }) => peer),
    download: (wanted, { holders, deliver, signal }) =>
      startDownload(wanted, holders, { open, deliver, credit }, signal),
    start: async () => {
      if (registered !== undefined) return
      registered = await libp2p.register(BLOCKS_PROTOCOL, {
        notifyOnLimitedConnection: true,
        onConnect: peer => {
          speakers.set(peer.toString(), { peer, blocks: 0 })
        },
        onDisconnect: peer => {
          speakers.delete(peer.toString())
        }
      })
      timer = setInterval(() => {
        for (const channel of opened)
          if (channel.idleMs() > IDLE_MS) channel.close(new ContentUnavailableError('not used any more'))
      }, LOOK_MS).unref()
    },
    stop: () => {
      clearInterval(timer)
      if (registered !== undefined) libp2p.unregister(registered)
      registered = undefined
      for (const channel of opened) channel.close(new ContentUnavailableError('this node is stopping'))
    }
  }
}
