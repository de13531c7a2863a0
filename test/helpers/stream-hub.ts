/** Peers that reach each other's protocol handlers through in-memory streams: no sockets, no handshakes. */
import type { AbortOptions, Connection, Libp2p, Stream, StreamHandler, StreamMessageEvent } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { peerIdOf } from '../../src/peer-key.ts'
import { testKey } from './signed-swarm.ts'
import { waitFor } from './test-network.ts'

export type HubPeer = Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'logger' | 'peerId'>

export interface StreamHub {
  peer(n: number): HubPeer
  /** Resolves when the streams that peers opened have delivered so many bytes to their readers, all together. */
  delivered(bytes: number): Promise<void>
}

/** `relayed`: connections are as those through a third peer. */
export function streamHub({ relayed = false } = {}): StreamHub {
  let deliveredBytes = 0
  const delivery = new EventTarget()
  const handlers = new Map<string, StreamHandler>() // peer and protocol -> handler

  return {
    delivered: async bytes => await waitFor(delivery, 'delivered', () => deliveredBytes >= bytes),
    peer(n) {
      const peerId = peerIdFromString(peerIdOf(testKey(n).key))
      const dialProtocol = async (
        target: unknown,
        protocol: string | string[],
        options?: AbortOptions
      ): Promise<Stream> => {
        options?.signal?.throwIfAborted()
        const handler = handlers.get(`${String(target)} ${String(protocol)}`)
        if (handler === undefined) throw new Error('The dial request has no valid addresses')
        const [outbound, inbound] = await streamPair({ protocol: String(protocol) })
        // like libp2p: a handler that fails resets its stream
        Promise.resolve(
          handler(inbound, { remotePeer: peerId, ...(relayed ? { limits: {} } : {}) } as Connection)
        ).catch((error: Error) => inbound.abort(error))
        countDelivered(outbound, bytes => {
          deliveredBytes += bytes
          delivery.dispatchEvent(new Event('delivered'))
        })
        return outbound
      }
      return {
        peerId,
        logger: defaultLogger(),
        handle: async (protocol, handler) => {
          handlers.set(`${peerId} ${String(protocol)}`, handler)
        },
        unhandle: async protocol => {
          handlers.delete(`${peerId} ${String(protocol)}`)
        },
        dialProtocol: dialProtocol
      }
    }
  }
}

/** Listens as soon as the reader does: a stream gives what has arrived to its first listener alone. */
function countDelivered(stream: Stream, count: (bytes: number) => void): void {
  const listen = stream.addEventListener.bind(stream)
  let isCounting = false
  stream.addEventListener = (...args: Parameters<Stream['addEventListener']>): void => {
    listen(...args)
    if (args[0] !== 'message' || isCounting) return
    isCounting = true
    listen('message', ({ data }: StreamMessageEvent) => count(data.byteLength))
  }
}
