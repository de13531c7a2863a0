/**
 * Images in a column of a Parquet file, row group by row group: a struct of `bytes` and `path` (what Hugging Face `datasets` writes),
 * plain binary, or lists of either.
 *
 * The file may be hostile: see parquet-rows.ts. Rows of a column that has no bytes at all are one error of the file and not one of each.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { parquetMetadata, type FileMetaData } from 'hyparquet'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { type ByteRanges, type Footer, readFooter } from '../../src/distribute/parquet-footer.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { type Candidate, judge } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { hasBytes, imageColumnOf, textOf } from './parquet-image-column.ts'
import { MAX_ROW_GROUP_BYTES, readRows, tooLarge } from './parquet-rows.ts'

export interface ColumnOptions {
  /** The column with the images; by default found by type and name */
  readonly column?: string
  /** What was guessed */
  readonly onNote?: (note: string) => void
  readonly signal?: AbortSignal
}

/** Every image of a row is an image or a fault. Throws `InvalidInputError` for a file that cannot be read. */
export async function* parquetCandidates(path: string, options: ColumnOptions = {}): AsyncGenerator<Candidate> {
  const handle = await open(path)
  try {
    yield* rowsOf(await fileRanges(handle), options)
  } catch (cause) {
    options.signal?.throwIfAborted()
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (cause instanceof SourceChoiceError) throw new SourceChoiceError(`${path}: ${reason}`)
    throw new InvalidInputError(`${path} cannot be read as Parquet: ${reason}`, { cause })
  } finally {
    await handle.close()
  }
}

/** Does the schema of this file have a column of bytes? True for what is not a Parquet file: reading it says what is wrong. */
export async function mayHaveImages(path: string): Promise<boolean> {
  const handle = await open(path)
  try {
    const { metadata } = await readMetadata(await fileRanges(handle))
    return hasBytes(metadata.schema)
  } catch {
    return true
  } finally {
    await handle.close()
  }
}

// --- internal ---

async function readMetadata(file: ByteRanges): Promise<{ footer: Footer; metadata: FileMetaData }> {
  const footer = await readFooter(file)
  const bytes = await file.slice(footer.start, file.byteLength)
  return { footer, metadata: parquetMetadata(new Uint8Array(bytes).buffer, { geoparquet: false }) }
}

async function* rowsOf(file: ByteRanges, { column: wanted, onNote, signal }: ColumnOptions): AsyncGenerator<Candidate> {
  const { footer, metadata } = await readMetadata(file)
  const { column, others } = imageColumnOf(metadata.schema, wanted)
  if (others.length > 0)
    onNote?.(`images are taken from the column ${textOf(column)} and not from ${others.join(', ')}: --column chooses`)
  let before = 0
  /** Rows without bytes, as long as no row has any */
  let empty: string[] = []
  let hasImages = false
  for (let i = 0; i < footer.rowGroups.length; i++) {
    signal?.throwIfAborted()
    const rows = await readRows(file, footer, metadata, i, column)
    let bytes = 0
    for (const [row, images] of rows.entries()) {
      for (const [k, image] of images.entries()) {
        const name = images.length === 1 ? `row ${before + row}` : `row ${before + row}, image ${k}`
        if (image === undefined && !hasImages) {
          empty.push(name)
          continue
        }
        for (const earlier of empty) yield { name: earlier, fault: NO_BYTES }
        empty = []
        hasImages = true
        // a dictionary gives the same bytes for many rows: a small file may stand for more than any disk holds
        bytes += image?.byteLength ?? 0
        if (bytes > MAX_ROW_GROUP_BYTES) throw new InvalidContentError(tooLarge(i, bytes))
        yield image === undefined ? { name, fault: NO_BYTES } : asImage(name, image)
      }
    }
    before += rows.length
  }
  if (empty.length > 0) {
    throw new InvalidInputError(
      `the column ${textOf(column)} has no bytes in any of ${before} rows, only paths or nothing: write the images themselves into it, or publish the folder that has them`
    )
  }
}

const NO_BYTES = 'it has no image bytes'

/** In a column of images, what is not an image is a fault whatever it is called. */
function asImage(name: string, image: Uint8Array): Candidate {
  const size = image.byteLength
  if (size > MAX_IMAGE_BYTES) return { name, fault: `${size} bytes, at most ${MAX_IMAGE_BYTES}` }
  const { bytes } = judge(name, image)
  return bytes === undefined ? { name, fault: 'it is not a JPEG, PNG or WebP image inside' } : { name, bytes }
}

async function fileRanges(handle: FileHandle): Promise<ByteRanges> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    slice: async (start, end) => {
      const out = new Uint8Array(end - start)
      for (let at = 0; at < out.byteLength;) {
        const { bytesRead } = await handle.read(out, at, out.byteLength - at, start + at)
        if (bytesRead === 0) throw new InvalidContentError('the file became shorter while it was read')
        at += bytesRead
      }
      return out
    }
  }
}
