/** The rows of a merged dataset that have a target and a label, or a random sample of them that depends on the seed only. */
import { InvalidInputError } from '../../src/errors.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import { createRandomStream } from '../../src/random.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import { MIN_CLASS_ROWS } from './splits.ts'

export interface LabelledSample {
  /** CIDs of the images */
  readonly ids: readonly string[]
  /** rows x n */
  readonly targets: Matrix32
  /** 0 .. classes - 1 */
  readonly labels: Int32Array
  /** Name in `data/` of the shard of each row */
  readonly shards: readonly string[]
  /** Classes that occur, in the order of `names` */
  readonly classes: ReadonlyArray<{ name: string; rows: number }>
  readonly counts: { readonly total: number; readonly withTarget: number; readonly labelled: number }
}

export interface SampleInit {
  /** Class names, and the class index of an image */
  readonly names: readonly string[]
  labelOf(id: string): number | undefined
  /** Named in the error if no row has a label */
  readonly source: string
  readonly most: number
  readonly seed: number
  onRow(done: number): void
  readonly signal: AbortSignal
}

/**
 * Reads every shard once; memory holds `most` targets and the ids. Duplicate images are counted once, because a duplicate test row would be known
 * already. Throws `InvalidInputError` when no row has a label, only one class occurs, or a class has too few rows.
 */
export async function sampleRows(
  merged: Pick<OpenMerged, 'manifest' | 'shards'>,
  init: SampleInit
): Promise<LabelledSample> {
  const { names, labelOf, source, most, seed, onRow, signal } = init
  const n = merged.manifest.dimension
  const stream = createRandomStream('coopt/1/evaluate/rows', `${seed}`)
  const kept: Array<{ id: string; label: number; shard: string; target: Float32Array; order: number }> = []
  const seen = new Set<string>()
  let [total, withTarget] = [0, 0]
  for (const shard of merged.shards) {
    for await (const { id, target } of shard.rows()) {
      signal.throwIfAborted()
      onRow(++total)
      if (target === undefined) continue
      withTarget++
      const label = labelOf(id)
      if (label === undefined || seen.has(id)) continue
      seen.add(id)
      // reservoir sampling: every row is kept with the same probability
      const at = kept.length < most ? kept.length : stream.below(seen.size)
      if (at < most) kept[at] = { id, label, shard: shard.name, target: target.slice(), order: seen.size }
    }
  }
  if (kept.length === 0)
    throw new InvalidInputError(`none of the ${withTarget} rows with a target has a label in ${source}`)
  kept.sort((a, b) => a.order - b.order)

  const rows = names.map((_, c) => kept.reduce((sum, { label }) => sum + (label === c ? 1 : 0), 0))
  const present = names.flatMap((_, c) => ((rows[c] as number) > 0 ? [c] : []))
  const place = new Map(present.map((c, i) => [c, i]))
  const classes = present.map(c => ({ name: names[c] as string, rows: rows[c] as number }))
  const small = classes.find(one => one.rows < MIN_CLASS_ROWS)
  if (small !== undefined)
    throw new InvalidInputError(
      `class "${small.name}" has ${small.rows} rows, at least ${MIN_CLASS_ROWS} are needed: label more of them, use more rows (--rows), or remove the class from the labels`
    )
  if (classes.length < 2)
    throw new InvalidInputError(
      `all labelled rows are of class "${classes[0]?.name}": an evaluation needs at least two classes`
    )
  const targets = matrix(kept.length, n, new Float32Array(kept.length * n))
  kept.forEach(({ target }, i) => targets.data.set(target, i * n))
  return {
    ids: kept.map(({ id }) => id),
    targets,
    labels: Int32Array.from(kept, ({ label }) => place.get(label) as number),
    shards: kept.map(({ shard }) => shard),
    classes,
    counts: { total, withTarget, labelled: seen.size }
  }
}
