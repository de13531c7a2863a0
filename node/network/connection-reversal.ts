/**
 * Connection reversal: a node that nobody can reach, and that a peer reached through a relay, dials this peer itself where the peer has an address of its own.
 * Bytes then go from end to end instead of over a third member's line, and the relay's quota is for pairs of which neither can be dialed. libp2p takes the direct
 * one of two connections for new streams; the relayed one stays for those that it carries, and ends with the relay's limit.
 */
import type { IdentifyResult, Startable } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { DIAL_TIMEOUT_MS } from '../../protocols/constants.ts'
import { asError } from '../../protocols/framing.ts'
import { isRelayed, scopeOf } from './address-scope.ts'

export type ConnectionReversalComponents = Pick<
  Parameters<ReturnType<typeof circuitRelayTransport>>[0],
  'connectionManager' | 'events' | 'logger'
>

export interface ConnectionReversalInit {
  /** Tests: peers may be on this machine. @default false */
  nearby?: boolean
}

/** Of the addresses that a peer names: it chooses whom this node knocks at. */
const MAX_ADDRESSES = 4
/** Between two attempts for one peer, and peers in that time: it must not make this node knock at third parties again and again. */
const PAUSE_MS = 600_000
const MAX_DIALED = 256

export function createConnectionReversal(
  { connectionManager, events, logger }: ConnectionReversalComponents,
  { nearby = false }: ConnectionReversalInit = {}
): Startable {
  const log = logger.forComponent('coopt:reversal')
  /** Peers that were dialed back a short while ago */
  const dialed = new Set<string>()

  const reverse = async (peer: string, addresses: Multiaddr[]): Promise<void> => {
    if (dialed.has(peer) || dialed.size >= MAX_DIALED) return
    dialed.add(peer)
    setTimeout(() => dialed.delete(peer), PAUSE_MS).unref()
    try {
      await connectionManager.openConnection(addresses, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) })
    } catch (cause) {
      log('%s stays connected through its relay - %e', peer, asError(cause))
    }
  }

  const onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => {
    const { connection, listenAddrs, peerId } = detail
    if (connection.direction !== 'inbound' || !isRelayed(connection.remoteAddr)) return
    if (connectionManager.getConnections(peerId).some(({ remoteAddr }) => !isRelayed(remoteAddr))) return
    const addresses = listenAddrs.filter(address => !isRelayed(address) && (nearby || scopeOf(address) === 'public'))
    if (addresses.length === 0) return
    const suffix = `/p2p/${peerId}`
    const named = addresses.map(address =>
      address.toString().endsWith(suffix) ? address : address.encapsulate(suffix)
    )
    void reverse(`${peerId}`, named.slice(0, MAX_ADDRESSES))
  }

  return {
    start: () => events.addEventListener('peer:identify', onIdentify),
    stop: () => events.removeEventListener('peer:identify', onIdentify)
  }
}
