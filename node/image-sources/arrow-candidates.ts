/**
 * Images in a column of an Arrow IPC stream or file (Hugging Face's cache, Feather, polars), batch by batch: the same columns as in
 * Parquet. The source may be hostile: messages are checked first (arrow-messages.ts), and lists are followed here, within their bounds.
 */
import { open } from 'node:fs/promises'
import { zstdDecompressSync } from 'node:zlib'
import {
  type Batch,
  CompressionType,
  type DataType,
  type Field,
  setCompressionCodec,
  tableFromIPC,
  Type
} from '@uwdata/flechette'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { fileMessages } from './arrow-file.ts'
import { type ArrowMessage, streamMessages } from './arrow-messages.ts'
import type { ByteStream } from './byte-streams.ts'
import type { Candidate } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { diskRanges } from './disk-ranges.ts'
import { type BytesColumn, chooseColumn, columnText, guessText } from './image-column.ts'
import { decodeLz4Frame } from './lz4.ts'
import type { ColumnOptions } from './parquet-candidates.ts'
import { type ColumnRows, MAX_BATCH_BYTES, rowImages } from './row-images.ts'

/** Rows and entries of lists of a batch. */
const MAX_BATCH_VALUES = 4_194_304

const encode = (): never => {
  throw new Error('nothing is written as Arrow')
}
setCompressionCodec(CompressionType.LZ4_FRAME, { decode: decodeLz4Frame, encode })
setCompressionCodec(CompressionType.ZSTD, {
  decode: (bytes, length) => (length === 0 ? new Uint8Array() : zstdDecompressSync(bytes, { maxOutputLength: length })),
  encode
})

/** Every value is an image or a fault. Throws `InvalidInputError` for a stream that cannot be read, `SourceChoiceError`. */
export async function* arrowStreamCandidates(
  name: string,
  source: ByteStream,
  options: ColumnOptions = {}
): AsyncGenerator<Candidate> {
  yield* candidates(name, streamMessages(source), options)
}

/** As `arrowStreamCandidates`, for a file with a footer. */
export async function* arrowFileCandidates(path: string, options: ColumnOptions = {}): AsyncGenerator<Candidate> {
  const handle = await open(path)
  try {
    yield* candidates(path, fileMessages(await diskRanges(handle)), options)
  } finally {
    await handle.close()
  }
}

// --- internal ---

async function* candidates(
  name: string,
  messages: AsyncIterable<ArrowMessage>,
  options: ColumnOptions
): AsyncGenerator<Candidate> {
  try {
    let text = ''
    const batches = columnBatches(messages, options, column => (text = columnText(column)))
    yield* rowImages(batches, { column: () => text, maxBytes: options.maxBytes })
  } catch (cause) {
    options.signal?.throwIfAborted()
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (cause instanceof SourceChoiceError) throw new SourceChoiceError(`${name}: ${reason}`)
    throw new InvalidInputError(`${name} cannot be read as Arrow: ${reason}`, { cause })
  }
}

async function* columnBatches(
  messages: AsyncIterable<ArrowMessage>,
  options: ColumnOptions,
  onColumn: (column: BytesColumn) => void
): AsyncGenerator<ColumnRows> {
  let schema: Uint8Array | undefined
  let column: BytesColumn | undefined
  const dictionaries: Uint8Array[] = []
  let dictionaryBytes = 0
  for await (const { kind, bytes } of messages) {
    options.signal?.throwIfAborted()
    if (kind === 'schema') {
      if (schema !== undefined) throw new InvalidContentError('a second schema')
      schema = bytes
      const choice = columnOf(tableFromIPC([schema]).schema.fields, options.column)
      const guess = guessText(choice)
      if (guess !== undefined) options.onNote?.(guess)
      column = choice.column
      onColumn(column)
    } else if (kind === 'dictionary') {
      dictionaryBytes += bytes.byteLength
      if (dictionaryBytes > MAX_BATCH_BYTES)
        throw new InvalidContentError(`dictionaries of more than ${MAX_BATCH_BYTES} bytes`)
      dictionaries.push(bytes)
    } else if (schema === undefined || column === undefined) throw new InvalidContentError('rows before a schema')
    else yield rowsOf([schema, ...dictionaries, bytes], column.path)
  }
  if (schema === undefined) throw new InvalidContentError('it has no schema')
}

function columnOf(fields: readonly Field[], wanted: string | undefined): ReturnType<typeof chooseColumn<BytesColumn>> {
  const columns: BytesColumn[] = []
  const names: string[] = []
  const visit = ({ name, type }: Field, above: readonly string[], inList: boolean): void => {
    const path = [...above, name]
    const children = 'children' in type ? type.children : []
    const isList = inList || isListType(type)
    if (isBytesType(type)) columns.push({ path, isList })
    if (children.length === 0) names.push(name)
    if (type.typeId === Type.Struct || isListType(type)) for (const child of children) visit(child, path, isList)
  }
  for (const field of fields) visit(field, [], false)
  return chooseColumn(columns, names, wanted)
}

const isListType = ({ typeId }: DataType): boolean => typeId === Type.List || typeId === Type.LargeList

function isBytesType(type: DataType): boolean {
  if (type.typeId === Type.Dictionary) return isBytesType(type.dictionary)
  const { typeId } = type
  return typeId === Type.Binary || typeId === Type.LargeBinary || typeId === Type.BinaryView
}

function rowsOf(messages: Uint8Array[], [top = '', ...below]: readonly string[]): ColumnRows {
  const batch = tableFromIPC(messages, { useBigInt: false }).getChild(top)?.data[0]
  if (batch === undefined) return []
  if (batch.length > MAX_BATCH_VALUES) throw new InvalidContentError(`a batch of ${batch.length} rows`)
  let left = MAX_BATCH_VALUES
  // lists may overlap: a few bytes can stand for any number of entries, so they are counted before they are made
  const spend = (entries: number): void => {
    left -= entries
    if (left < 0) throw new InvalidContentError(`a batch of more than ${MAX_BATCH_VALUES} values`)
  }
  return Array.from({ length: batch.length }, (_, row) => valuesOf(batch, row, below, spend))
}

/** The byte arrays at place `i` of a batch, `path` further down. `spend` throws when lists have too many entries. */
function valuesOf(
  batch: Batch<unknown>,
  i: number,
  path: readonly string[],
  spend: (entries: number) => void
): (Uint8Array | undefined)[] {
  const [name, ...below] = path
  if (name === undefined) {
    const value = batch.at(i)
    return [value instanceof Uint8Array ? value : undefined]
  }
  // without nulls there may be no bitmap
  if (batch.nullCount > 0 && batch.validity.length > 0 && !batch.isValid(i))
    return isListType(batch.type) ? [] : [undefined]
  const children = 'children' in batch.type ? batch.type.children : []
  const child = batch.children[children.findIndex(field => field.name === name)]
  if (child === undefined) throw new InvalidContentError(`a batch without the column ${name}`)
  if (!isListType(batch.type)) {
    if (i >= child.length) throw new InvalidContentError(`a batch whose column ${name} is shorter than it`)
    return valuesOf(child, i, below, spend)
  }
  const [start, end] = [Number(batch.offsets[i]), Number(batch.offsets[i + 1])]
  if (!(start >= 0 && start <= end && end <= child.length && end - start <= MAX_BATCH_VALUES))
    throw new InvalidContentError(`a list beyond its ${child.length} entries`)
  spend(end - start)
  return Array.from({ length: end - start }, (_, k) => valuesOf(child, start + k, below, spend)).flat()
}
