/**
 * Keeps the number of connections within two marks, whatever the size of the swarm: above the upper one, those of least use are closed in good
 * order until the lower one is reached. Queries in the DHT and invites connect everybody with everybody otherwise, and each connection costs
 * traffic and time for as long as it is open.
 *
 * Kept in any case: young connections, those with a transfer under way, and peers with a tag that libp2p keeps connections for (relays in use) or that reserved here. Then
 * those in the mesh of a topic come first. Of the others it is chance that decides, so the graph of members stays a random one.
 */
import type { Connection, Libp2p, Startable } from '@libp2p/interface'
import { KEEP_ALIVE } from '@libp2p/interface'
import { asError } from '../../protocols/framing.ts'

const INTERVAL_MS = 10_000
/** A new connection is about to be used; members sync on it, and gossipsub looks at it within seconds. */
const YOUNG_MS = 30_000
const CLOSE_MS = 5000

/** What gossipsub gives the peers of its meshes; the DHT's peers have 50 at most. */
const MESH_TAG = 100

/** What the relay gives peers that reserved at it (@libp2p/circuit-relay-v2): without the connection the reservation is void. */
const RESERVED_TAG = 'circuit-relay-source'

/** Protocols whose streams are open at all times, or for a moment at times that nobody waits for. */
const BACKGROUND = [/^\/meshsub\//, /^\/ipfs\/ping\//, /^\/ipfs\/id\//, /\/kad\//]

export interface ConnectionTrimmerComponents {
  libp2p: Pick<Libp2p, 'getConnections' | 'peerStore' | 'logger'>
}

export interface ConnectionTrimmerInit {
  /** Above so many connections … */
  highWater: number
  /** … they are closed down to this many. */
  lowWater: number
  /** @default Math.random */
  random?: () => number
  /** Milliseconds of the epoch, as in connections' timelines. @default Date.now */
  now?: () => number
}

export interface ConnectionTrimmer extends Startable {
  /** Close what is above the marks now; resolves to how many were closed. Never throws. */
  trim(): Promise<number>
}

export function createConnectionTrimmer(
  { libp2p }: ConnectionTrimmerComponents,
  { highWater, lowWater, random = Math.random, now = Date.now }: ConnectionTrimmerInit
): ConnectionTrimmer {
  const log = libp2p.logger.forComponent('coopt:connections')
  let timer: NodeJS.Timeout | undefined

  const tagsOf = async ({ remotePeer }: Connection): Promise<ReadonlyMap<string, { value: number }>> => {
    try {
      return (await libp2p.peerStore.get(remotePeer)).tags
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return new Map() // not identified yet
      throw error
    }
  }

  const isIdle = ({ streams, timeline }: Connection): boolean =>
    now() - timeline.open >= YOUNG_MS &&
    streams.every(({ protocol }) => BACKGROUND.some(background => background.test(protocol)))

  const closeSome = async (): Promise<number> => {
    const open = libp2p.getConnections().filter(({ status }) => status === 'open')
    if (open.length <= highWater) return 0
    const candidates: Array<{ connection: Connection; rank: number }> = []
    for (const connection of open) {
      if (!isIdle(connection)) continue
      const tags = await tagsOf(connection)
      if ([...tags.keys()].some(tag => tag.startsWith(KEEP_ALIVE) || tag === RESERVED_TAG)) continue
      const isInMesh = [...tags.values()].some(({ value }) => value >= MESH_TAG)
      candidates.push({ connection, rank: random() + (isInMesh ? 1 : 0) })
    }
    const surplus = candidates.sort((a, b) => a.rank - b.rank).slice(0, open.length - lowWater)
    await Promise.all(
      surplus.map(async ({ connection }) => {
        log('closing a connection to %p: %d are open', connection.remotePeer, open.length)
        await connection.close({ signal: AbortSignal.timeout(CLOSE_MS) })
      })
    )
    return surplus.length
  }

  const trim = async (): Promise<number> => {
    try {
      return await closeSome()
    } catch (cause) {
      log.error('closing connections failed - %e', asError(cause))
      return 0
    }
  }

  return {
    trim,
    start() {
      timer ??= setInterval(() => void trim(), INTERVAL_MS).unref()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    }
  }
}
