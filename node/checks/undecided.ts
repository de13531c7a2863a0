/**
 * Work that waits for an opinion which nobody who is here can give: everybody looked, and the priors have too little in common. Somebody does it again
 * with a prior that others can judge. Pure; who is here decides only what this node does next.
 *
 * Bounded: each member does a partition once, and one whose results nobody could judge so far tries one only. So where no two priors have enough in
 * common the work stays unconfirmed, as it must: nobody there can tell it from garbage.
 */
import type { PeerKey } from '../../src/envelope.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { Choice, SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { wordsOf, type CheckWords } from './words.ts'

export interface UndecidedSituation {
  readonly self: PeerKey
  readonly view: Pick<SwarmView, 'acceptance' | 'confirmation'>
  readonly set: Pick<RecordSet, 'byType'>
  /** Members that are here now, with or without this node */
  readonly members: Iterable<PeerKey>
}

/** Is it held, and has everybody who is here and could judge it looked without coming to a verdict, this node too? */
export function isUndecided(
  { self, view, set, members }: UndecidedSituation,
  { result, alignment, standing }: Choice,
  words: CheckWords = wordsOf(set)
): boolean {
  const { acceptance, confirmation } = view
  if (acceptance === undefined || confirmation === undefined || standing?.state !== 'open') return false
  if (standing.holders < acceptance.quorum) return false
  const [onShard, onResult] = [words.shards.get(alignment.key), words.opinions.get(result.key)]
  const hasLooked = (key: PeerKey): boolean => {
    const peer = peerIdOf(key)
    return onShard?.has(peer) === true || onResult?.has(peer) === true
  }
  const mine = onResult?.get(peerIdOf(self))?.opinion?.verdict
  return (
    confirmation.voiceOn(self, result) === 'opinion' &&
    hasLooked(self) &&
    (mine === undefined || mine === 'abstain') &&
    [...members].every(key => confirmation.voiceOn(key, result) !== 'opinion' || hasLooked(key))
  )
}

/** Would others be able to judge what this prior gives? They did before, or nothing of it waits for them. */
export function isJudgeable(
  { view, set }: Pick<UndecidedSituation, 'view' | 'set'>,
  score: SignedRecord<Score>
): boolean {
  const { confirmation } = view
  if (confirmation === undefined) return false
  if (confirmation.history(score) > 0) return true
  const judged = new Set(confirmation.judged().map(({ key }) => key))
  return set.byType('result').every(({ key, body }) => !body.score.equals(score.id) || judged.has(key))
}
