/**
 * Step 2 on this machine: targets y = W psi(x) for a file of samples, batch by batch, with a journal on disk.
 *
 * Memory is bounded by one batch of encoded images and one row group of the file. After a crash at most the batch in flight is
 * redone: every finished batch is in the journal with its checksum before the next one begins.
 */
import type { CID } from 'multiformats/cid'
import { encodeMatrix } from '../../src/bytes.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import type { Sample } from '../../src/distribute/partition-file.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { ABSENT, isAbsentRow } from '../../src/bytes.ts'
import type { EncodedImage, PriorModel } from '../../src/optimize/prior.ts'
import { project, projection } from '../../src/optimize/projection.ts'
import { failpoint } from '../process/failpoint.ts'
import { openProgress } from '../store/progress-journal.ts'

export interface OptimizerInit {
  swarm: Swarm
  prior: PriorModel
  /** Images per call of the prior; bounds memory and what a crash costs */
  batchSize: number
}

export interface OptimizeOptions {
  /** Journal file of this work; removed by the caller once the result is published */
  journal: string
  rows: number
  /** Samples from row `start` on */
  samples(start: number): AsyncIterable<Sample>
  onBatch?(done: number, rows: number): void | Promise<void>
  signal: AbortSignal
}

export interface Optimizer {
  /** W of this swarm for this prior, n x l */
  readonly projection: Matrix64
  /** Targets of one batch, held in memory alone: images x n */
  embed(images: readonly EncodedImage[], signal: AbortSignal): Promise<Matrix32>
  /** Targets of all rows, rows x n; rows that a human prior has no label for are absent. */
  optimize(options: OptimizeOptions): Promise<{ targets: Matrix32; present: number }>
}

export function createOptimizer({ swarm, prior, batchSize }: OptimizerInit): Optimizer {
  const n = swarm.manifest.dimension
  const w = projection(swarm.id, prior.descriptor.dimension, n)

  const embed = async (batch: readonly EncodedImage[], signal: AbortSignal): Promise<Matrix32> => {
    const { features, absent } = await prior.embed(batch, { signal })
    const targets = project(w, features)
    for (let i = 0; i < batch.length; i++) if (absent[i] === true) targets.data.set(ABSENT(n), i * n)
    return targets
  }

  return {
    projection: w,
    embed,
    optimize: async ({ journal, rows, samples, onBatch, signal }) => {
      const progress = await openProgress(journal, { rows, columns: n })
      try {
        let batch: EncodedImage[] = []
        let done = progress.done
        const flush = async (): Promise<void> => {
          if (batch.length === 0) return
          await progress.append((await embed(batch, signal)).data)
          done += batch.length
          batch = []
          await failpoint('optimize:batch')
          await onBatch?.(done, rows)
        }
        if (done < rows) {
          for await (const sample of samples(done)) {
            signal.throwIfAborted()
            batch.push({ id: sample.id, bytes: sample.bytes })
            if (batch.length >= batchSize) await flush()
          }
          await flush()
        }
        if (done !== rows) throw new InvalidContentError(`the file holds ${done} samples, the manifest says ${rows}`)
        const targets = matrix(rows, n, await progress.read())
        let present = 0
        for (let i = 0; i < rows; i++) if (!isAbsentRow(targets.data.subarray(i * n, (i + 1) * n))) present++
        return { targets, present }
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
