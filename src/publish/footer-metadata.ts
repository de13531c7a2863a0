/**
 * Key-value metadata of a shard's footer: that of the source, with the new columns added in the two places where readers look for them, Arrow's copy
 * of the schema and the features that Hugging Face's `datasets` stores as JSON.
 */
import type { Footer } from '../distribute/parquet-footer.ts'
import { isPartitionSchema } from '../distribute/partition-file.ts'
import {
  BINARY,
  binary,
  binaryOf,
  type Field,
  fieldOf,
  list,
  LIST,
  listOf,
  readStruct,
  STRUCT,
  withField,
  writeStruct
} from '../distribute/thrift.ts'
import { ARROW_SCHEMA, shardArrowSchema } from './arrow-schema.ts'
import { TARGET } from './target-column.ts'
import type { TargetDtype } from './target-dtype.ts'
import { WEIGHT } from './weight-column.ts'

/** Describes the new columns: targets are `length` numbers of `dtype`. */
export interface Shape {
  readonly length: number
  readonly dtype: TargetDtype
  readonly weighted: boolean
}

/** The fields of `footer` with `metadata` and the description of the new columns added to its metadata. New values replace old ones. */
export function withKeyValues(footer: Footer, shape: Shape, metadata: Readonly<Record<string, string>>): Field[] {
  const old = listOf(fieldOf(footer.fields, 5, LIST), 65_536)?.items ?? []
  const described: Array<[string, string]> = []
  const kept = old.flatMap(item => {
    const pair = readStruct(item).fields
    const key = new TextDecoder().decode(binaryOf(fieldOf(pair, 1, BINARY)))
    // Arrow's copy of the schema would lack the new columns, and Arrow reads it by position
    if (key === ARROW_SCHEMA || Object.hasOwn(metadata, key)) return []
    if (key !== HUGGING_FACE) return [item]
    const value = withFeatures(new TextDecoder().decode(binaryOf(fieldOf(pair, 2, BINARY))), shape)
    described.push([key, value])
    return [keyValue(key, value)]
  })
  const added = Object.keys(metadata)
    .sort()
    .map((key): [string, string] => [key, metadata[key] ?? ''])
  // a new copy can be written only if all columns are known
  const arrow: Array<[string, string]> = isPartitionSchema(footer)
    ? [[ARROW_SCHEMA, shardArrowSchema(shape, [...described, ...added])]]
    : []
  const pairs = [...arrow, ...added].map(([key, value]) => keyValue(key, value))
  return withField(footer.fields, list(5, STRUCT, [...kept, ...pairs]))
}

// --- internal ---

/** The key under which `datasets` keeps its features. */
const HUGGING_FACE = 'huggingface'

function keyValue(key: string, value: string): Uint8Array {
  return writeStruct([binary(1, key), binary(2, value)])
}

/** Adds the new columns to `info.features` if the text has them; other text stays unchanged. */
function withFeatures(text: string, { length, dtype, weighted }: Shape): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not ours to repair: only Hugging Face's own libraries read it
    return text
  }
  if (!isObject(value) || !isObject(value['info']) || !isObject(value['info']['features'])) return text
  const added = {
    [TARGET]: { feature: { dtype, _type: 'Value' }, length, _type: 'Sequence' },
    ...(weighted ? { [WEIGHT]: { dtype: 'float32', _type: 'Value' } } : {})
  }
  return JSON.stringify({ ...value, info: { ...value['info'], features: { ...value['info']['features'], ...added } } })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
