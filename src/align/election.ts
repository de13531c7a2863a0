/**
 * The election: which matrix is the reference S*_Y that all peers align to (CoOpt step 3).
 *
 * A pure function of the manifest and a set of candidates, independent of their order: candidates are totally ordered (the policy's value rounded to
 * 1e-6, then the record key), and every value is a bit-exact function of published bytes. The policy decides what is valued (policies.ts).
 */
import {
  CLAIM_TOLERANCE,
  compareText,
  createElectionMemo,
  NO_VALUE,
  type Candidate,
  type Election,
  type ElectionMemo,
  type Ranked,
  type Rules
} from './candidate.ts'
import { round6 } from './gate.ts'
import { distinctGroups, POLICIES } from './policies.ts'

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
  const groups =
    manifest.acceptance?.voters === 'priors'
      ? distinctGroups(admissible, electable, manifest, memo)
      : new Map<string, string>()

  const ranking = sorted.map((c): Ranked => {
    const figure = figures.get(c.key)
    const known =
      figure === undefined ? { value: NO_VALUE } : { value: round6(policy.value(figure)), figure: round6(figure) }
    const reason = reasons.get(c.key) ?? (figure === undefined ? 'its targets are not available locally' : undefined)
    const head = { key: c.key, author: c.author, ...known, electable: reason === undefined }
    const sameAs = copies.get(c.key)
    const distinct = reason === undefined || sameAs !== undefined ? groups.get(c.targetsCid.toString()) : undefined
    return {
      ...head,
      ...(reason === undefined ? {} : { reason }),
      ...(sameAs === undefined ? {} : { sameAs }),
      ...(distinct === undefined ? {} : { distinct })
    }
  })
  ranking.sort((a, b) => Number(b.electable) - Number(a.electable) || a.value - b.value || compareText(a.key, b.key))
  const byKey = new Map(sorted.map(c => [c.key, c]))
  const best = ranking.flatMap(({ key, electable }) => {
    const candidate = byKey.get(key)
    return electable && candidate !== undefined ? [candidate] : []
  })
  return best.length === 0 ? { ranking } : { ranking, reference: policy.reference(best, manifest, memo) }
}

// --- internal ---

function distinctByKey(candidates: readonly Candidate[]): Candidate[] {
  return [...new Map(candidates.map(c => [c.key, c])).values()].sort((a, b) => compareText(a.key, b.key))
}

/** Why a candidate cannot become the reference, by key. `sorted` is in key order: the first of several with equal targets represents them. */
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
  if (c.kind === 'human' && !manifest.election.human) return 'this swarm does not elect human labels'
  // everybody aligns on the rows of the reference, so gaps in it cost all of them rows
  if (c.kind === 'table' && c.targets !== undefined && c.assessment.present < c.targets.rows)
    return `its table has vectors for ${c.assessment.present} of ${c.targets.rows} shared images`
  return undefined
}
