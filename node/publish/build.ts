/**
 * A source of images -> the partition files and the shared set, as blocks.
 *
 * Rows follow the plan of src/distribute/partition.ts. Only image bytes and what follows from them get into a block: no file or
 * folder name, nor the order of the source. Every image is read again here and must still have the digest it was planned by. Memory: one row
 * group, the images being read ahead, a few chunks of the import.
 */
import * as dagPb from '@ipld/dag-pb'
import { equalBytes } from '../../src/codec.ts'
import { sampleId } from '../../src/distribute/content-id.ts'
import { MAX_PARTITION_BYTES } from '../../src/distribute/manifest.ts'
import { planPartitions } from '../../src/distribute/partition.ts'
import { partitionBytes, type Sample } from '../../src/distribute/partition-file.ts'
import { type ContentFile, importBytes, type PutBlock } from '../../src/distribute/unixfs-import.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { cutByBytes } from '../image-sources/image-reader.ts'
import type { Source } from '../image-sources/source.ts'
import { inOrder } from '../process/in-order.ts'
import { createPool } from '../process/pool.ts'

export interface BuildOptions {
  partitions: number
  sharedRows: number
  /** 32 bytes */
  seed: Uint8Array
  put: PutBlock
  /** Rows written of all rows of a step */
  onProgress?: (step: 'partitions' | 'shared', done: number, total: number) => void
  signal?: AbortSignal
}

export interface RowFile extends ContentFile {
  readonly rows: number
}

export interface BuiltDataset {
  readonly samples: number
  /** Images whose bytes occurred before, kept or not */
  readonly duplicates: number
  readonly partitions: RowFile[]
  readonly shared: RowFile
}

/** Questions to the threads that read, which are up to four. Some megabytes each, or one image */
const READ_AHEAD = 3
/** Leaves on their way to the disk, a MiB each: libuv writes four at once. */
const PUTS = 4

/** The same samples, seed and counts give the same files. Throws `InvalidInputError`, or what `put` throws. */
export async function buildDataset(source: Source, options: BuildOptions): Promise<BuiltDataset> {
  const { partitions: count, sharedRows, seed, put, onProgress, signal } = options
  // an image is also a row: id, path and lengths take below 128 bytes
  const perPartition = (source.bytes + source.count * 128) / count
  if (perPartition > MAX_PARTITION_BYTES) {
    throw new InvalidInputError(
      `partitions of about ${Math.round(perPartition)} bytes, at most ${MAX_PARTITION_BYTES}: use ${Math.ceil((count * perPartition * 1.1) / MAX_PARTITION_BYTES)} partitions or more`
    )
  }
  const plan = planPartitions({ digests: source.digests, seed, partitions: count, sharedRows })
  const write = async (
    step: 'partitions' | 'shared',
    rows: Uint32Array,
    before: number,
    total: number
  ): Promise<RowFile> => {
    const onRow = (row: number): void => onProgress?.(step, before + row, total)
    const behind = createPutBehind(put)
    const samples = samplesOf(source, rows, onRow, signal)
    let file: ContentFile
    try {
      file = await importBytes(partitionBytes(samples), behind.put)
    } finally {
      await behind.done()
    }
    return { cid: file.cid, bytes: file.bytes, dagBytes: file.dagBytes, rows: rows.length }
  }
  const partitions: RowFile[] = []
  let before = 0
  for (const rows of plan.partitions) {
    const file = await write('partitions', rows, before, source.count)
    if (file.bytes > MAX_PARTITION_BYTES) {
      throw new InvalidInputError(
        `a partition of ${file.bytes} bytes, at most ${MAX_PARTITION_BYTES}: use more partitions`
      )
    }
    partitions.push(file)
    before += rows.length
  }
  const shared = await write('shared', plan.shared, 0, sharedRows)
  return { samples: source.count, duplicates: source.duplicates, partitions, shared }
}

// --- internal ---

async function* samplesOf(
  source: Source,
  rows: Uint32Array,
  onRow: (row: number) => void,
  signal: AbortSignal | undefined
): AsyncGenerator<Sample> {
  let index = 0
  const read = inOrder(partsOf(source, rows), READ_AHEAD, async part => await readSamples(source, part))
  for await (const samples of read) {
    signal?.throwIfAborted()
    for (const sample of samples) yield { index: index++, ...sample }
    onRow(index)
  }
}

async function* partsOf(source: Source, rows: Uint32Array): AsyncGenerator<number[]> {
  yield* cutByBytes(rows, i => source.bytesOf(i))
}

async function readSamples(source: Source, rows: readonly number[]): Promise<Pick<Sample, 'id' | 'bytes'>[]> {
  const images = await source.readAll(rows)
  return images.map(({ bytes, digest, fault }, k) => {
    const i = rows[k] as number
    if (fault !== undefined || !equalBytes(digest, source.digests.subarray(i * 32, i * 32 + 32))) {
      const reason = fault === undefined ? '' : ` (${fault})`
      throw new InvalidInputError(
        `${source.nameOf(i)} changed while the dataset was built${reason}: leave the images alone and publish again`
      )
    }
    return { id: sampleId(digest), bytes }
  })
}

/** Leaves are stored beside each other and beside the making of the next ones; a node when all before it are there. */
function createPutBehind(put: PutBlock): { put: PutBlock; done(): Promise<void> } {
  const pool = createPool(PUTS)
  return {
    put: async (cid, block) => {
      if (cid.code === dagPb.code) {
        await pool.done()
        await put(cid, block)
      } else await pool.add(async () => await put(cid, block))
    },
    done: pool.done
  }
}
