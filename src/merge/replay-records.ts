/**
 * The records of a merged dataset: what anybody needs to get the same view again, and nothing else.
 *
 * - every admissible score, and the proofs of equivocation that bar one from election;
 * - the chosen results and alignments;
 * - where checks count (confirmation.ts): results that were found plausible or implausible, because histories and caught voices follow from them,
 *   and the checks that count on all of these results and alignments.
 *
 * Guarantees: the view of these records has the same chosen work with the same standings, and these are again the records of that view.
 */
import { peerIdOf } from '../peer-key.ts'
import type { Alignment, Result, Score, SignedRecord } from '../publish/record.ts'
import { countedScores } from './counted-scores.ts'
import type { RecordSet } from './record-set.ts'
import { isAdmissible, isAlignment, isResult, type Evidence, type SwarmView } from './views.ts'

/** `scores`: those of `admissibleScores`. Each record once. */
export function replayRecords(
  set: RecordSet,
  scores: ReadonlyArray<SignedRecord<Score>>,
  { chosen, confirmation }: Pick<SwarmView, 'chosen' | 'confirmation'>
): readonly SignedRecord[] {
  const proofs = equivocationProofs(set, scores)
  const results: SignedRecord<Result>[] = proofs.filter(isResult)
  // a proof may be work that stands worse than what is chosen only because of the checks of it
  const alignments: SignedRecord<Alignment>[] = proofs.filter(isAlignment)
  for (const { result, alignment } of chosen.values()) {
    results.push(result)
    alignments.push(alignment)
  }
  if (confirmation !== undefined) results.push(...confirmation.judged())
  const checks = confirmation?.checksOn(alignments, results) ?? []
  const all = [...scores, ...proofs, ...results, ...alignments, ...checks]
  return [...new Map(all.map(record => [record.key, record])).values()]
}

/** Counted scores that passed the gate, in the order of their ids: the candidates of the election, and all that a replay needs */
export function admissibleScores(set: RecordSet, evidence: Evidence): ReadonlyArray<SignedRecord<Score>> {
  return countedScores(set)
    .filter(score => isAdmissible(score, evidence))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}

// --- internal ---

/** For each author of `scores` that signed two records under one sequence number, the two with the lowest such number. */
function equivocationProofs(set: RecordSet, scores: ReadonlyArray<SignedRecord<Score>>): SignedRecord[] {
  const equivocators = set.equivocators()
  const barred = new Set(scores.map(score => peerIdOf(score.body.author)).filter(author => equivocators.has(author)))
  const first = new Map<string, { seq: number; records: SignedRecord[] }>()
  const seen = new Map<string, SignedRecord>()
  for (const record of barred.size === 0 ? [] : set.records()) {
    const author = peerIdOf(record.body.author)
    if (!barred.has(author)) continue
    const { seq } = record.body
    const other = seen.get(`${author} ${seq}`)
    if (other === undefined) seen.set(`${author} ${seq}`, record)
    else if (seq < (first.get(author)?.seq ?? Infinity)) first.set(author, { seq, records: [other, record] })
  }
  return [...first.values()].flatMap(({ records }) => records)
}
