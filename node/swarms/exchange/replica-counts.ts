/**
 * How many members hold which files of a swarm, as they themselves say: what tells a participant that it may leave.
 *
 * Claims, not proofs. What is remembered is bounded, whatever is asked about and however many peers answer.
 */
import type { AbortOptions, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Logger } from '../../process/logger.ts'

/** Peers remembered for one file: far more copies than any file needs. */
const MAX_HOLDERS = 64
/** Files remembered; the least recently asked about are forgotten. 2,048 partitions, each with raw targets and shard. */
const MAX_FILES = 8192

export interface ReplicaCountsComponents {
  members(): PeerId[]
  /** One answer for each CID */
  ask(peer: PeerId, cids: readonly CID[], options: AbortOptions): Promise<boolean[]>
  logger: Logger
}

export interface ReplicaCounts {
  /** Does at least one connected member hold it, now? Stops asking once everything is held. Throws the signal's reason. */
  heldByAnyone(cids: readonly CID[], signal: AbortSignal): Promise<boolean[]>
  /** Peers seen holding it: the answers of connected members now, and the last answer of those that are gone. */
  counts(cids: readonly CID[], signal: AbortSignal): Promise<number[]>
}

export function createReplicaCounts({ members, ask, logger }: ReplicaCountsComponents): ReplicaCounts {
  const seen = new Map<string, Set<string>>()

  const note = (cid: CID, peer: string, isHeld: boolean): void => {
    const key = cid.toString()
    const peers = seen.get(key) ?? new Set()
    seen.delete(key)
    seen.set(key, peers)
    if (!isHeld) peers.delete(peer)
    else if (peers.size < MAX_HOLDERS) peers.add(peer)
    if (seen.size > MAX_FILES) seen.delete(seen.keys().next().value as string)
  }

  const answers = async (peer: PeerId, cids: readonly CID[], signal: AbortSignal): Promise<boolean[]> => {
    try {
      const held = await ask(peer, cids, { signal })
      cids.forEach((cid, i) => note(cid, peer.toString(), held[i] === true))
      return held
    } catch (error) {
      logger.debug('a member did not say what it holds', { peer: peer.toString(), reason: String(error) })
      return []
    }
  }

  return {
    heldByAnyone: async (cids, signal) => {
      const held = cids.map(() => false)
      for (const peer of members()) {
        const own = await answers(peer, cids, signal)
        signal.throwIfAborted()
        own.forEach((isHeld, i) => {
          if (isHeld) held[i] = true
        })
        if (!held.includes(false)) break
      }
      return held
    },
    counts: async (cids, signal) => {
      await Promise.all(members().map(async peer => await answers(peer, cids, signal)))
      return cids.map(cid => seen.get(cid.toString())?.size ?? 0)
    }
  }
}
