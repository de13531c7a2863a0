/**
 * The election: which matrix is the reference S*_Y that everybody aligns to (CoOpt step 3).
 *
 * A pure function of the manifest and of a set of candidates, whatever their order: candidates have a total order (value of the policy
 * rounded to 1e-6, then record key), and every value is a bit-exact function of published bytes. A policy says how candidates are
 * valued and how the reference comes about: two take a winner's matrix, one computes a matrix from all.
 */
import type { CID } from 'multiformats/cid'
import { matrixCid } from '../distribute/matrix-cid.ts'
import type { Manifest } from '../distribute/manifest.ts'
import type { Matrix32 } from '../matrix.ts'
import { consensus, consensusSize } from './consensus.ts'
import { round6, type Assessment } from './gate.ts'
import {
  createPredictivityMemo,
  distinctPriors,
  predictivity,
  type PredictivityCandidate,
  type PredictivityMemo
} from './predictivity.ts'

/** A claimed V this far from the recomputed one is not rounding: the author says something else than it published. */
export const CLAIM_TOLERANCE = 1e-4

/** One score record together with what was computed from its content. */
export interface Candidate {
  /** Record id as text */
  readonly key: string
  /** Peer id as text */
  readonly author: string
  readonly kind: 'onnx' | 'human'
  readonly targetsCid: CID
  /** The uniform value that the record states */
  readonly claimed: number
  readonly assessment: Assessment
  /** Did the author sign two records under one sequence number? */
  readonly equivocator?: boolean
  /** S_Y; needed by policies that compare candidates with each other (predictivity, consensus) */
  readonly targets?: Matrix32
}

export interface Ranked {
  readonly key: string
  readonly author: string
  /** Lower is better, whatever the policy; `NO_VALUE` when the candidate has none */
  readonly value: number
  /** The figure as people know it: V (lower is better), or predictivity (higher is better). Absent without a value. */
  readonly figure?: number
  readonly electable: boolean
  /** Why it is not electable */
  readonly reason?: string
  /** Not electable only because this candidate, which is, has the same targets: the prior is the same, and so is the worth of its work */
  readonly sameAs?: string
}

/** Where a reference comes from; `cid` names its matrix, which `matrix` holds when a policy computed it: then nobody else has published it. */
export interface Reference {
  readonly cid?: CID
  readonly matrix?: Matrix32
  readonly provenance: {
    readonly policy: string
    /** Record ids of the scores it was made from */
    readonly from: string[]
  }
}

export interface Election {
  /** Absent while nobody is electable */
  readonly reference?: Reference
  /** Electable candidates first, the best at the top; then the others */
  readonly ranking: readonly Ranked[]
}

export interface ElectionPolicy {
  readonly name: Manifest['election']['policy']
  /** The figure of every admissible candidate that can be given one, by record key. `electable` are distinct priors. */
  figures(
    manifest: Rules,
    admissible: readonly Candidate[],
    electable: ReadonlySet<string>,
    memo: ElectionMemo
  ): Map<string, number>
  /** Turns a figure into a value of which the lower is better */
  value(figure: number): number
  /** The reference of a non-empty list of electable candidates, best first */
  reference(electable: readonly Candidate[], manifest: Rules, memo: ElectionMemo): Reference
}

/** The value of a candidate without one: worse than any, and unlike Infinity it survives JSON. */
export const NO_VALUE = Number.MAX_VALUE

/** What an election may keep for the next one of the same swarm: results do not depend on it. */
export interface ElectionMemo extends PredictivityMemo {
  /** The consensus computed last */
  consensus?: { readonly ids: string; readonly matrix: Matrix32; readonly cid: CID }
}

export function createElectionMemo(): ElectionMemo {
  return createPredictivityMemo()
}

type Rules = Pick<Manifest, 'election' | 'seed'>

/** Elect under the manifest's policy. Same set of candidates, same result. */
export function elect(
  manifest: Rules,
  candidates: readonly Candidate[],
  memo: ElectionMemo = createElectionMemo()
): Election {
  const policy = POLICIES[manifest.election.policy]
  const sorted = distinctByKey(candidates)
  const { reasons, copies } = exclusions(manifest, sorted)
  const electable = new Set(sorted.flatMap(c => (reasons.has(c.key) ? [] : [c.key])))
  const admissible = sorted.filter(c => c.assessment.admissible)
  const figures = policy.figures(manifest, admissible, electable, memo)

  const ranking = sorted.map((c): Ranked => {
    const figure = figures.get(c.key)
    const known =
      figure === undefined ? { value: NO_VALUE } : { value: round6(policy.value(figure)), figure: round6(figure) }
    const reason = reasons.get(c.key) ?? (figure === undefined ? 'its targets are not at hand' : undefined)
    const head = { key: c.key, author: c.author, ...known, electable: reason === undefined }
    const sameAs = copies.get(c.key)
    return { ...head, ...(reason === undefined ? {} : { reason }), ...(sameAs === undefined ? {} : { sameAs }) }
  })
  ranking.sort((a, b) => Number(b.electable) - Number(a.electable) || a.value - b.value || compareText(a.key, b.key))
  const byKey = new Map(sorted.map(c => [c.key, c]))
  const best = ranking.flatMap(({ key, electable }) => {
    const candidate = byKey.get(key)
    return electable && candidate !== undefined ? [candidate] : []
  })
  return best.length === 0 ? { ranking } : { ranking, reference: policy.reference(best, manifest, memo) }
}

/** The paper's policy, behind the gate: the lowest recomputed uniform value. */
export const uniformityPolicy: ElectionPolicy = {
  name: 'uniformity',
  figures: (_, admissible) => new Map(admissible.map(c => [c.key, c.assessment.uniformValue])),
  value: figure => figure,
  reference: electable => winner('uniformity', electable)
}

/** The prior that best predicts the others (predictivity.ts). Electable candidates are those whom others have to predict. */
export const predictivityPolicy: ElectionPolicy = {
  name: 'predictivity',
  figures: predictivityFigures,
  value: figure => -figure,
  reference: electable => winner('predictivity', electable)
}

/**
 * Nobody wins: the reference is the consensus (consensus.ts) of the distinct priors, of many of them the best by predictivity. Those whose targets
 * lack rows take no part. A single distinct prior is its own consensus, and its S_Y, which is published already, the reference.
 */
export const consensusPolicy: ElectionPolicy = {
  name: 'consensus',
  figures: predictivityFigures,
  value: figure => -figure,
  reference: (electable, { seed }, memo) => {
    const judged = judgedTargets(electable, () => true)
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

// --- internal ---

const POLICIES: Record<Manifest['election']['policy'], ElectionPolicy> = {
  uniformity: uniformityPolicy,
  predictivity: predictivityPolicy,
  consensus: consensusPolicy
}

function predictivityFigures(
  manifest: Rules,
  admissible: readonly Candidate[],
  electable: ReadonlySet<string>,
  memo: ElectionMemo
): Map<string, number> {
  const judged = judgedTargets(admissible, key => electable.has(key))
  const values = predictivity(judged, manifest.seed, memo)
  return new Map(
    judged.flatMap(({ key, id }) => {
      const value = values.get(id)
      return value === undefined ? [] : [[key, value] as const]
    })
  )
}

/** Candidates whose matrix is at hand, in their order. */
function judgedTargets(
  candidates: readonly Candidate[],
  votes: (key: string) => boolean
): Array<PredictivityCandidate & { readonly key: string }> {
  return candidates.flatMap(({ key, targetsCid, targets }) =>
    targets === undefined ? [] : [{ key, id: targetsCid.toString(), targets, votes: votes(key) }]
  )
}

function winner(policy: string, [best]: readonly Candidate[]): Reference {
  return best === undefined
    ? { provenance: { policy, from: [] } }
    : { cid: best.targetsCid, provenance: { policy, from: [best.key] } }
}

function distinctByKey(candidates: readonly Candidate[]): Candidate[] {
  return [...new Map(candidates.map(c => [c.key, c])).values()].sort((a, b) => compareText(a.key, b.key))
}

/** Why a candidate cannot become the reference, by key. `sorted` by key: of several with the same targets the first stands for all. */
function exclusions(
  manifest: Rules,
  sorted: readonly Candidate[]
): { reasons: Map<string, string>; copies: Map<string, string> } {
  const reasons = new Map<string, string>()
  const copies = new Map<string, string>()
  const first = new Map<string, string>()
  for (const c of sorted) {
    const reason = exclusion(manifest, c)
    const cid = c.targetsCid.toString()
    const same = first.get(cid)
    if (reason !== undefined) reasons.set(c.key, reason)
    else if (same === undefined) first.set(cid, c.key)
    else {
      reasons.set(c.key, `the same targets as ${same}`)
      copies.set(c.key, same)
    }
  }
  return { reasons, copies }
}

function exclusion(manifest: Rules, c: Candidate): string | undefined {
  if (!c.assessment.admissible) return 'not eligible'
  if (c.equivocator === true) return 'its author signed two records under one sequence number'
  if (!(Math.abs(c.claimed - c.assessment.uniformValue) <= CLAIM_TOLERANCE)) {
    return `it claims the uniform value ${c.claimed}, its targets have ${round6(c.assessment.uniformValue)}`
  }
  if (c.kind === 'human' && !manifest.election.human) return 'labels of people are not elected in this swarm'
  return undefined
}

/** By UTF-16 code units: the same on every machine, unlike a locale's order. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
