/**
 * The output of a model for a batch -> one feature row per image: maps [N, C, H, W] averaged over space, tokens [N, T, D] averaged or
 * represented by their first, [N, l] as it is. Sums in float64, results in float32.
 */
import { InvalidPriorError } from '../errors.ts'

/** Embeddings are not larger; matches the largest dimension that a score record may state. */
const MAX_DIMENSION = 1_048_576

/** rows x l, row-major. Throws `InvalidPriorError` on any other shape. */
export function poolFeatures(
  data: Float32Array | Float64Array | Float16Array,
  dims: readonly number[],
  rows: number,
  tokens: 'mean' | 'first'
): Float32Array {
  const rank = dims.length
  const total = dims.reduce((p, d) => p * d, 1)
  if (dims[0] !== rows || rank < 2 || rank > 4 || total === 0 || total !== data.length) {
    throw new InvalidPriorError(
      `the feature has shape [${dims.join(', ')}] for ${rows} images; [N, l], [N, tokens, l] or [N, l, H, W] is supported: choose another tensor with --output`
    )
  }
  const [, a = 1, b = 1, c = 1] = dims
  const dimension = rank === 3 ? b : a
  if (dimension > MAX_DIMENSION)
    throw new InvalidPriorError(`the feature has ${dimension} numbers per image, at most ${MAX_DIMENSION}`)
  if (rank === 2) return Float32Array.from(data)
  const out = new Float32Array(rows * dimension)
  // position of element j of group i: a map has its pixels in a row, tokens are `dimension` apart
  const count = rank === 4 ? b * c : tokens === 'first' ? 1 : a
  const [step, each] = rank === 4 ? [1, b * c] : [b, 1]
  for (let row = 0; row < rows; row++) {
    const start = row * a * b * c
    for (let i = 0; i < dimension; i++) {
      let sum = 0
      for (let j = 0, at = start + i * each; j < count; j++, at += step) sum += data[at] as number
      out[row * dimension + i] = sum / count
    }
  }
  return out
}
