/**
 * Computes the verdicts of checks again from public bytes: the rows are drawn again from the published seed, and the checker's published targets of
 * them are compared with the author's raw ones by the rule that every member follows (publish/plausibility.ts, publish/recomputed.ts).
 *
 * A checker can still have published targets that its prior does not give. That is seen by others that check the same work, or by running the
 * prior's bundle (`--rerun`).
 */
import type { CID } from 'multiformats/cid'
import { presentRows } from '../../src/bytes.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import { ContentUnavailableError, InvalidContentError, NumericError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import type { Confirmation } from '../../src/merge/confirmation.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import { isResult, isScore } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { drawnRows, drawRows } from '../../src/publish/check-rows.ts'
import { testDistribution } from '../../src/publish/distribution.ts'
import { rerunDifference, RERUN_TOLERANCE } from '../../src/publish/recomputed.ts'
import type { Check, Result, Score, SignedRecord } from '../../src/publish/record.ts'
import type { VerdictsReport } from '../api/checks.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { LocalContent } from '../content/local-content.ts'
import type { ContentReader } from '../content/read-content.ts'

export interface VerdictsCheck {
  manifest: Manifest
  set: RecordSet
  confirmation: Confirmation
  /** Ids of scores whose S_Y the exact thread has */
  assessed: ReadonlySet<string>
  exact: Pick<Exact, 'plausibility'>
  content: Pick<LocalContent, 'tree' | 'holds'> & Pick<ContentReader, 'matrix'>
  /** Ask other peers for what is not here */
  fetch: boolean
  signal: AbortSignal
}

export interface CheckedVerdicts extends VerdictsReport {
  /** Each names a check, its author and the figures */
  readonly contradictions: readonly string[]
  /** The same of authors that count for nothing because they were caught */
  readonly ignored: readonly string[]
}

export async function checkVerdicts(check: VerdictsCheck): Promise<CheckedVerdicts> {
  const matrices = createMatrices(check)
  const opinions = opinionsOf(check)
  let recomputed = 0
  const contradictions: string[] = []
  const ignored: string[] = []
  for (const opinion of opinions) {
    check.signal.throwIfAborted()
    const found = await recompute(opinion, check, matrices)
    if (found === undefined) continue
    recomputed++
    if (found.agrees) continue
    const list = check.confirmation.isCaught(opinion.check.body.author) ? ignored : contradictions
    list.push(describe(opinion, found.says))
  }
  return {
    total: opinions.length,
    recomputed,
    unavailable: opinions.length - recomputed,
    contradicting: contradictions.length + ignored.length,
    contradictions,
    ignored
  }
}

// --- internal ---

interface Opinion {
  readonly check: SignedRecord<Check>
  readonly opinion: NonNullable<Check['opinion']>
  readonly result: SignedRecord<Result>
  /** Of the author, and of the checker */
  readonly their: SignedRecord<Score>
  readonly own: SignedRecord<Score>
}

/** Those whose result and priors are among the records; others count for nothing. One author's are together: they share a fit. */
function opinionsOf({ set, assessed }: VerdictsCheck): readonly Opinion[] {
  const known = (id: CID): SignedRecord<Score> | undefined => {
    const score = set.get(id.toString())
    return score !== undefined && isScore(score) && assessed.has(score.key) ? score : undefined
  }
  return set
    .byType('check')
    .flatMap((check): Opinion[] => {
      const { opinion } = check.body
      const result = set.get(check.body.result.toString())
      if (opinion === undefined || result === undefined || !isResult(result)) return []
      const [own, their] = [known(opinion.score), known(result.body.score)]
      return own === undefined || their === undefined ? [] : [{ check, opinion, result, own, their }]
    })
    .sort((a, b) => compare(a.own.key, b.own.key) || compare(a.their.key, b.their.key))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

interface Recomputed {
  readonly agrees: boolean
  /** What comes out */
  readonly says: string
}

/** Undefined when bytes are not available. */
async function recompute(
  { check, opinion, result, own, their }: Opinion,
  { manifest, exact, content, signal }: VerdictsCheck,
  matrices: Matrices
): Promise<Recomputed | undefined> {
  const rows = manifest.partitions[result.body.partition]?.rows ?? 0
  try {
    const raw = await matrices(result.body.raw, rows, result.body.author)
    if (raw === undefined) return undefined
    const ownRows = await matrices(opinion.targets, opinion.rows, check.body.author)
    if (ownRows === undefined) return undefined
    const present = presentRows(raw)
    const drawn = drawRows(present.length, opinion.rows, opinion.seed).map(i => present[i] as number)
    if (drawn.length !== opinion.rows)
      return { agrees: false, says: `only ${drawn.length} rows have targets that could be compared` }
    const theirRows = drawnRows(raw, drawn)
    if (opinion.by === 'rerun') {
      const off = rerunDifference(theirRows, ownRows)?.off ?? 0
      const verdict = off <= RERUN_TOLERANCE ? 'plausible' : 'implausible'
      const says = `${verdict}: off by ${off.toExponential(1)} of a row's length`
      return { agrees: opinion.verdict === 'abstain' || opinion.verdict === verdict, says }
    }
    const found = await exact.plausibility(own.body.targets, their.body.targets, { ownRows, theirRows })
    const says = `${found.verdict}: z ${found.z.toFixed(2)}, ${found.expected.toFixed(2)} expected`
    if (found.verdict === opinion.verdict) return { agrees: true, says }
    // targets that are not distributed as the author's S_Y are implausible, however well these rows agree
    const shared = await content.matrix(their.body.targets, manifest.shared.rows, manifest.dimension, { signal })
    const isOther = opinion.verdict === 'implausible' && testDistribution(shared, raw)?.isOther === true
    return { agrees: isOther, says }
  } catch (error) {
    // nobody can have compared what is not a matrix of finite numbers
    if (error instanceof InvalidContentError || error instanceof NumericError)
      return { agrees: false, says: `cannot be computed: ${error.message}` }
    throw error
  }
}

/** A matrix of so many rows, from this machine or, if wanted, from peers; undefined where it is not available. */
type Matrices = (cid: CID, rows: number, from: Uint8Array) => Promise<Matrix32 | undefined>

function createMatrices({ manifest, content, fetch, signal }: VerdictsCheck): Matrices {
  const missing = new Set<string>()
  return async (cid, rows, from) => {
    if (missing.has(cid.toString())) return undefined
    const isHere = (await content.tree(cid, rows * manifest.dimension * 4)) !== undefined && (await content.holds(cid))
    try {
      if (isHere || fetch) return await content.matrix(cid, rows, manifest.dimension, { signal, from })
    } catch (error) {
      if (!(error instanceof ContentUnavailableError)) throw error
    }
    missing.add(cid.toString())
    return undefined
  }
}

function describe({ check, opinion, result }: Opinion, says: string): string {
  const { z, expected, verdict, rows } = opinion
  return (
    `check ${check.key} by ${peerIdOf(check.body.author)} says that the targets of partition ${result.body.partition} by ` +
    `${peerIdOf(result.body.author)} are ${verdict === 'abstain' ? 'beyond its judgement' : verdict} (${rows} rows, z ${z.toFixed(2)}, ${expected.toFixed(2)} expected); its published rows say ${says}`
  )
}
