/**
 * Images in a column of a Parquet file, row group by row group: a struct of `bytes` and `path` (what Hugging Face `datasets` writes),
 * plain binary, or lists of either. The file may be hostile: see parquet-rows.ts.
 */
import { open } from 'node:fs/promises'
import { type FileMetaData, parquetMetadata } from 'hyparquet'
import { type ByteRanges, type Footer, readFooter } from '../../src/distribute/parquet-footer.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Candidate } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { diskRanges } from './disk-ranges.ts'
import { columnText, guessText } from './image-column.ts'
import { hasBytes, imageColumnOf } from './parquet-image-column.ts'
import { readRows } from './parquet-rows.ts'
import { type ColumnRows, rowImages } from './row-images.ts'

export interface ColumnOptions {
  /** The column with the images; by default found by type and name */
  readonly column?: string
  /** Most bytes of an image */
  readonly maxBytes?: number
  /** What was guessed */
  readonly onNote?: (note: string) => void
  readonly signal?: AbortSignal
}

/** Every value is an image or a fault. Throws `InvalidInputError` for a file that cannot be read, `SourceChoiceError`. */
export async function* parquetCandidates(path: string, options: ColumnOptions = {}): AsyncGenerator<Candidate> {
  const handle = await open(path)
  try {
    const file = await diskRanges(handle)
    const { footer, metadata } = await readMetadata(file)
    const choice = imageColumnOf(metadata.schema, options.column)
    const guess = guessText(choice)
    if (guess !== undefined) options.onNote?.(guess)
    const { column } = choice
    const batches = async function* (): AsyncGenerator<ColumnRows> {
      for (let i = 0; i < footer.rowGroups.length; i++) {
        options.signal?.throwIfAborted()
        yield await readRows(file, footer, metadata, i, column)
      }
    }
    yield* rowImages(batches(), { column: () => columnText(column), maxBytes: options.maxBytes })
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
    const { metadata } = await readMetadata(await diskRanges(handle))
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
