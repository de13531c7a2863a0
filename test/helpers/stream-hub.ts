/** Peers that reach each other's protocol handlers through in-memory streams: no sockets, no handshakes. */
import type { AbortOptions, Connection, Libp2p, Stream, StreamHandler } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { peerIdOf } from '../../src/peer-key.ts'
import { testKey } from './signed-swarm.ts'

export type HubPeer = Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'logger' | 'peerId'>

export function streamHub(): { peer(n: number): HubPeer } {
  const handlers = new Map<string, StreamHandler>() // peer and protocol -> handler

  return {
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
        Promise.resolve(handler(inbound, { remotePeer: peerId } as Connection)).catch((error: Error) =>
          inbound.abort(error)
        )
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
