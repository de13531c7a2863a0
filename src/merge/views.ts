/**
 * Views of a swarm: pure functions of (manifest, set of records, what was computed from content).
 *
 * Equal sets and equal evidence give equal views on every peer. Evidence is itself a pure function of content-addressed bytes
 * (assessment of S_Y, quality of an alignment), so it may be cached. Claims of peers are never evidence.
 */
import type { CID } from 'multiformats/cid'
import { CLAIM_TOLERANCE, NO_VALUE, type Candidate, type Election } from '../align/candidate.ts'
import type { Assessment } from '../align/gate.ts'
import { equalBytes } from '../codec.ts'
import { MAX_Z, type Manifest } from '../distribute/manifest.ts'
import { greatest, least } from '../extremes.ts'
import { peerIdOf } from '../peer-key.ts'
import type { Alignment, Result, Score, SignedRecord } from '../publish/record.ts'
import { confirmationOf, type Acceptance, type Confirmation, type Standing } from './confirmation.ts'
import { countedScores } from './counted-scores.ts'
import type { RecordSet } from './record-set.ts'

/** How well the targets of one score can be mapped onto one reference: exact leave-one-out figures. */
export interface Quality {
  readonly looR2: number
  readonly looCosine: number
  /** Standard deviations by which the predictions are closer to their own row's reference than to others' (align/transform.ts) */
  readonly looZ: number
}

/** The quality of a prior that cannot be mapped onto the reference at all (too few common rows): below every floor. */
export const HOPELESS: Quality = { looR2: -1, looCosine: -1, looZ: -MAX_Z }

/** Facts computed from content. Maps are keyed by CIDs as text. */
export interface Evidence {
  /** By `assessmentKey` */
  readonly assessments: ReadonlyMap<string, Assessment>
  /** By `qualityKey(score's matrix, reference)` */
  readonly qualities: ReadonlyMap<string, Quality>
}

/** One partition's accepted work. */
export interface Choice {
  readonly partition: number
  readonly score: SignedRecord<Score>
  readonly result: SignedRecord<Result>
  readonly alignment: SignedRecord<Alignment>
  /** What others found in it; absent in swarms whose manifest asks for no checks */
  readonly standing?: Standing
}

/** Raw targets that their own author has not aligned to the current reference yet. */
export interface Pending {
  readonly partition: number
  readonly score: SignedRecord<Score>
  readonly result: SignedRecord<Result>
  /** Another peer aligned them; the author's own alignment takes precedence */
  readonly byOthers: boolean
}

export interface SwarmView {
  readonly election: Election
  /** The accepted alignment of each finished partition */
  readonly chosen: ReadonlyMap<number, Choice>
  /** By partition, acceptable results that their author could still align to the current reference */
  readonly pending: ReadonlyMap<number, readonly Pending[]>
  /** Partitions that have neither, ascending: they remain to be optimized */
  readonly missing: readonly number[]
  /** Partitions that have work, but no result for all of their rows (human labels may cover only some): ascending */
  readonly incomplete: readonly number[]
  /** Chosen work that is not confirmed, ascending by partition; empty in swarms without checks */
  readonly unconfirmed: readonly number[]
  /** By partition, the work that would be chosen if it were confirmed, the best first: what members should check */
  readonly contenders: ReadonlyMap<number, readonly Choice[]>
  /** By partition, work that counts as refuted, the best first: not chosen, and worth a look by members that have not judged it */
  readonly refuted: ReadonlyMap<number, readonly Choice[]>
  /** Rows that have a target in the chosen shards */
  readonly rows: number
  /** Has every partition work, confirmed where the manifest asks for it? */
  readonly complete: boolean
  /** The rule that was applied, and what it was applied to */
  readonly acceptance?: Acceptance
  readonly confirmation?: Confirmation
}

/** An alignment's claims may differ from the exact figures only by the rounding of faster kernels. */
export const ALIGNMENT_TOLERANCE = 1e-3

/** The gate judges human labels differently from features, so a matrix that is cited as both has two verdicts. */
export function assessmentKey({ targets, prior }: Pick<Score, 'targets' | 'prior'>): string {
  return `${targets} ${prior.kind}`
}

export function qualityKey(targets: CID, reference: CID): string {
  return `${targets} ${reference}`
}

export const isScore = (r: SignedRecord): r is SignedRecord<Score> => r.body.type === 'score'
export const isResult = (r: SignedRecord): r is SignedRecord<Result> => r.body.type === 'result'
export const isAlignment = (r: SignedRecord): r is SignedRecord<Alignment> => r.body.type === 'alignment'

/** Scores as candidates of the election; those whose content is not known yet are left out. */
export function candidatesOf(set: RecordSet, evidence: Evidence): Candidate[] {
  const equivocators = set.equivocators()
  const candidates: Candidate[] = []
  for (const record of countedScores(set)) {
    const assessment = evidence.assessments.get(assessmentKey(record.body))
    if (assessment === undefined) continue
    const author = peerIdOf(record.body.author)
    candidates.push({
      key: record.key,
      author,
      kind: record.body.prior.kind,
      targetsCid: record.body.targets,
      claimed: record.body.uniformValue,
      equivocator: equivocators.has(author),
      assessment
    })
  }
  return candidates
}

/**
 * The finished, pending and missing partitions under an election.
 *
 * A result counts if its author's own score counts (counted-scores.ts) and passed the gate. An alignment counts if it maps such a result
 * onto the elected reference, its claims equal the recomputed figures, and these are above the manifest's floor.
 *
 * Of several alignments of one partition the one with the most rows is chosen (a human prior may lack some), then the one whose prior has the best
 * value under the election policy. Where the manifest asks for checks (`acceptance`), refuted work does not exist and confirmed work goes before other
 * work (confirmation.ts). Priors that cannot be elected (human, equivocator) have no value; copies of a prior have the same value. Priors
 * within the manifest's margin are equally good; then an alignment by the result's own author takes precedence, then the lowest record id.
 */
export function viewOf(
  manifest: Manifest,
  set: RecordSet,
  evidence: Evidence,
  election: Election,
  acceptance: Acceptance | undefined = manifest.acceptance
): SwarmView {
  const values = electedValues(election)
  const scores = new Map(countedScores(set).map(score => [score.key, score]))
  const results = new Map<string, Omit<Pending, 'byOthers'>>()
  for (const record of set.records()) {
    if (!isResult(record)) continue
    const score = scores.get(record.body.score.toString())
    if (score === undefined || !sameKey(score, record) || !isAdmissible(score, evidence)) continue
    results.set(record.key, { partition: record.body.partition, score, result: record })
  }
  const confirmation =
    acceptance === undefined ? undefined : confirmationOf(manifest, acceptance, set, election, new Map(results))
  const implausible = new Map<string, Omit<Pending, 'byOthers'>>()
  for (const [key, work] of results) {
    if (confirmation?.isRefuted(work.result) !== true) continue
    results.delete(key)
    implausible.set(key, work)
  }

  const choices = new Map<number, Choice[]>()
  const refuted = new Map<number, Choice[]>()
  const aligned = new Map<string, boolean>() // result -> by its own author?
  const reference = election.reference?.cid
  for (const record of reference === undefined ? [] : set.records()) {
    if (!isAlignment(record) || reference === undefined || !record.body.reference.equals(reference)) continue
    const key = record.body.result.toString()
    const work = results.get(key) ?? implausible.get(key)
    if (work === undefined || work.partition !== record.body.partition) continue
    const quality = evidence.qualities.get(qualityKey(work.score.body.targets, reference))
    if (quality === undefined || !isAcceptable(manifest, record, quality)) continue
    const standing = confirmation?.standing(work.result, record)
    const choice = { ...work, alignment: record, ...(standing === undefined ? {} : { standing }) }
    if (standing?.state === 'refuted') {
      append(refuted, work.partition, choice)
      continue
    }
    aligned.set(work.result.key, aligned.get(work.result.key) === true || sameKey(work.result, record))
    append(choices, work.partition, choice)
  }

  const chosen = new Map<number, Choice>()
  const contenders = new Map<number, readonly Choice[]>()
  for (const [partition, list] of choices) {
    const confirmed = list.filter(isConfirmed)
    const takes = confirmed.length > 0 ? confirmed : acceptance?.strict === true ? [] : list
    if (takes.length > 0) chosen.set(partition, choose(takes, values, manifest.election.margin))
    const better = aheadOf(list, values, manifest.election.margin)
    if (better.length > 0) contenders.set(partition, better)
  }
  for (const [partition, list] of refuted) refuted.set(partition, aheadOf(list, values, manifest.election.margin))
  const unconfirmed = [...chosen.values()]
    .filter(choice => !isConfirmed(choice))
    .map(({ partition }) => partition)
    .sort((a, b) => a - b)
  const pending = new Map<number, Pending[]>()
  const mostRows = new Map<number, number>() // partition -> rows of its fullest result
  for (const work of results.values()) {
    if (isHopeless(manifest, work, reference, evidence)) continue
    mostRows.set(work.partition, Math.max(mostRows.get(work.partition) ?? 0, work.result.body.present))
    const by = aligned.get(work.result.key)
    if (by !== true) append(pending, work.partition, { ...work, byOthers: by === false })
  }
  const missing: number[] = []
  const incomplete: number[] = []
  for (const [p, { rows: all }] of manifest.partitions.entries()) {
    if (!chosen.has(p) && !pending.has(p)) missing.push(p)
    else if ((mostRows.get(p) ?? 0) < all) incomplete.push(p)
  }
  let rows = 0
  for (const { result } of chosen.values()) rows += result.body.present
  const complete = chosen.size === manifest.partitions.length && unconfirmed.length === 0
  const by = acceptance === undefined ? {} : { acceptance }
  const found = confirmation === undefined ? {} : { confirmation }
  return {
    election,
    chosen,
    pending,
    missing,
    incomplete,
    unconfirmed,
    contenders,
    refuted,
    rows,
    complete,
    ...by,
    ...found
  }
}

/**
 * Values of the priors that can be elected, by score; the values of others (one-hot labels, equivocators) do not indicate the quality of their rows.
 * A score with the same targets as an electable one, as of all peers with the same public model, shares its value.
 */
export function electedValues(election: Election): ReadonlyMap<string, number> {
  return new Map(
    election.ranking.flatMap(({ key, value, electable, sameAs }) =>
      electable || sameAs !== undefined ? [[key, value] as const] : []
    )
  )
}

/** Would this alignment quality be refused by the manifest? Returns the reason, or undefined. */
export function belowFloor(manifest: Manifest, quality: Quality): string | undefined {
  const { minLooZ } = manifest.alignment
  if (quality.looZ >= minLooZ) return undefined
  const unknown = quality.looZ <= -MAX_Z ? 'it cannot be mapped onto the reference' : `z is ${quality.looZ.toFixed(2)}`
  return `the alignment does not generalise to images it was not fitted on: ${unknown}, this swarm requires ${minLooZ}`
}

/** Did this score's content pass the gate, and does it have the uniform value that its record claims? */
export function isAdmissible(score: SignedRecord<Score>, evidence: Evidence): boolean {
  const assessment = evidence.assessments.get(assessmentKey(score.body))
  return (
    assessment !== undefined &&
    assessment.admissible &&
    Math.abs(assessment.uniformValue - score.body.uniformValue) <= CLAIM_TOLERANCE
  )
}

// --- internal ---

function isAcceptable(manifest: Manifest, record: SignedRecord<Alignment>, quality: Quality): boolean {
  return (
    Math.abs(record.body.looR2 - quality.looR2) <= ALIGNMENT_TOLERANCE &&
    Math.abs(record.body.looCosine - quality.looCosine) <= ALIGNMENT_TOLERANCE &&
    belowFloor(manifest, quality) === undefined
  )
}

/** Targets of a prior that is known to be below the floor: they cannot be aligned, so the partition must not wait for them. */
function isHopeless(
  manifest: Manifest,
  work: Omit<Pending, 'byOthers'>,
  reference: CID | undefined,
  evidence: Evidence
): boolean {
  if (reference === undefined) return false
  const quality = evidence.qualities.get(qualityKey(work.score.body.targets, reference))
  return quality !== undefined && belowFloor(manifest, quality) !== undefined
}

/** In a swarm without checks everything is. */
function isConfirmed({ standing }: Choice): boolean {
  return standing === undefined || standing.state === 'confirmed'
}

/** Authors of work on one partition that are looked at: more would only be those of an attack. */
const MAX_CONTENDERS = 32

/** The work that would be chosen before all confirmed work, the best first; of each author one, so that none hides the others. */
function aheadOf(list: readonly Choice[], values: ReadonlyMap<string, number>, margin: number): Choice[] {
  let left = list
  const out: Choice[] = []
  while (left.length > 0 && out.length < MAX_CONTENDERS) {
    const best = choose(left, values, margin)
    if (isConfirmed(best)) break
    out.push(best)
    left = left.filter(choice => !sameKey(choice.result, best.result))
  }
  return out
}

/** Most rows, then the best prior; within the margin of the best, author before others, then the lowest record id: a total order. */
function choose(list: readonly Choice[], values: ReadonlyMap<string, number>, margin: number): Choice {
  const valueOf = (c: Choice): number => values.get(c.score.key) ?? NO_VALUE
  const rows = greatest(list.map(c => c.result.body.present))
  const full = list.filter(c => c.result.body.present === rows)
  const best = least(full.map(valueOf))
  const equals = full.filter(c => valueOf(c) <= best + margin)
  const own = equals.filter(c => sameKey(c.result, c.alignment))
  return (own.length > 0 ? own : equals).reduce((a, b) => (b.alignment.key < a.alignment.key ? b : a))
}

function sameKey(a: SignedRecord, b: SignedRecord): boolean {
  return equalBytes(a.body.author, b.body.author)
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
