/**
 * The election policies, which value candidates and produce the reference: three take the winner's matrix, one computes a matrix from all.
 */
import { presentRows } from '../bytes.ts'
import { matrixCid } from '../distribute/matrix-cid.ts'
import type { Manifest } from '../distribute/manifest.ts'
import {
  compareText,
  type Candidate,
  type ElectionMemo,
  type ElectionPolicy,
  type Reference,
  type Rules
} from './candidate.ts'
import { corroboration } from './corroboration.ts'
import { consensus, consensusSize, hasConsensus } from './consensus.ts'
import { distinctPriors, predictivity, priorGroups, type PredictivityCandidate } from './predictivity.ts'

/** The paper's policy, behind the gate: the lowest recomputed uniform value. */
export const uniformityPolicy: ElectionPolicy = {
  name: 'uniformity',
  figures: (_, admissible) => new Map(admissible.map(c => [c.key, c.assessment.uniformValue])),
  value: figure => figure,
  reference: electable => winner('uniformity', electable)
}

/** The prior that best predicts the others (predictivity.ts). Only electable candidates have to be predicted. */
export const predictivityPolicy: ElectionPolicy = {
  name: 'predictivity',
  figures: predictivityFigures,
  value: figure => -figure,
  reference: electable => winner('predictivity', electable)
}

/** The prior of which others corroborate the most dimensions (corroboration.ts). Only electable candidates vouch. */
export const corroborationPolicy: ElectionPolicy = {
  name: 'corroboration',
  figures: (manifest, admissible, electable, memo) =>
    figuresBy(
      judged => corroboration(judged, manifest.seed, memo.corroboration),
      judgedTargets(admissible, key => electable.has(key))
    ),
  value: figure => -figure,
  reference: electable => winner('corroboration', electable)
}

/**
 * No single winner: the reference is the consensus (consensus.ts) of the distinct priors or, if there are many, of the best by predictivity. Priors
 * whose targets lack rows, or do not vary on the rows of the consensus, take no part. A single distinct prior is its own consensus, and its S_Y,
 * which is published already, becomes the reference.
 */
export const consensusPolicy: ElectionPolicy = {
  name: 'consensus',
  figures: predictivityFigures,
  value: figure => -figure,
  reference: (electable, { seed }, memo) => {
    const judged = judgedTargets(electable, () => true).filter(
      ({ targets }) => presentRows(targets).length === targets.rows && hasConsensus(targets, seed)
    )
    const distinct = new Set(distinctPriors(judged, seed, memo))
    const members = judged.filter(({ id }) => distinct.has(id)).slice(0, consensusSize(distinct.size))
    // a copy may be ranked before the leader of its group, but the leader is the one that counts
    const [only, ...others] = members
    if (only === undefined || others.length === 0) {
      return winner('consensus', only === undefined ? electable : electable.filter(({ key }) => key === only.key))
    }
    const ids = JSON.stringify(members.map(({ id }) => id).sort(compareText))
    if (memo.consensus?.ids !== ids) {
      const { rows, columns, data } = consensus(members, seed)
      const matrix = { rows, columns, data: Float32Array.from(data) }
      memo.consensus = { ids, matrix, cid: matrixCid(matrix) }
    }
    const { matrix, cid } = memo.consensus
    return { cid, matrix, provenance: { policy: 'consensus', from: members.map(({ key }) => key).sort(compareText) } }
  }
}

export const POLICIES: Record<Manifest['election']['policy'], ElectionPolicy> = {
  uniformity: uniformityPolicy,
  corroboration: corroborationPolicy,
  predictivity: predictivityPolicy,
  consensus: consensusPolicy
}

/** By CID of the targets, as text: the distinct prior of each electable candidate whose matrix is available. */
export function distinctGroups(
  admissible: readonly Candidate[],
  electable: ReadonlySet<string>,
  { seed }: Rules,
  memo: ElectionMemo
): Map<string, string> {
  return priorGroups(
    judgedTargets(admissible, key => electable.has(key)),
    seed,
    memo
  )
}

// --- internal ---

type Judged = PredictivityCandidate & { readonly key: string }

function predictivityFigures(
  manifest: Rules,
  admissible: readonly Candidate[],
  electable: ReadonlySet<string>,
  memo: ElectionMemo
): Map<string, number> {
  return figuresBy(
    judged => predictivity(judged, manifest.seed, memo),
    judgedTargets(admissible, key => electable.has(key))
  )
}

function figuresBy(
  value: (judged: readonly Judged[]) => Map<string, number>,
  judged: readonly Judged[]
): Map<string, number> {
  const values = value(judged)
  return new Map(
    judged.flatMap(({ key, id }) => {
      const value = values.get(id)
      return value === undefined ? [] : [[key, value] as const]
    })
  )
}

/** Candidates whose matrix is available, in their order. */
function judgedTargets(candidates: readonly Candidate[], votes: (key: string) => boolean): Judged[] {
  return candidates.flatMap(({ key, targetsCid, targets }) =>
    targets === undefined ? [] : [{ key, id: targetsCid.toString(), targets, votes: votes(key) }]
  )
}

function winner(policy: string, [best]: readonly Candidate[]): Reference {
  return best === undefined
    ? { provenance: { policy, from: [] } }
    : { cid: best.targetsCid, provenance: { policy, from: [best.key] } }
}
