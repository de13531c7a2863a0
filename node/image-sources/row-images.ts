/** Values of a column of images, row by row -> candidates. */
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { type Candidate, judgeValue, NO_BYTES } from './candidates.ts'

/** For each row its values in order, undefined for a null. */
export type ColumnRows = readonly (readonly (Uint8Array | undefined)[])[]

/** Of one batch of rows, encoded or decoded. Shards of Hugging Face have 500 MB: even one that is a single row group fits. */
export const MAX_BATCH_BYTES = 536_870_912

/**
 * Every value is an image or a fault. `column` is named in the message about one without any bytes, which is one error of the file and
 * not one of each row: `InvalidInputError`. Throws `InvalidContentError` for a batch that stands for more than `MAX_BATCH_BYTES`.
 */
export async function* rowImages(
  batches: AsyncIterable<ColumnRows>,
  { column, maxBytes }: { column: () => string; maxBytes?: number | undefined }
): AsyncGenerator<Candidate> {
  let before = 0
  /** Values without bytes, as long as no value has any */
  let empty: string[] = []
  let hasBytes = false
  for await (const rows of batches) {
    let bytes = 0
    for (const [row, values] of rows.entries()) {
      for (const [k, value] of values.entries()) {
        const name = values.length === 1 ? `row ${before + row}` : `row ${before + row}, image ${k}`
        if (value === undefined && !hasBytes) {
          empty.push(name)
          continue
        }
        for (const earlier of empty) yield { name: earlier, fault: NO_BYTES }
        empty = []
        hasBytes = true
        // a dictionary gives the same bytes for many rows: a small file may stand for more than any disk holds
        bytes += value?.byteLength ?? 0
        if (bytes > MAX_BATCH_BYTES)
          throw new InvalidContentError(
            `its rows stand for more than ${MAX_BATCH_BYTES} bytes of images at once: write the file again with smaller row groups`
          )
        yield judgeValue(name, value, maxBytes)
      }
    }
    before += rows.length
  }
  if (empty.length > 0) {
    throw new InvalidInputError(
      `the column ${column()} has no bytes in any of ${before} rows, only paths or nothing: write the images themselves into it, or publish the folder that has them`
    )
  }
}
