/**
 * Step 2 on this machine: targets y = W psi(x) of samples by one prior.
 *
 * Reading, the prior (in its child process), W (in the projection thread) and the journal overlap, so the event loop stays free and none waits for
 * another. Memory is bounded by the batches under way, as many as the prior takes at once, and one row group of the file. Results come in the
 * order of the samples. With a journal, a crash costs the batches under way at most: each is on disk with its checksum once all before it are.
 */
import type { CID } from 'multiformats/cid'
import { ABSENT, encodeMatrix, presentRows } from '../../src/bytes.ts'
import type { Manifest, Swarm } from '../../src/distribute/manifest.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { InvalidContentError, InvalidPriorError, NumericError } from '../../src/errors.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import type { EncodedImage, PriorModel } from '../../src/optimize/prior.ts'
import { assertProjectable } from '../../src/optimize/projection.ts'
import { batchesOf } from '../compute/inference/batches.ts'
import type { Projector } from '../compute/projection/projector.ts'
import { failpoint } from '../process/failpoint.ts'
import { inOrder } from '../process/in-order.ts'
import { openProgress } from '../store/progress-journal.ts'
import { embedSamples, type EmbedOptions } from './embed-samples.ts'

export interface TargetComputerInit {
  swarm: Pick<Swarm, 'id'> & { readonly manifest: Pick<Manifest, 'dimension'> }
  prior: PriorModel
  projector: Projector
  /** Images per call of the prior; bounds memory and what a crash costs */
  batchSize: number
  /** Called before the first targets when W is so large that making it takes a while. @default nothing */
  onLargeProjection?: (message: string) => void
}

/** n l min(n, l): some seconds of making W, which takes a few operations for each */
const LARGE_PROJECTION = 4e8

type Samples = AsyncIterable<EncodedImage> | Iterable<EncodedImage>

export interface FileOptions {
  /** Journal file of this work; removed by the caller once the result is published */
  journal: string
  rows: number
  /** Samples from row `start` on */
  samples(start: number): AsyncIterable<EncodedImage>
  onBatch?(done: number, rows: number): void | Promise<void>
  signal: AbortSignal
}

export interface TargetComputer {
  /** Of a few images: images x n */
  ofImages(images: readonly EncodedImage[], signal: AbortSignal): Promise<Matrix32>
  /** Of `rows` samples, kept in memory alone: rows x n. Throws `InvalidContentError` when there are more or fewer. */
  ofSamples(samples: Samples, rows: number, options: Omit<EmbedOptions, 'batchSize' | 'atOnce'>): Promise<Matrix32>
  /**
   * Of a file whose finished batches are in a journal: rows x n, and how many rows have a target; those that a human prior has no label for
   * are absent. Throws `InvalidContentError` when the file has another number of samples.
   */
  ofFile(options: FileOptions): Promise<{ targets: Matrix32; present: number }>
}

/** Throws `InvalidPriorError` when W would be too large. All operations throw what the prior throws, or the signal's reason. */
export function createTargetComputer({
  swarm,
  prior,
  projector,
  batchSize,
  onLargeProjection
}: TargetComputerInit): TargetComputer {
  const n = swarm.manifest.dimension
  checkProjection(prior, n)
  const { dimension: l } = prior.descriptor
  let isTold = n * l * Math.min(n, l) < LARGE_PROJECTION

  const ofImages: TargetComputer['ofImages'] = async (images, signal) => {
    const { features, absent } = await prior.embed(
      images.map(({ id, bytes }) => ({ id, bytes })),
      { signal }
    )
    if (!isTold) onLargeProjection?.(`making the projection from ${l} to ${n} dimensions, once: this can take a minute`)
    isTold = true
    const targets = await projector.project(swarm.id, n, features, { signal })
    for (const [i, isAbsent] of absent.entries()) if (isAbsent) targets.data.set(ABSENT(n), i * n)
    return targets
  }

  const ofBatches = (batches: AsyncIterable<readonly EncodedImage[]>, signal: AbortSignal): AsyncIterable<Matrix32> =>
    inOrder(batches, prior.callsAtOnce ?? 1, async images => await ofImages(images, signal))

  return {
    ofImages,
    ofSamples: async (samples, rows, options) =>
      await embedSamples(samples, rows, async images => await ofImages(images, options.signal), {
        ...options,
        batchSize,
        atOnce: prior.callsAtOnce ?? 1
      }),
    ofFile: async ({ journal, rows, samples, onBatch, signal }) => {
      const progress = await openProgress(journal, { rows, columns: n })
      try {
        let { done } = progress
        const made = done < rows ? ofBatches(batchesOf(samples(done), batchSize), signal) : []
        for await (const some of made) {
          signal.throwIfAborted()
          await progress.append(some.data)
          done += some.rows
          await failpoint('optimize:batch')
          await onBatch?.(done, rows)
        }
        if (done !== rows) throw new InvalidContentError(`the file holds ${done} samples, the manifest says ${rows}`)
        const targets = matrix(rows, n, await progress.read())
        return { targets, present: presentRows(targets).length }
      } finally {
        await progress.close()
      }
    }
  }
}

/** Store a target matrix as a content-addressed file. */
export async function storeMatrix(m: Matrix32, put: (cid: CID, block: Uint8Array) => Promise<void>): Promise<CID> {
  return (await importBytes([encodeMatrix(m)], put)).cid
}

// --- internal ---

function checkProjection({ descriptor: { name, dimension } }: PriorModel, n: number): void {
  try {
    assertProjectable(dimension, n)
  } catch (cause) {
    if (!(cause instanceof NumericError)) throw cause
    throw new InvalidPriorError(`prior "${name}": ${cause.message}`, { cause })
  }
}
