/**
 * Which finished work a prior should take over (App. B.4), so that who does what is no race: fast priors may do everything before good ones have
 * scored S, and good ones then replace what clearly weaker ones did.
 *
 * A node that leaves when all is done divides the priors in two: a strong one is nearer to the best than to the worst, by the values of the
 * election, or within the manifest's margin of the best. Strong priors replace the work of the others, and share that among themselves; the strong
 * do not replace each other's, because then the best one would compute everything, and nothing would be shared. A node that stays has time:
 * it improves upon all that is worse by more than the margin.
 */
import { equalBytes } from '../../src/codec.ts'
import { NO_VALUE } from '../../src/align/candidate.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import { greatest, least } from '../../src/extremes.ts'
import { electedValues, type SwarmView } from '../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'

export interface Strength {
  /** Is the first prior better by more than the margin? No figure displaces the labels of people. */
  isBetter(score: SignedRecord<Score>, than: SignedRecord<Score>): boolean
  /** May the first one replace finished work of the second before it leaves? */
  isClearlyBetter(score: SignedRecord<Score>, than: SignedRecord<Score>): boolean
}

export function strengthIn({ election }: Pick<SwarmView, 'election'>, { election: { margin } }: Manifest): Strength {
  const values = electedValues(election)
  const all = [...values.values()]
  const best = all.length === 0 ? NO_VALUE : least(all)
  const worst = all.length === 0 ? NO_VALUE : greatest(all)
  const limit = Math.max(best + margin, best / 2 + worst / 2)
  const valueOf = (score: SignedRecord<Score>): number => values.get(score.key) ?? NO_VALUE
  const isBetter: Strength['isBetter'] = (score, than) =>
    than.body.prior.kind !== 'human' && valueOf(score) < valueOf(than) - margin
  return {
    isBetter,
    isClearlyBetter: (score, than) => isBetter(score, than) && valueOf(score) <= limit && valueOf(than) > limit
  }
}

/**
 * Partitions with work, aligned or not, that the prior of this score should replace: chosen ones, and those where only such work waits for its
 * alignment. `once`: for a node that leaves.
 */
export function takeovers(
  { chosen, pending, election }: Pick<SwarmView, 'chosen' | 'pending' | 'election'>,
  manifest: Manifest,
  own: SignedRecord<Score>,
  once: boolean
): number[] {
  const strength = strengthIn({ election }, manifest)
  const replaces = once ? strength.isClearlyBetter : strength.isBetter
  const found = [...chosen.values()].filter(({ score }) => replaces(own, score)).map(({ partition }) => partition)
  for (const [partition, works] of pending) {
    const others = works.filter(({ score }) => !equalBytes(score.body.author, own.body.author))
    if (!chosen.has(partition) && others.length > 0 && others.every(({ score }) => replaces(own, score)))
      found.push(partition)
  }
  return found
}

/** Chosen work that a stronger prior of the swarm would replace, if its owner took part again. */
export function replaceable(view: SwarmView, manifest: Manifest, scores: readonly SignedRecord<Score>[]): number {
  const { isClearlyBetter } = strengthIn(view, manifest)
  return [...view.chosen.values()].filter(choice => scores.some(score => isClearlyBetter(score, choice.score))).length
}
