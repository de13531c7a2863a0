/** Decoders of Parquet: ours for partitions and shards, and those for other people's files. */
import { decodeLz4Block, decodeLz4Frame, decodeLz4Hadoop } from '../../../node/image-sources/lz4.ts'
import { readLevels } from '../../../src/distribute/level-runs.ts'
import { pageHeader, readByteArrays, readPages } from '../../../src/distribute/parquet-page.ts'
import { readSamples } from '../../../src/distribute/partition-file.ts'
import { readStruct } from '../../../src/distribute/thrift.ts'
import { appendTargets } from '../../../src/publish/shard.ts'
import { readTargets } from '../../../src/publish/shard-rows.ts'
import { decodeNumbers } from '../../../src/publish/target-dtype.ts'
import { literals } from '../../node/image-sources/archives.ts'
import { all, concat, fileOf, partitionOf } from '../../src/distribute/samples.ts'
import type { Decoder } from './decoder.ts'

const partition = await partitionOf([100, 2000, 30])
const targets = { rows: 3, columns: 4, data: Float32Array.from({ length: 12 }, (_, i) => i / 7) }
const weights = Float32Array.of(1, 0.5, 0.25)
const shard = await (async () => {
  const { keep, tail } = await appendTargets(fileOf(partition), { targets, weights }, {})
  return await concat([partition.subarray(0, keep), ...tail])
})()
/** Of a file */
const footer = partition.subarray(partition.byteLength - 8 - lastLength(partition), partition.byteLength - 8)
const pages = (() => {
  const values = Uint8Array.of(3, 0, 0, 0, 7, 8, 9, 0, 0, 0, 0, 1, 0, 0, 0, 5)
  const none = new Uint8Array()
  const page = { entries: 3, nulls: 0, rows: 3, repetition: none, definition: Uint8Array.of(6, 1), values }
  const bytes = [pageHeader(page), page.definition, values]
  return new Uint8Array(Buffer.concat([...bytes, ...bytes]))
})()

const block = literals(partition.subarray(0, 300))
/** Magic, version 1 without checksums, a block, the end. */
const frame = Uint8Array.of(
  0x04,
  0x22,
  0x4d,
  0x18,
  0x40,
  0x40,
  0,
  block.byteLength & 255,
  block.byteLength >> 8,
  0,
  0,
  ...block,
  0,
  0,
  0,
  0
)

function lastLength(file: Uint8Array): number {
  return new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(file.byteLength - 8, true)
}

export const PARQUET: readonly Decoder[] = [
  {
    name: 'a partition',
    through: [
      'src/distribute/partition-file.ts readSamples',
      'src/distribute/partition-file.ts readPartitionFooter',
      'src/distribute/parquet-footer.ts readFooter'
    ],
    good: () => partition,
    read: async bytes => await all(readSamples(fileOf(bytes))),
    grammar: 'chunks'
  },
  {
    name: 'a shard',
    through: [
      'src/publish/shard-rows.ts readTargets',
      'src/publish/target-column.ts readTargetChunk',
      'src/publish/weight-column.ts readWeights'
    ],
    good: () => shard,
    read: async bytes => await all(readTargets(fileOf(bytes), 4)),
    grammar: 'chunks'
  },
  {
    name: 'targets of float16',
    through: ['src/publish/target-dtype.ts decodeNumbers'],
    good: () => new Uint8Array(16),
    read: bytes => decodeNumbers(bytes, 2, 4, 'float16'),
    grammar: 'chunks'
  },
  {
    name: 'a Thrift struct',
    through: ['src/distribute/thrift.ts readStruct'],
    good: () => footer,
    read: bytes => readStruct(bytes),
    grammar: 'chunks'
  },
  {
    name: 'Parquet pages',
    through: ['src/distribute/parquet-page.ts readPages', 'src/distribute/parquet-page.ts readByteArrays'],
    good: () => pages,
    read: bytes => [...readPages(bytes)].map(page => [...readByteArrays(page)]),
    grammar: 'chunks'
  },
  {
    name: 'levels',
    through: ['src/distribute/level-runs.ts readLevels'],
    good: () => Uint8Array.of(32, 1, 3, 0xff, 2, 16, 1),
    read: bytes => readLevels(bytes, 2, 32),
    grammar: 'chunks'
  },
  {
    name: 'a block of LZ4',
    through: ['node/image-sources/lz4.ts decodeLz4Block', 'node/image-sources/lz4.ts decodeLz4Hadoop'],
    good: () => block,
    read: bytes => [decodeLz4Hadoop(bytes, 300), decodeLz4Block(bytes, 300)],
    grammar: 'chunks'
  },
  {
    name: 'a frame of LZ4',
    through: ['node/image-sources/lz4.ts decodeLz4Frame'],
    good: () => frame,
    read: bytes => decodeLz4Frame(bytes, 300),
    grammar: 'chunks'
  }
]
