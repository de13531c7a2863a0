/**
 * Vouching means keeping: who is known to hold a shard, and which confirmed shards this node fetches because too few do. Pure, like due-checks.ts.
 *
 * As ipfs-cluster's replication_factor_min and _max: nothing is copied while `min` live holders are known, and below that as many members as `max` lacks
 * make a copy, the first ones by rendezvous hashing. A copy is a look at the form, so who makes one vouches for it with a check.
 *
 * A holder is the author of the alignment or a member with a voice whose last word on the shard is `sound`; one voice is one holder, however many keys
 * it has. One that said `lost`, or is gone for long, holds nothing.
 */
import { rendezvousWeight } from '../../src/distribute/assignment.ts'
import type { Confirmation } from '../../src/merge/confirmation.ts'
import type { Choice } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { CheckSituation, DueCheck } from './due-checks.ts'
import type { CheckWords } from './words.ts'

export interface ReplicaLimits {
  /** Fewest members, the author included, that should hold a shard; 0 and 1 ask for none beside the checks */
  readonly min: number
  /** Where there are fewer, copies are made until there are so many */
  readonly max: number
}

export interface CopySituation extends CheckSituation {
  readonly replicas: ReplicaLimits
  /** Has this peer been away for so long that its copy does not count? `vouched`: how many ever said that they hold this shard */
  isGone(peer: string, vouched: number): boolean
}

/** Peers that are known to hold this shard and are not gone, one of each voice. */
export function holdersOf(
  { alignment, result }: Choice,
  { shards }: Pick<CheckWords, 'shards'>,
  confirmation: Pick<Confirmation, 'voiceOn' | 'voiceOf'>,
  isGone: CopySituation['isGone']
): string[] {
  const onShard = shards.get(alignment.key)
  const author = peerIdOf(alignment.body.author)
  const vouching = [...(onShard ?? [])].filter(
    ([peer, { shard, author: key }]) =>
      peer !== author && shard === 'sound' && confirmation.voiceOn(key, result) !== undefined
  )
  const isLost = onShard?.get(author)?.shard === 'lost'
  const all = [...(isLost ? [] : [[author, alignment.body] as const]), ...vouching]
  const live = new Map<string, string>()
  for (const [peer, { author: key }] of all)
    if (!isGone(peer, all.length)) live.set(confirmation.voiceOf(key) ?? `peer ${peer}`, peer)
  return [...live.values()]
}

/** Shards of which this node makes a copy now, those with the fewest holders first. */
export function dueCopies(s: CopySituation, words: CheckWords): DueCheck[] {
  const { self, view, replicas } = s
  const { confirmation } = view
  if (confirmation === undefined) return []
  const me = peerIdOf(self)
  const members = [...new Map([...s.members, self].map(key => [peerIdOf(key), key]))]
  const out: { due: DueCheck; live: number }[] = []
  for (const work of view.chosen.values()) {
    const { standing, alignment, result } = work
    if (standing?.state !== 'confirmed' || confirmation.voiceOn(self, result) === undefined) continue
    const onShard = words.shards.get(alignment.key)
    const own = onShard?.get(me)?.shard
    if (peerIdOf(alignment.body.author) === me || (own !== undefined && (own !== 'lost' || !s.mayAskAgain(work))))
      continue
    const live = holdersOf(work, words, confirmation, s.isGone).length
    if (live >= replicas.min) continue
    const weight = rendezvousWeight(self, alignment.id)
    // who could not get it has tried
    const before = members.filter(
      ([peer, key]) =>
        peer !== me &&
        onShard?.has(peer) !== true &&
        peer !== peerIdOf(alignment.body.author) &&
        confirmation.voiceOn(key, result) !== undefined &&
        rendezvousWeight(key, alignment.id) > weight
    )
    if (before.length < replicas.max - live) out.push({ due: { work, opinion: false }, live })
  }
  return out.sort((a, b) => a.live - b.live).map(({ due }) => due)
}
