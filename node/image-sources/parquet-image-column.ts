/** Which column of a Parquet file has the images: by its type, and by its name where several could. */
import type { SchemaElement } from 'hyparquet'
import { InvalidInputError } from '../../src/errors.ts'

/** What data sets call it, most usual first */
const USUAL_NAMES = ['image', 'img', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'photo']

/**
 * The name of the top-level column: a struct with `bytes` before plain binary, a usual name before another.
 *
 * Throws `InvalidInputError` when there is none, or several of which none has a usual name. `schema` is depth-first, the root first.
 */
export function imageColumnOf(schema: readonly SchemaElement[]): string {
  const structs: string[] = []
  const binaries: string[] = []
  for (let at = 1; at < schema.length;) {
    const element = schema[at] as SchemaElement
    const end = endOf(schema, at)
    if (element.repetition_type !== 'REPEATED') {
      if (end === at + 1 && isBinary(element)) binaries.push(element.name)
      // its children must be leaves
      else if (end === at + 1 + (element.num_children ?? 0) && schema.slice(at + 1, end).some(isImageBytes))
        structs.push(element.name)
    }
    at = end
  }
  for (const found of [structs, binaries]) {
    const [only] = found
    if (found.length === 1 && only !== undefined) return only
    const usual = USUAL_NAMES.find(name => found.includes(name))
    if (usual !== undefined) return usual
    if (found.length > 1)
      throw new InvalidInputError(`any of the columns ${found.join(', ')} may have the images: call it "image"`)
  }
  throw new InvalidInputError('no column is binary, or a struct of bytes and path: there are no images in it')
}

// --- internal ---

const isImageBytes = (element: SchemaElement): boolean => element.name === 'bytes' && isBinary(element)

/** Bytes that are not text. */
function isBinary({ type, repetition_type, converted_type, logical_type }: SchemaElement): boolean {
  return (
    type === 'BYTE_ARRAY' &&
    repetition_type !== 'REPEATED' &&
    converted_type === undefined &&
    logical_type === undefined
  )
}

/** Index behind the element at `start` and all below it. */
function endOf(schema: readonly SchemaElement[], start: number): number {
  let open = 1
  let at = start
  for (; open > 0 && at < schema.length; at++) open += (schema[at]?.num_children ?? 0) - 1
  return at
}
