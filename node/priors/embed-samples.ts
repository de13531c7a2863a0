/**
 * Runs samples through something that gives each a row, batch by batch, and collects the rows in memory. Features and targets of the shared set,
 * of test images and of drawn rows are all made here; what is long enough to be worth a journal is in compute-targets.ts.
 */
import { InvalidContentError } from '../../src/errors.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import type { EncodedImage } from '../../src/optimize/prior.ts'
import { batchesOf } from '../compute/inference/batches.ts'
import { inOrder } from '../process/in-order.ts'

/** Images -> as many rows */
export type Embed = (images: readonly EncodedImage[]) => Promise<Matrix32>

export interface EmbedOptions {
  /** Images per call of `embed` */
  readonly batchSize: number
  /** Calls of each `embed` under way at once. @default 1 */
  readonly atOnce?: number
  /** Rows that are done, after each batch */
  onBatch?(done: number): void
  readonly signal: AbortSignal
}

/** All rows in the order of the samples. Throws `InvalidContentError` unless there are `rows` samples, and what `embed` throws. */
export async function embedSamples(
  samples: AsyncIterable<EncodedImage> | Iterable<EncodedImage>,
  rows: number,
  embed: Embed,
  options: EmbedOptions
): Promise<Matrix32> {
  const { targets } = await embedByEach(samples, [embed], options)
  const [all] = targets
  if (all?.rows !== rows) throw new InvalidContentError(`${all?.rows ?? 0} samples, ${rows} are expected`)
  return all
}

/** As `embedSamples`, by several at once: the samples are read once, whose number need not be known. `samples` without their bytes come back. */
export async function embedByEach<T extends EncodedImage>(
  samples: AsyncIterable<T> | Iterable<T>,
  embeds: readonly Embed[],
  { batchSize, atOnce = 1, onBatch, signal }: EmbedOptions
): Promise<{ samples: Array<Omit<T, 'bytes'>>; targets: Matrix32[] }> {
  const parts = embeds.map((): Matrix32[] => [])
  const seen: Array<Omit<T, 'bytes'>> = []
  const made = inOrder(batchesOf(samples, batchSize), atOnce, async batch => {
    signal.throwIfAborted()
    const images = batch.map(({ id, bytes }) => ({ id, bytes }))
    const targets: Matrix32[] = []
    for (const embed of embeds) targets.push(await embed(images))
    return { targets, batch }
  })
  for await (const { targets, batch } of made) {
    signal.throwIfAborted()
    for (const [i, some] of targets.entries()) parts[i]?.push(some)
    for (const { bytes: _, ...rest } of batch) seen.push(rest)
    onBatch?.(seen.length)
  }
  return { samples: seen, targets: parts.map(joined) }
}

// --- internal ---

function joined(parts: readonly Matrix32[]): Matrix32 {
  const columns = parts[0]?.columns ?? 0
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const data = new Float32Array(rows * columns)
  let at = 0
  for (const part of parts) {
    data.set(part.data, at)
    at += part.data.length
  }
  return matrix(rows, columns, data)
}
