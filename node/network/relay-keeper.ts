/**
 * Reservations of a node that cannot be reached, at members that can: it is then connected to through them. Looks at all of them again and again,
 * because libp2p does not renew a reservation at a relay that restarted, and its own search for relays never ends where there are none.
 *
 * A relay is a member that this node itself dialed, so others can dial it too, and that says it relays. One that refuses is asked again after a
 * while. Reservations that a relay keeps are renewed by libp2p shortly before they expire.
 */
import { RELAY_V2_HOP_CODEC, type circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { Connection, Listener, Startable } from '@libp2p/interface'
import { asError } from '../../protocols/framing.ts'
import { isRelayed, scopeOf } from './address-scope.ts'

/** One may end at any time; each is a connection that has to be kept. */
const RESERVATIONS = 2
const LOOK_MS = 5000
/** For AutoNAT, which needs a second or two, and for members to connect by themselves. */
const PATIENCE_MS = 10_000
/** A relay that is full has room when a reservation ends, which takes up to two hours. */
const REFUSED_MS = 10 * 60_000

type Transport = Parameters<ReturnType<typeof circuitRelayTransport>>[0]
export type RelayKeeperComponents = Pick<
  Transport,
  'transportManager' | 'connectionManager' | 'peerStore' | 'logger' | 'events'
>

export interface RelayKeeperInit {
  /** Can nobody connect to this node directly? */
  isNeeded(): boolean
  /** Tests: relays may be on this machine, and nothing is waited for. @default false */
  nearby?: boolean
}

export interface RelayKeeper extends Startable {
  /** Looks now; resolves to how many reservations there are. Never throws. */
  look(): Promise<number>
}

export function createRelayKeeper(
  { transportManager, connectionManager, peerStore, logger, events }: RelayKeeperComponents,
  { isNeeded, nearby = false }: RelayKeeperInit
): RelayKeeper {
  const log = logger.forComponent('coopt:relays')
  /** One for each reservation ever had at a time; used again, because closing one gives up the reservations of all */
  const listeners: Listener[] = []
  const refusedUntil = new Map<string, number>()
  let neededSince: number | undefined
  let timer: NodeJS.Timeout | undefined
  let running: Promise<number> | undefined

  const held = (): number => listeners.filter(listener => listener.getAddrs().length > 0).length
  const isReservedAt = ({ remotePeer }: Connection): boolean =>
    transportManager.getAddrs().some(address => address.toString().includes(`/p2p/${remotePeer}/p2p-circuit`))

  const isRelay = async (connection: Connection): Promise<boolean> => {
    const { direction, remoteAddr, remotePeer } = connection
    if (direction !== 'outbound' || isRelayed(remoteAddr) || (!nearby && scopeOf(remoteAddr) !== 'public')) return false
    if ((refusedUntil.get(remotePeer.toString()) ?? 0) > performance.now() || isReservedAt(connection)) return false
    try {
      return (await peerStore.get(remotePeer)).protocols.includes(RELAY_V2_HOP_CODEC)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return false // not identified yet
      throw error
    }
  }

  const reserve = async (connection: Connection): Promise<void> => {
    const at = connection.remoteAddr.encapsulate('/p2p-circuit')
    const free = listeners.find(listener => listener.getAddrs().length === 0)
    const before = new Set(transportManager.getListeners())
    try {
      if (free === undefined) await transportManager.listen([at])
      else await free.listen(at)
    } catch (cause) {
      refusedUntil.set(connection.remotePeer.toString(), performance.now() + REFUSED_MS)
      log('%p does not relay for this node - %e', connection.remotePeer, asError(cause))
    } finally {
      if (free === undefined) listeners.push(...transportManager.getListeners().filter(one => !before.has(one)))
    }
  }

  const pass = async (): Promise<number> => {
    neededSince = isNeeded() ? (neededSince ?? performance.now()) : undefined
    if (neededSince === undefined) return held()
    if (!nearby && performance.now() - neededSince < PATIENCE_MS) return held()
    for (const connection of connectionManager.getConnections()) {
      if (held() >= RESERVATIONS) break
      if (await isRelay(connection)) await reserve(connection)
    }
    return held()
  }

  const look = async (): Promise<number> => {
    running ??= pass()
      .catch((cause: unknown) => {
        log.error('looking after reservations failed - %e', asError(cause))
        return held()
      })
      .finally(() => {
        running = undefined
      })
    return await running
  }
  const onChange = (): void => void look()

  return {
    look,
    start() {
      timer ??= setInterval(onChange, LOOK_MS).unref()
      events.addEventListener('peer:identify', onChange)
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      events.removeEventListener('peer:identify', onChange)
      await running
    }
  }
}
