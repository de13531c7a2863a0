/**
 * Which scores count. Judging a score costs every member a fetch and about a second, and identities are free in an open swarm, so the number is
 * bounded per author and in total.
 *
 * A function of the set of records alone: members with equal sets count the same scores, regardless of the order of arrival.
 */
import { peerIdOf } from '../peer-key.ts'
import type { Score, SignedRecord } from '../publish/record.ts'
import type { RecordSet } from './record-set.ts'

/** Per author, lowest sequence numbers first: enough for a new prior every fortnight for a year. */
export const MAX_SCORES_PER_AUTHOR = 32

/** In total: about twenty minutes of judging, and 1 GiB of target matrices of 1 MiB in memory. */
export const MAX_COUNTED_SCORES = 1024

type Scores = ReadonlyArray<SignedRecord<Score>>

/**
 * The scores that count, authors taking turns: the first of each, then the second of each, ascending by the value they claim. If a turn exceeds the
 * total, the lowest record ids of that turn count: claims are free to make, so they must not decide.
 */
export function countedScores(set: Pick<RecordSet, 'byType'>): Scores {
  const scores = set.byType('score')
  const before = counted.get(scores)
  if (before !== undefined) return before
  const list = count(scores)
  counted.set(scores, list)
  return list
}

// --- internal ---

/** A set returns the same list of scores until it changes. */
const counted = new WeakMap<Scores, Scores>()

function count(scores: Scores): Scores {
  const byAuthor = Map.groupBy(scores, ({ body }) => peerIdOf(body.author))
  const turns: SignedRecord<Score>[][] = []
  for (const own of byAuthor.values()) {
    const first = own.toSorted((a, b) => a.body.seq - b.body.seq || byKey(a, b)).slice(0, MAX_SCORES_PER_AUTHOR)
    for (const [turn, score] of first.entries()) (turns[turn] ??= []).push(score)
  }
  let left = MAX_COUNTED_SCORES
  return turns.flatMap(turn => {
    const fitting = turn.length <= left ? turn : turn.toSorted(byKey).slice(0, left)
    left -= fitting.length
    return fitting.toSorted((a, b) => a.body.uniformValue - b.body.uniformValue || byKey(a, b))
  })
}

function byKey(a: SignedRecord, b: SignedRecord): number {
  return a.key < b.key ? -1 : 1
}
