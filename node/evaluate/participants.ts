/**
 * The participants of a merged dataset, from the dataset alone: every prior whose targets S_Y it contains, its values, and T recomputed from S_Y and
 * the reference.
 */
import type { CID } from 'multiformats/cid'
import { applyTransform, fitTransform, type Transform } from '../../src/align/transform.ts'
import { ABSENT, presentRows } from '../../src/bytes.ts'
import { InvalidContentError, NumericError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import { targetsName } from '../../src/merge/shard-name.ts'
import { countedScores } from '../../src/merge/counted-scores.ts'
import { assessmentKey, candidatesOf, isAlignment, isResult } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import type { ContentReader } from '../content/read-content.ts'
import { entryAt } from '../merge/merged-directory.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import { roundOfDataset, type Round } from './preview/round.ts'
import type { PriorKind } from '../../src/optimize/prior-kind.ts'

/** The number of pairs grows quadratically; of more priors, those with the most rows are evaluated. */
export const MAX_PARTICIPANTS = 32

export interface Participant {
  readonly peer: string
  readonly prior: string
  readonly kind: PriorKind
  readonly partitions: number
  readonly rows: number
  readonly uniformValue: number
  readonly predictivity?: number
  /** S_Y, m x n */
  readonly raw: Matrix32
  /** Undefined where T cannot be fitted */
  readonly fit?: {
    readonly looR2: number
    readonly looCosine: number
    /** T S_Y */
    readonly aligned: Matrix32
    /** The same, but each half of the rows mapped by a T fitted on the other; undefined with too few rows */
    readonly heldOut?: Matrix32
  }
}

export interface Participants {
  readonly round: Pick<Round, 'swarm'>
  /** Most rows first */
  readonly list: readonly Participant[]
  /** Priors that are not in the list */
  readonly others: number
  /** Index into the list of the author of a shard, by its name in `data/` */
  readonly ofShard: ReadonlyMap<string, number>
  readonly reference: { readonly cid: CID; readonly targets: Matrix32 }
}

export interface ParticipantsInit {
  readonly content: Pick<ContentReader, 'read' | 'matrix'>
  readonly gemm: Gemm
  readonly seed: number
  onPrior(done: number, total: number): void
  readonly signal: AbortSignal
}

/** Throws as `roundOfDataset`. */
export async function readParticipants(merged: OpenMerged, init: ParticipantsInit): Promise<Participants> {
  const { content, signal } = init
  const { entries, root } = merged.directory
  const round = await roundOfDataset(merged, content, signal)
  try {
    const { swarm, set, evidence } = round
    const { shared, dimension } = swarm.manifest
    const cid = entryAt(merged.directory, 'evidence/reference.f32')
    const targets = await content.matrix(cid, shared.rows, dimension, { signal })
    const predictivity = new Map(
      (await round.exact.elect(candidatesOf(set, evidence), 'predictivity')).ranking.map(r => [r.key, r.figure])
    )

    const work = new Map<string, { shards: string[]; rows: number }>()
    const byShard = new Map(set.byType('alignment').map(record => [record.body.shard.toString(), record]))
    for (const [path, shard] of entries) {
      const alignment = path.startsWith('data/') ? byShard.get(shard.toString()) : undefined
      const result = alignment === undefined ? undefined : set.get(alignment.body.result.toString())
      if (alignment === undefined || !isAlignment(alignment) || result === undefined || !isResult(result)) continue
      const own = work.get(result.body.score.toString()) ?? { shards: [], rows: 0 }
      own.shards.push(path.slice('data/'.length))
      own.rows += result.body.present
      work.set(result.body.score.toString(), own)
    }

    // a proof of equivocation may cite targets of others: its author is a participant only if its work was chosen
    const equivocators = set.equivocators()
    const scores = countedScores(set)
      .filter(({ body }) => entries.has(`evidence/${targetsName(body.targets)}`))
      .filter(({ key, body }) => work.has(key) || !equivocators.has(peerIdOf(body.author)))
      .sort((a, b) => (work.get(b.key)?.rows ?? 0) - (work.get(a.key)?.rows ?? 0) || (a.key < b.key ? -1 : 1))
    if (scores.length === 0)
      throw new InvalidContentError(`${root} has no targets of any prior in evidence/: merge the swarm again`)
    const list: Participant[] = []
    const ofShard = new Map<string, number>()
    const chosen = scores.slice(0, MAX_PARTICIPANTS)
    for (const { key, body } of chosen) {
      const raw = await content.matrix(body.targets, shared.rows, dimension, { signal })
      const figure = predictivity.get(key)
      const fit = await alignmentOf(raw, targets, swarm.manifest.alignment.grid, init)
      const own = work.get(key)
      for (const name of own?.shards ?? []) ofShard.set(name, list.length)
      list.push({
        peer: peerIdOf(body.author),
        prior: body.prior.name,
        kind: body.prior.kind,
        partitions: own?.shards.length ?? 0,
        rows: own?.rows ?? 0,
        uniformValue: evidence.assessments.get(assessmentKey(body))?.uniformValue ?? body.uniformValue,
        ...(figure === undefined || chosen.length < 2 ? {} : { predictivity: figure }),
        raw,
        ...(fit === undefined ? {} : { fit })
      })
      init.onPrior(list.length, chosen.length)
    }
    return { round, list, others: scores.length - list.length, ofShard, reference: { cid, targets } }
  } finally {
    await round.close()
  }
}

// --- internal ---

async function alignmentOf(
  raw: Matrix32,
  reference: Matrix32,
  grid: readonly number[],
  { gemm, seed }: ParticipantsInit
): Promise<Participant['fit']> {
  const whole = await tryFit(raw, reference, grid, gemm)
  if (whole === undefined) return undefined
  const aligned = await applyTransform(whole, raw, gemm)
  const { looR2, looCosine } = whole
  // each half is mapped by a T fitted on the other
  const order = [...shuffle(raw.rows, createRandomStream('coopt/1/evaluate/alignment', `${seed}`))]
  const half = Math.floor(raw.rows / 2)
  const halves = [order.slice(0, half), order.slice(half)]
  const heldOut = matrix(raw.rows, reference.columns, new Float32Array(raw.rows * reference.columns))
  for (const [i, rows] of halves.entries()) {
    const others = halves[1 - i] ?? []
    const transform = await tryFit(rowsOf(raw, others), rowsOf(reference, others), grid, gemm)
    if (transform === undefined) return { looR2, looCosine, aligned }
    const mapped = await applyTransform(transform, rowsOf(raw, rows), gemm)
    rows.forEach((to, from) => heldOut.data.set(row(mapped, from), to * heldOut.columns))
  }
  return { looR2, looCosine, aligned, heldOut }
}

/** Undefined if there are too few common rows for a fit. */
async function tryFit(
  from: Matrix32,
  to: Matrix32,
  grid: readonly number[],
  gemm: Gemm
): Promise<Transform | undefined> {
  try {
    return await fitTransform({ from, to, grid, gemm })
  } catch (error) {
    if (error instanceof NumericError) return undefined
    throw error
  }
}

function rowsOf(m: Matrix32, rows: readonly number[]): Matrix32 {
  const present = new Set(presentRows(m))
  const data = new Float32Array(rows.length * m.columns)
  rows.forEach((from, i) => data.set(present.has(from) ? row(m, from) : ABSENT(m.columns), i * m.columns))
  return matrix(rows.length, m.columns, data)
}
