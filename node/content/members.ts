/** Connected members as holders of blocks, and connections to authors that are likely to hold what their records name. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Logger } from '../process/logger.ts'
import type { Members } from './transfers.ts'

export interface MembersComponents {
  libp2p: Pick<Libp2p, 'peerId' | 'getConnections' | 'dial'>
  blocks: Members['blocks']
  logger: Logger
}

/** An author that could not be reached is not dialed again for so long: records name thousands of files of one that may be gone for good. */
const UNREACHABLE_MS = 60_000
const MAX_REMEMBERED = 1024

/** `reachMs`: the longest that one dial takes */
export function createMembers(
  { libp2p, blocks, logger }: MembersComponents,
  { reachMs }: { reachMs: number }
): Members {
  const unreachable = new Map<string, number>() // peer -> when it may be dialed again
  const dialing = new Map<string, Promise<boolean>>()

  const dial = async (peer: PeerId): Promise<boolean> => {
    try {
      await libp2p.dial(peer, { signal: AbortSignal.timeout(reachMs) })
      unreachable.delete(peer.toString())
      return true
    } catch (error) {
      unreachable.delete(peer.toString())
      unreachable.set(peer.toString(), performance.now() + UNREACHABLE_MS)
      if (unreachable.size > MAX_REMEMBERED) unreachable.delete(unreachable.keys().next().value as string)
      logger.debug('a likely holder cannot be reached', { peer: peer.toString(), reason: String(error) })
      return false
    }
  }

  return {
    blocks,
    peerOf: key => {
      const id = peerIdOf(key)
      return id === libp2p.peerId.toString() ? undefined : peerIdFromString(id)
    },
    reach: async peer => {
      const key = peer.toString()
      if (libp2p.getConnections(peer).length > 0) return true
      if ((unreachable.get(key) ?? 0) > performance.now()) return false
      const running = dialing.get(key) ?? dial(peer).finally(() => dialing.delete(key))
      dialing.set(key, running)
      return await running
    }
  }
}
