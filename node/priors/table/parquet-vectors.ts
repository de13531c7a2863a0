/**
 * Vectors and keys of Parquet files. A Parquet file gives whole row groups only, and images are asked for in another order than the table's:
 * so it is read once, and its vectors are written to a temporary file of float32 in which each has its place.
 */
import type { SchemaElement } from 'hyparquet'
import { InvalidPriorError } from '../../../src/errors.ts'
import { vectorColumnOf } from '../../../src/optimize/table-columns.ts'
import { MAX_VECTOR_NUMBERS } from '../../../src/optimize/vector-layout.ts'
import { checkedKeys, parquetKeyColumn } from './key-file.ts'
import { topLevel, type ParquetFile } from './parquet-file.ts'
import type { SpillFile } from './disk-file.ts'
import { nonFinite } from './vector-source.ts'

/** Numbers that are written at once. */
const WRITE_NUMBERS = 1_048_576

export interface ParquetColumns {
  readonly key: string
  readonly vector: string
}

/** `wanted`: names that were asked for. Throws `InvalidPriorError` naming the file. */
export async function parquetColumns(
  file: ParquetFile,
  wanted: { key?: string | undefined; vector?: string | undefined }
): Promise<ParquetColumns> {
  const lists = listsOfFloats(file.schema)
  if (wanted.vector !== undefined && !lists.includes(wanted.vector))
    throw new InvalidPriorError(
      `${file.path} has no column of vectors ${JSON.stringify(wanted.vector)}; lists of floats are ${lists.join(', ') || 'none'}`
    )
  let vector
  try {
    vector = wanted.vector ?? vectorColumnOf(lists)
  } catch (cause) {
    throw cause instanceof InvalidPriorError
      ? new InvalidPriorError(`${file.path}: ${cause.message}`, { cause })
      : cause
  }
  return { key: await parquetKeyColumn(file, wanted.key), vector }
}

/**
 * Append the vectors of a file to `spill`. `onKey` is called for each that is not null, in order, `onGroup` after each row group. `columns`: length of the vectors before, 0 for the
 * first file. Gives their length. Throws `InvalidPriorError` naming file and key.
 */
export async function spillVectors(
  file: ParquetFile,
  { key, vector }: ParquetColumns,
  {
    columns,
    spill,
    onKey,
    onGroup
  }: { columns: number; spill: SpillFile; onKey: (key: string) => void; onGroup: () => void }
): Promise<number> {
  let length = columns
  let row = 0
  for (let group = 0; group < file.groups; group++) {
    const keys = checkedKeys(file.path, await file.read(group, key), row)
    const vectors = await file.read(group, vector)
    row += keys.length
    let part = new Float32Array(0)
    let used = 0
    for (const [i, name] of keys.entries()) {
      const value = vectors[i]
      if (value === null || value === undefined) continue
      const fail = (why: string) => new InvalidPriorError(`${file.path}, ${JSON.stringify(name)}: ${why}`)
      const numbers = value as ArrayLike<unknown>
      if (length === 0) length = numbers.length
      if (length < 1 || length > MAX_VECTOR_NUMBERS || numbers.length !== length)
        throw fail(
          `its vector has ${numbers.length} numbers, the first has ${length}; 1 to ${MAX_VECTOR_NUMBERS} are accepted`
        )
      if (part.length === 0) part = new Float32Array(Math.max(1, Math.floor(WRITE_NUMBERS / length)) * length)
      const out = part.subarray(used, used + length)
      for (let j = 0; j < length; j++) {
        const number = numbers[j]
        if (typeof number !== 'number') throw fail(`number ${j} of its vector is missing`)
        out[j] = number
      }
      const broken = nonFinite(out)
      if (broken !== undefined) throw fail(broken)
      onKey(name)
      used += length
      if (used < part.length) continue
      await spill.append(part)
      used = 0
    }
    if (used > 0) await spill.append(part.subarray(0, used))
    onGroup()
  }
  return length
}

// --- internal ---

/** Top-level lists whose only leaf is a float. */
function listsOfFloats(schema: ParquetFile['schema']): string[] {
  return [...topLevel(schema)].flatMap(([list, repeated, leaf, ...more]) => {
    const isList = list?.converted_type === 'LIST' || list?.logical_type?.type === 'LIST'
    const isPlain = repeated?.num_children === 1 && more.length === 0
    return list !== undefined && isList && isPlain && leaf !== undefined && isFloat(leaf) ? [list.name] : []
  })
}

function isFloat({ type, logical_type }: SchemaElement): boolean {
  return type === 'FLOAT' || type === 'DOUBLE' || logical_type?.type === 'FLOAT16'
}
