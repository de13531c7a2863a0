/** The columns of bytes of a Parquet file. */
import type { SchemaElement } from 'hyparquet'
import { type BytesColumn, chooseColumn, type ColumnChoice } from './image-column.ts'

export interface ParquetColumn extends BytesColumn {
  /** Elements of the schema on the way, the root first, with one child each but the last */
  readonly schema: SchemaElement[]
}

/** src/distribute/parquet-footer.ts reads paths of 16 names. */
const MAX_DEPTH = 16

/** Can there be images in such a file? Else it holds facts about images. `schema` is depth-first, the root first. */
export const hasBytes = (schema: readonly SchemaElement[]): boolean => bytesColumns(schema).length > 0

/** Throws `InvalidInputError` or `SourceChoiceError` like `chooseColumn`. */
export function imageColumnOf(schema: readonly SchemaElement[], wanted?: string): ColumnChoice<ParquetColumn> {
  const leaves = schema.slice(1).filter(element => (element.num_children ?? 0) === 0)
  return chooseColumn(
    bytesColumns(schema),
    leaves.map(({ name }) => name),
    wanted
  )
}

// --- internal ---

/** Every leaf of bytes, with the way to it. */
function bytesColumns(schema: readonly SchemaElement[]): ParquetColumn[] {
  const found: ParquetColumn[] = []
  /** Index behind the element at `at` and all below it */
  const visit = (at: number, above: readonly SchemaElement[]): number => {
    const element = schema[at]
    if (element === undefined || above.length > MAX_DEPTH) return schema.length
    const children = element.num_children ?? 0
    const way = [...above, { ...element, ...(children > 0 ? { num_children: 1 } : {}) }]
    let next = at + 1
    for (let child = 0; child < children && next < schema.length; child++) next = visit(next, way)
    if (above.length > 0 && children === 0 && isBinary(element)) {
      const own = way.slice(1)
      found.push({
        path: own.map(({ name }) => name),
        schema: way,
        isList: own.some(({ repetition_type }) => repetition_type === 'REPEATED')
      })
    }
    return next
  }
  visit(0, [])
  return found
}

/** Bytes that are not text. */
function isBinary({ type, converted_type, logical_type }: SchemaElement): boolean {
  return type === 'BYTE_ARRAY' && converted_type === undefined && logical_type === undefined
}
