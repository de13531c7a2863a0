/**
 * Assigns partitions to peers without a coordinator, by rendezvous (highest random weight) hashing of peers and open partitions.
 *
 * Every peer ranks itself against the peers it knows to be at work. It first takes the open partitions on which it ranks
 * highest, so peers that start together choose different ones; then any other open partition in order of its own weight, so that no peer is idle and
 * a dead peer's share is taken over. Leases only narrow the choice: two peers on one partition cost time, never correctness.
 *
 * Thaler, Ravishankar, "Using name-based mappings to increase hit rates", 1998.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../envelope.ts'

export interface AssignmentInput {
  readonly self: PeerKey
  /** Peers believed to be at work, with or without `self` */
  readonly peers: readonly PeerKey[]
  /** Partitions that still need work and have no live lease, by index and CID */
  readonly open: ReadonlyArray<{ index: number; cid: CID }>
}

/** Index of the partition to take next, or undefined when nothing is open. Deterministic. */
export function nextPartition({ self, peers, open }: AssignmentInput): number | undefined {
  let best: { index: number; mine: boolean; weight: number } | undefined
  for (const { index, cid } of open) {
    const weight = rendezvousWeight(self, cid)
    const mine = peers.every(peer => rendezvousWeight(peer, cid) <= weight)
    if (best === undefined || compare({ index, mine, weight }, best) < 0) best = { index, mine, weight }
  }
  return best?.index
}

/** 48 uniform bits of sha2-256(peer key, partition CID): exact in a double. */
export function rendezvousWeight(peer: PeerKey, partition: CID): number {
  const digest = sha256.create().update(peer).update(partition.bytes).digest()
  let weight = 0
  for (let i = 0; i < 6; i++) weight = weight * 256 + (digest[i] as number)
  return weight
}

// --- internal ---

type Ranked = { index: number; mine: boolean; weight: number }

/** Own partitions first, then by weight, then by index: a total order. */
function compare(a: Ranked, b: Ranked): number {
  if (a.mine !== b.mine) return a.mine ? -1 : 1
  return b.weight - a.weight || a.index - b.index
}
