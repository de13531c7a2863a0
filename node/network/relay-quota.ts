/**
 * What a relay carries for each peer that reserved at it: bytes in an hour, and how long one connection lasts. Circuit relay v2 has limits too, but
 * connections under them are marked as limited, and protocols that do not know of relays (bitswap, gossipsub, the DHT) refuse to run on those.
 *
 * Counted at the stream to the peer that reserved, in both directions: identities are free for those who connect to it, but each of the few
 * reservations has its own budget, so `relayMaxReservations` times `relayBytesPerHour` is the most that a relay carries.
 */
import { RELAY_V2_STOP_CODEC, type CircuitRelayServerComponents } from '@libp2p/circuit-relay-v2'
import type { Connection, Stream } from '@libp2p/interface'
import { createRateLimiter } from '../../protocols/rate-limit.ts'
import { overriding } from './overriding.ts'

export interface RelayQuotaInit {
  /** For one reserving peer, both directions together; unused ones add up to this */
  bytesPerHour: number
  /** Of one relayed connection, ms; the peers then connect anew */
  connectionMs: number
}

type Manager = CircuitRelayServerComponents['connectionManager']

/** For `circuitRelayServer`: its connections to reserving peers are counted. */
export function withRelayQuota(
  components: CircuitRelayServerComponents,
  { bytesPerHour, connectionMs }: RelayQuotaInit
): CircuitRelayServerComponents {
  const budget = createRateLimiter({ perSecond: bytesPerHour / 3600, burst: bytesPerHour })

  const open = async (connection: Connection, ...args: Parameters<Connection['newStream']>): Promise<Stream> => {
    const stream = await connection.newStream(...args)
    if (stream.protocol !== RELAY_V2_STOP_CODEC) return stream
    const peer = connection.remotePeer.toString()
    const end = (why: string): void => stream.abort(new Error(`the relay carries no more for ${peer}: ${why}`))
    const timer = setTimeout(() => end(`after ${connectionMs} ms`), connectionMs).unref()
    stream.addEventListener('close', () => clearTimeout(timer), { once: true })
    countBytes(stream, bytes => {
      if (!budget.take(peer, bytes)) end(`${bytesPerHour} bytes in an hour`)
    })
    return stream
  }

  const counted = (connection: Connection): Connection =>
    overriding(connection, { newStream: async (...args) => await open(connection, ...args) })
  const getConnections: Manager['getConnections'] = peer =>
    components.connectionManager.getConnections(peer).map(counted)
  const { registrar, peerStore, addressManager, peerId, privateKey, connectionGater, logger } = components
  const connectionManager = overriding(components.connectionManager, { getConnections })
  return { registrar, peerStore, addressManager, peerId, privateKey, connectionGater, logger, connectionManager }
}

// --- internal ---

/** What a stream of libp2p is to its multiplexer. A listener for messages would take data from readers that come later. */
interface Fed {
  onData(data: { readonly byteLength: number }): void
}

function countBytes(stream: Stream, onBytes: (bytes: number) => void): void {
  const fed = stream as Stream & Fed
  const onData = fed.onData.bind(fed)
  fed.onData = data => {
    onBytes(data.byteLength)
    onData(data)
  }
  const send = stream.send.bind(stream)
  stream.send = data => {
    onBytes(data.byteLength)
    return send(data)
  }
}
