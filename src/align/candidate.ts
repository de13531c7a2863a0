/** What an election is about: candidates, how they are ranked, the reference it ends with, and what a policy is. */
import type { CID } from 'multiformats/cid'
import type { Manifest } from '../distribute/manifest.ts'
import type { Matrix32 } from '../matrix.ts'
import type { Assessment } from './gate.ts'
import { createCorroborationMemo, type CorroborationMemo } from './corroboration.ts'
import { createPredictivityMemo, type PredictivityMemo } from './predictivity.ts'
import type { PriorKind } from '../optimize/prior-kind.ts'

/** A claimed V that is further from the recomputed one cannot be due to rounding: the claim does not match the published targets. */
export const CLAIM_TOLERANCE = 1e-4

/** One score record together with what was computed from its content. */
export interface Candidate {
  /** Record id as text */
  readonly key: string
  /** Peer id as text */
  readonly author: string
  readonly kind: PriorKind
  readonly targetsCid: CID
  /** The uniform value that the record states */
  readonly claimed: number
  readonly assessment: Assessment
  /** Did the author sign two records under one sequence number? */
  readonly equivocator?: boolean
  /** S_Y; needed by policies that compare candidates with each other (corroboration, predictivity, consensus) */
  readonly targets?: Matrix32
}

export interface Ranked {
  readonly key: string
  readonly author: string
  /** Lower is better, whatever the policy; `NO_VALUE` when the candidate has none */
  readonly value: number
  /** The figure to show to people: V (lower is better), or what other policies measure (higher is better). Absent without a value. */
  readonly figure?: number
  readonly electable: boolean
  /** Why it is not electable */
  readonly reason?: string
  /** Set when the only obstacle is that this electable candidate has the same targets: it is the same prior, so its work is worth as much */
  readonly sameAs?: string
  /**
   * The distinct prior that this one is: the lowest CID, as text, of all targets that are linear maps of each other (predictivity.ts). Only where the
   * manifest has checks counted by priors, and for candidates that are electable or the same as one that is.
   */
  readonly distinct?: string
}

/** The elected reference. `cid` names its matrix; `matrix` holds it if the policy computed it, because then no peer has published it. */
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
  /** Absent while no candidate is electable */
  readonly reference?: Reference
  /** Electable candidates first, the best at the top; then the others */
  readonly ranking: readonly Ranked[]
}

export interface ElectionPolicy {
  readonly name: Manifest['election']['policy']
  /** The figure of every admissible candidate that has one, by record key. `electable` holds distinct priors. */
  figures(
    manifest: Rules,
    admissible: readonly Candidate[],
    electable: ReadonlySet<string>,
    memo: ElectionMemo
  ): Map<string, number>
  /** Converts a figure to a value where lower is better */
  value(figure: number): number
  /** The reference of a non-empty list of electable candidates, best first */
  reference(electable: readonly Candidate[], manifest: Rules, memo: ElectionMemo): Reference
}

/** Stands for a missing value: worse than any real one and, unlike Infinity, representable in JSON. */
export const NO_VALUE = Number.MAX_VALUE

/** Cache that an election may pass to the next one of the same swarm. It does not affect results. */
export interface ElectionMemo extends PredictivityMemo {
  readonly corroboration: CorroborationMemo
  /** The consensus computed last */
  consensus?: { readonly ids: string; readonly matrix: Matrix32; readonly cid: CID }
}

export function createElectionMemo(): ElectionMemo {
  return { ...createPredictivityMemo(), corroboration: createCorroborationMemo() }
}

export type Rules = Pick<Manifest, 'election' | 'seed' | 'acceptance'>

/** By UTF-16 code units: the same on every machine, unlike a locale's order. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
