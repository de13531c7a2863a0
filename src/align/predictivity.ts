/**
 * Predictivity: how well one prior's targets on S linearly predict what the other priors see. It is invariant under invertible linear maps, so
 * whitening, which gives a weak prior an excellent uniform value, gains nothing.
 *
 *   value(k) = median over the other priors j of R2(k -> j)
 *   R2(k -> j) = 1 - sum over test rows ||y_j - ridge prediction from y_k||^2 / sum over test rows ||y_j - their mean||^2
 *
 * on targets centred on S and scaled to unit rows; halves from the manifest's seed (held-out.ts). Copies count once: j that predict each
 * other with R2 >= EQUIVALENT (rotations, scalings, copies with a little noise) are one prior, represented by the one with the lowest CID, and no
 * prior is judged on predicting itself.
 *
 * Two matrices of m^2 numbers per candidate give the figures of all its pairs (prediction-form.ts). They and the figures are kept in a
 * `PredictivityMemo`, so a newcomer costs its own two matrices and its own pairs. Candidates are sorted by CID before anything is summed;
 * the memo never changes a bit of a result.
 *
 * Identities are free in an open swarm: an attacker that owns most of the distinct admitted priors controls the median.
 */
import { presentRows } from '../bytes.ts'
import type { Matrix32 } from '../matrix.ts'
import { createRandomStream } from '../random.ts'
import { createForm, pairFigures, type PredictionForm } from './prediction-form.ts'

/**
 * Mutual held-out R2 at which two priors count as one. For m = 1,000 and 300, n = 128 and 256, two honest priors reach 0.75 at most, while a rotation
 * reaches at least 0.985, a random invertible map of condition 7 at least 0.93, and a copy with 5 % noise at least 0.975.
 */
export const EQUIVALENT = 0.9

/** Ridge relative to the mean diagonal of the Gram matrix. Weak enough to recognise copies (at 0.1 a rotation reaches only 0.92). */
export const PREDICTIVITY_RIDGE = 0.01

/** Priors that are predicted, chosen by a hash of seed and CID when there are more: bounds time and memory (8 MiB each). */
export const MAX_PANEL = 64

/** Rows per half: at most 8 MiB of cached numbers per candidate, and a standard error of R2 near 0.01. */
const MAX_HALF = 512

/** Candidates outside the panel that are compared with it at a time: 64 MiB of forms, and a full tile of the product. */
const VISITORS = 8

export interface PredictivityCandidate {
  /** CID of the targets, as text */
  readonly id: string
  readonly targets: Matrix32
  /** Is this one of the priors that others have to predict? Only counts when every row is present. */
  readonly votes: boolean
}

/** Cache between calls for one swarm. Bounded; dropping it only costs time. */
export interface PredictivityMemo {
  readonly forms: Map<string, PredictionForm>
  readonly pairs: Map<string, number>
}

export function createPredictivityMemo(): PredictivityMemo {
  return { forms: new Map(), pairs: new Map() }
}

/**
 * The value of each candidate by id: at most 1, higher is better; 0 without another prior to predict.
 *
 * Every candidate must have passed the gate (finite, not constant, enough rows). `seed` is the manifest's. Throws `NumericError` otherwise.
 */
export function predictivity(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo = createPredictivityMemo()
): Map<string, number> {
  const { inside, outside, leaders, figures, isSame } = compare(candidates, seed, memo)
  const values = new Map<string, number>()
  const judge = (candidate: PredictivityCandidate): void => {
    const others = leaders.filter(leader => !isSame(candidate, leader))
    values.set(candidate.id, median(others.map(other => figures.r2(candidate, other))))
  }
  inside.forEach(judge)
  for (let from = 0; from < outside.length; from += VISITORS) {
    const visitors = outside.slice(from, from + VISITORS)
    figures.prepare(visitors)
    visitors.forEach(judge)
  }
  return values
}

/**
 * Ids of the distinct priors among those that vote and have every row, ascending; each represents its copies and linear equivalents. Above
 * `MAX_PANEL` candidates, a hash of seed and CID chooses those that count.
 */
export function distinctPriors(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo = createPredictivityMemo()
): string[] {
  return compare(candidates, seed, memo).leaders.map(({ id }) => id)
}

/**
 * By id, the distinct prior that each candidate which votes and has every row is a copy or linear equivalent of. Above `MAX_PANEL` candidates only
 * those of the panel and their equivalents have one: keys are free, and each costs a comparison with all.
 */
export function priorGroups(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo = createPredictivityMemo()
): Map<string, string> {
  const { inside, outside, leaders, figures, isSame } = compare(candidates, seed, memo)
  const groups = new Map<string, string>()
  const place = (candidate: PredictivityCandidate): void => {
    const leader = leaders.find(one => isSame(candidate, one))
    if (leader !== undefined && candidate.votes) groups.set(candidate.id, leader.id)
  }
  inside.forEach(place)
  for (let from = 0; from < outside.length; from += VISITORS) {
    const visitors = outside.slice(from, from + VISITORS)
    figures.prepare(visitors)
    visitors.forEach(place)
  }
  return groups
}

// --- internal ---

interface Comparison {
  /** The panel, in the order of the ids */
  readonly inside: readonly PredictivityCandidate[]
  /** All others, likewise */
  readonly outside: readonly PredictivityCandidate[]
  /** The first of each group of equivalent candidates in the panel */
  readonly leaders: readonly PredictivityCandidate[]
  readonly figures: PairFigures
  /** Both must have known figures or belong to the panel */
  isSame(a: PredictivityCandidate, b: PredictivityCandidate): boolean
}

function compare(candidates: readonly PredictivityCandidate[], seed: Uint8Array, memo: PredictivityMemo): Comparison {
  const distinct = new Map<string, PredictivityCandidate>()
  for (const candidate of candidates) {
    const known = distinct.get(candidate.id)
    if (known === undefined || candidate.votes) distinct.set(candidate.id, candidate)
  }
  const sorted = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const isWhole = (c: PredictivityCandidate): boolean => presentRows(c.targets).length === c.targets.rows
  const predicted = panel(
    sorted.filter(c => c.votes && isWhole(c)),
    seed
  )
  const figures = createPairFigures(predicted, seed, memo)
  const isSame = (a: PredictivityCandidate, b: PredictivityCandidate): boolean =>
    a.id === b.id || (figures.r2(a, b) >= EQUIVALENT && isWhole(a) && figures.r2(b, a) >= EQUIVALENT)

  const leaders: PredictivityCandidate[] = []
  for (const candidate of predicted) {
    if (!leaders.some(leader => isSame(candidate, leader))) leaders.push(candidate)
  }
  const ids = new Set(predicted.map(({ id }) => id))
  return { inside: predicted, outside: sorted.filter(({ id }) => !ids.has(id)), leaders, figures, isSame }
}

interface PairFigures {
  /** R2(from -> to) of a panel member and any candidate of the last call to `prepare` */
  r2(from: PredictivityCandidate, to: PredictivityCandidate): number
  /** Computes the missing figures of how these predict the panel. */
  prepare(visitors: readonly PredictivityCandidate[]): void
}

function createPairFigures(
  predicted: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo
): PairFigures {
  const kept = new Set(predicted.map(c => c.id))
  for (const id of memo.forms.keys()) if (!kept.has(id)) memo.forms.delete(id)
  let visiting = new Map<string, PredictionForm>()
  const formOf = ({ id, targets }: PredictivityCandidate): PredictionForm => {
    const forms = kept.has(id) ? memo.forms : visiting
    let form = forms.get(id)
    if (form === undefined) {
      form = createForm(targets, seed, PREDICTIVITY_RIDGE, MAX_HALF)
      forms.set(id, form)
    }
    return form
  }
  const pairKey = (from: PredictivityCandidate, to: PredictivityCandidate): string => `${from.id} ${to.id}`
  const compute = (from: readonly PredictivityCandidate[], to: readonly PredictivityCandidate[]): void => {
    const { data } = pairFigures(from.map(formOf), to.map(formOf))
    from.forEach((a, i) => to.forEach((b, j) => memo.pairs.set(pairKey(a, b), data[i * to.length + j] as number)))
  }
  /** Pairs of `from` and the panel, those that lack the same ones together. */
  const complete = (from: readonly PredictivityCandidate[]): void => {
    const lacking = Map.groupBy(from, a =>
      predicted.flatMap((b, j) => (memo.pairs.has(pairKey(a, b)) ? [] : [j])).join(' ')
    )
    for (const [missing, group] of lacking) {
      if (missing !== '')
        compute(
          group,
          missing.split(' ').flatMap(j => predicted[Number(j)] ?? [])
        )
    }
  }
  complete(predicted)
  return {
    prepare: visitors => {
      visiting = new Map()
      complete(visitors)
    },
    r2: (from, to) => {
      if (!memo.pairs.has(pairKey(from, to))) compute([from], [to])
      return memo.pairs.get(pairKey(from, to)) as number
    }
  }
}

/** The first `MAX_PANEL` by a hash of seed and id (an author can try many, by changing last bits), in the order of their ids. */
export function panel(sorted: readonly PredictivityCandidate[], seed: Uint8Array): readonly PredictivityCandidate[] {
  if (sorted.length <= MAX_PANEL) return sorted
  const weight = new Map(sorted.map(c => [c.id, createRandomStream('coopt/1/panel', seed, c.id).uniform()]))
  const chosen = sorted
    .toSorted((a, b) => (weight.get(a.id) ?? 0) - (weight.get(b.id) ?? 0) || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_PANEL)
  return chosen.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function median(values: number[]): number {
  if (values.length === 0) return 0
  values.sort((a, b) => a - b)
  const middle = values.length >> 1
  const upper = values[middle] as number
  return values.length % 2 === 1 ? upper : ((values[middle - 1] as number) + upper) / 2
}
