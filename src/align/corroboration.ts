/**
 * Corroboration: in how many dimensions do other priors agree with this one about the images? The uniform value favours priors that tell many images
 * apart, but anything that fills the sphere wins it, such as noise or whitening. Here a dimension counts only if another prior has it as well.
 *
 *   shared(k, j) = min(r_k R2(k | j), r_j R2(j | k))
 *   value(k)     = max over the other priors j of shared(k, j) + mean over them of shared(k, j) + 1e-4 mean over them of R2(k | j)
 *
 * r is the effective rank (participation ratio) of targets centred on S and scaled to unit rows, R2(k | j) the exact leave-one-out R2 of ridge from j
 * to k (the best of `STRENGTHS`): r_k R2(k | j) are the dimensions of k that j explains. Noise raises r_k and lowers R2 by as much. Whitening raises
 * r_k, but `shared` is bounded by r_j R2(j | k), which is in j's own, unwhitened dimensions. The maximum finds a few good priors among many poor
 * ones; the mean decides within the best pair. With only two priors both terms are equal, and the last one prefers the prior that is explained
 * better.
 *
 * Against copies: where R2 is `EQUIVALENT` or more in both directions, two candidates are linear maps of each other: they count once and do not vouch
 * for each other, and the least spread version represents the group, so whitening another prior's targets gains nothing. Where R2 is that high in one
 * direction only, one contains the other and does not vouch for it. The consensus of all others (consensus.ts) shares much with every prior: a
 * leading candidate that is a linear map of it is worth 0 and vouches for none.
 *
 * Limits. Two identities of one attacker that build on the same private model (one whitened, one with added noise) vouch for each other like two good
 * priors among poor ones, and win: nothing in S_Y distinguishes these cases. A single good prior among poor ones is not found. Because the least
 * spread version represents a group, an attacker can lower a prior's value by publishing a linear map of its targets that suppresses what other
 * priors see; the next best is then elected. RESULTS has figures.
 *
 * Plain float64 + - * / sqrt, candidates in the order of their ids. Up to `MAX_ROWS` rows of S, drawn with the manifest's seed.
 */
import type { Matrix32 } from '../matrix.ts'
import { presentRows } from '../bytes.ts'
import { createRandomStream, shuffle } from '../random.ts'
import { consensus } from './consensus.ts'
import { createForm, formR2, type LooForm } from './loo-form.ts'
import { panel, type PredictivityCandidate } from './predictivity.ts'

/** On CIFAR-10, flowers and photos (n = 256, m = 300 and 1,000) honest pairs reach 0.81, rotations 0.98, whitened versions 0.93 to 0.98 with 1,000 rows, 0.83 to 0.96 with 300. */
const EQUIVALENT = 0.9

/** Forms of 8 MiB a candidate, half a second each in plain code. */
const MAX_ROWS = 640

/** Weight of the tie-breaking term. */
const TIE = 1e-4

/** The consensus of seven to nine priors explained each of them better, by at least 0.07 of R2, than any other prior did. */
const EXPLAINED_SLACK = 0.05

/**
 * The same for the consensus of the others, which differs from a copy of it by the rows that it was made from. The consensus explains honest priors
 * with an R2 of 0.4 to 0.88, and they explain it with at most 0.48.
 */
const MIXED = 0.6

/** The consensus of fewer priors is too close to each of them to be told apart. */
const MIN_CONSENSUS = 3

/** Cache between calls for one swarm, bounded by the panel. Dropping it only costs time. */
export interface CorroborationMemo {
  readonly forms: Map<string, LooForm>
  readonly pairs: Map<string, number>
}

export function createCorroborationMemo(): CorroborationMemo {
  return { forms: new Map(), pairs: new Map() }
}

/**
 * The value of each candidate by id: in dimensions, higher is better; 0 if no other prior corroborates it, or rows are missing.
 *
 * Every candidate must have passed the gate (finite, not constant, enough rows). `seed` is the manifest's. Throws `NumericError` otherwise.
 */
export function corroboration(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: CorroborationMemo = createCorroborationMemo()
): Map<string, number> {
  const distinct = new Map<string, PredictivityCandidate>()
  for (const candidate of candidates) {
    const known = distinct.get(candidate.id)
    if (known === undefined || candidate.votes) distinct.set(candidate.id, candidate)
  }
  const sorted = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const whole = sorted.filter(({ targets }) => presentRows(targets).length === targets.rows)
  const vouchers = panel(
    whole.filter(c => c.votes),
    seed
  )
  const compare = comparison(vouchers, seed, memo)
  const values = new Map(sorted.map(({ id }) => [id, 0]))
  const outside = new Set<string>()
  for (;;) {
    const inside = whole.filter(({ id }) => !outside.has(id))
    const found = valuesOf(
      inside,
      vouchers.filter(({ id }) => !outside.has(id)),
      compare
    )
    const first = leader(inside, found)
    const mixed = first === undefined ? [] : mixture(first, inside, vouchers, outside, seed, compare)
    if (mixed.length === 0) {
      for (const [id, value] of found) values.set(id, value)
      return values
    }
    for (const { id } of mixed) outside.add(id)
  }
}

// --- internal ---

interface Comparison {
  form(candidate: Pick<PredictivityCandidate, 'id' | 'targets'>): LooForm
  /** R2(of | by) */
  r2(of: PredictivityCandidate, by: PredictivityCandidate): number
  /** Linear maps of each other? */
  isSame(a: PredictivityCandidate, b: PredictivityCandidate): boolean
}

function comparison(kept: readonly PredictivityCandidate[], seed: Uint8Array, memo: CorroborationMemo): Comparison {
  const ids = new Set(kept.map(({ id }) => id))
  for (const id of memo.forms.keys()) if (!ids.has(id)) memo.forms.delete(id)
  // candidates outside the panel are processed one by one: one form serves all pairs of a candidate
  let visitor: { id: string; form: LooForm } | undefined
  const form: Comparison['form'] = ({ id, targets }) => {
    const known = memo.forms.get(id) ?? (visitor?.id === id ? visitor.form : undefined)
    if (known !== undefined) return known
    const made = createForm(targets, sampleRows(targets.rows, seed))
    if (ids.has(id)) memo.forms.set(id, made)
    else visitor = { id, form: made }
    return made
  }
  const r2: Comparison['r2'] = (of, by) => {
    const key = `${of.id} ${by.id}`
    const known = memo.pairs.get(key)
    if (known !== undefined) return known
    const value = Math.max(0, formR2(form(of), form(by)))
    memo.pairs.set(key, value)
    return value
  }
  return { form, r2, isSame: (a, b) => a.id === b.id || (r2(a, b) >= EQUIVALENT && r2(b, a) >= EQUIVALENT) }
}

function valuesOf(
  candidates: readonly PredictivityCandidate[],
  vouchers: readonly PredictivityCandidate[],
  { form, r2, isSame }: Comparison
): Map<string, number> {
  const contains = (a: PredictivityCandidate, b: PredictivityCandidate): boolean =>
    r2(a, b) >= EQUIVALENT || r2(b, a) >= EQUIVALENT
  const shared = (a: PredictivityCandidate, b: PredictivityCandidate): number =>
    Math.min(form(a).rank * r2(a, b), form(b).rank * r2(b, a))
  const leaders: PredictivityCandidate[] = []
  for (const voucher of vouchers) if (!leaders.some(known => isSame(voucher, known))) leaders.push(voucher)
  const versions = new Map(leaders.map(one => [one.id, vouchers.filter(v => isSame(v, one))]))
  return new Map(
    candidates.map(candidate => {
      const own = [candidate, ...vouchers.filter(v => v.id !== candidate.id && isSame(v, candidate))]
      const others = leaders.filter(one => !isSame(one, candidate))
      const terms = others.map(other => {
        const theirs = versions.get(other.id) ?? [other]
        const pairs = own.flatMap(a => theirs.map(b => [a, b] as const))
        if (pairs.some(([a, b]) => contains(a, b))) return 0
        return pairs.reduce((least, [a, b]) => Math.min(least, shared(a, b)), Infinity)
      })
      if (terms.length === 0) return [candidate.id, 0]
      const explained = mean(others.map(other => r2(candidate, other)))
      return [candidate.id, Math.max(...terms) + mean(terms) + TIE * explained]
    })
  )
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function leader(
  candidates: readonly PredictivityCandidate[],
  values: ReadonlyMap<string, number>
): PredictivityCandidate | undefined {
  let best: PredictivityCandidate | undefined
  for (const c of candidates)
    if (c.votes && (best === undefined || (values.get(c.id) ?? 0) > (values.get(best.id) ?? 0))) best = c
  return best
}

/** The leading candidate and its linear maps, if they are linear maps of the consensus of the others; otherwise empty. */
function mixture(
  first: PredictivityCandidate,
  candidates: readonly PredictivityCandidate[],
  vouchers: readonly PredictivityCandidate[],
  outside: ReadonlySet<string>,
  seed: Uint8Array,
  { isSame, form, r2 }: Comparison
): PredictivityCandidate[] {
  const group = candidates.filter(c => isSame(c, first))
  const others: PredictivityCandidate[] = []
  for (const voucher of vouchers) {
    if (outside.has(voucher.id) || group.includes(voucher) || !(form(voucher).trace > 0)) continue
    if (!others.some(known => isSame(voucher, known))) others.push(voucher)
  }
  if (others.length < MIN_CONSENSUS || !explainsAll(first, others, r2)) return []
  const rows = sampleRows(first.targets.rows, seed)
  const members = others.map(({ id, targets }) => ({ id, targets: rowsOf(targets, rows) }))
  const middle = createForm(
    consensus(members, seed),
    rows.map((_, i) => i)
  )
  const own = form(first)
  return formR2(own, middle) >= MIXED && formR2(middle, own) >= MIXED ? group : []
}

/** A consensus explains every prior better than they explain each other. Checking this is cheap; computing a consensus takes seconds. */
function explainsAll(
  first: PredictivityCandidate,
  others: readonly PredictivityCandidate[],
  r2: Comparison['r2']
): boolean {
  return others.every(one => others.every(third => third === one || r2(one, first) >= r2(one, third) - EXPLAINED_SLACK))
}

function sampleRows(rows: number, seed: Uint8Array): Uint32Array {
  if (rows <= MAX_ROWS) return Uint32Array.from({ length: rows }, (_, i) => i)
  return shuffle(rows, createRandomStream('coopt/1/corroboration', seed)).slice(0, MAX_ROWS).sort()
}

function rowsOf({ columns, data }: Matrix32, rows: Uint32Array): Matrix32 {
  const taken = new Float32Array(rows.length * columns)
  rows.forEach((from, to) => taken.set(data.subarray(from * columns, (from + 1) * columns), to * columns))
  return { rows: rows.length, columns, data: taken }
}
