/**
 * Progress of one long computation of matrix rows: each finished batch is appended to a file, so a crash loses only the current batch and a power cut
 * at most `SYNC_EVERY_BYTES` more.
 *
 * The file is made of frames (frames.ts): first the shape, then batches of `u32 first row, float32 rows` (little-endian). Anything damaged, or not
 * continuing the rows before it, is cut off: it can be recomputed. A file of another shape is discarded.
 */
import { endianness } from 'node:os'
import { dirname } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import { writeFileAtomic } from './atomic-file.ts'
import {
  closeAfter,
  DIRECTORY_MODE,
  errorCode,
  nodeFileSystem,
  readFully,
  removeIfPresent,
  storeError,
  writeFully,
  type FileHandle,
  type FileSystem
} from './file-system.ts'
import { encodeFrame, encodeHeader, FRAME_HEAD_BYTES, HEADER_BYTES, scanFrames } from './frames.ts'

const MAGIC = 'cooptprg'
const VERSION = 1

/** Batches are a few hundred rows of at most 4,096 dimensions: 64 MiB leaves room and bounds what a damaged length can allocate. */
const MAX_BATCH_BYTES = 64 * 1024 * 1024

/** A power cut loses at most this much: 8 MiB are 8,192 rows of 256 dimensions. A crash of the process loses none of it. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024

export interface ProgressOptions {
  /** Shape of the whole matrix */
  rows: number
  columns: number
  fs?: FileSystem
}

export interface Progress {
  /** Rows finished */
  readonly done: number
  /** Bytes that were cut off on opening, 0 for an intact file */
  readonly discardedBytes: number
  /** Append whole rows, row-major. Rejects with `StoreFullError` or an error naming the path. */
  append(rows: Float32Array): Promise<void>
  /** The finished rows, `done` x `columns`; a copy. */
  read(): Promise<Float32Array>
  /** Sync and close; the file stays for the next run. */
  close(): Promise<void>
  /** Close and delete, once the result is durable elsewhere. */
  remove(): Promise<void>
}

/** Open or create the journal at `path`, including its directory. */
export async function openProgress(path: string, options: ProgressOptions): Promise<Progress> {
  const { rows, columns, fs = nodeFileSystem } = options
  if (!Number.isSafeInteger(rows * columns) || rows < 1 || columns < 1 || rows * columns > 2 ** 31) {
    throw new InvalidInputError(
      `progress of a ${rows} x ${columns} matrix: the shape is invalid or does not fit memory`
    )
  }
  const data = new Float32Array(rows * columns)
  try {
    await fs.mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE })
    const { done, end, discardedBytes } = await recover(fs, path, data, columns)
    const handle = await fs.open(path, 'r+')
    return createProgress({ fs, path, handle, data, columns, done, end, discardedBytes })
  } catch (error) {
    throw storeError(error, 'open the progress journal', path)
  }
}

// --- internal ---

interface State extends Recovered {
  fs: FileSystem
  path: string
  handle: FileHandle
  data: Float32Array
  columns: number
}

function createProgress(state: State): Progress {
  const { fs, path, handle, data, columns, discardedBytes } = state
  let { done, end } = state
  let untidy = discardedBytes > 0 // the file is truncated to `end` before the next batch
  let unsynced = 0
  let closed = false
  let last: Promise<unknown> = Promise.resolve()

  const add = async (rows: Float32Array): Promise<void> => {
    if (closed) throw new InvalidInputError(`${path} is closed`)
    if (rows.length === 0 || rows.length % columns !== 0 || done * columns + rows.length > data.length) {
      throw new InvalidInputError(
        `${rows.length} values are not whole rows of ${columns} after ${done} of ${data.length / columns} rows`
      )
    }
    try {
      if (untidy) await handle.truncate(end)
      untidy = true
      const frame = encodeFrame(encodeBatch(done, rows))
      await writeFully(handle, frame, end)
      untidy = false
      end += frame.byteLength
      data.set(rows, done * columns)
      done += rows.length / columns
      unsynced += frame.byteLength
      if (unsynced >= SYNC_EVERY_BYTES) await sync()
    } catch (error) {
      throw storeError(error, 'append to', path)
    }
  }

  const sync = async (): Promise<void> => {
    await handle.datasync()
    unsynced = 0
  }

  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await Promise.allSettled([last])
    try {
      if (unsynced > 0) await sync()
      await handle.close()
    } catch (error) {
      throw await closeAfter(storeError(error, 'finish', path), handle)
    }
  }

  return {
    get done() {
      return done
    },
    discardedBytes,
    append: rows => {
      const mine = last.then(() => add(rows))
      last = mine.catch(() => undefined) // its caller gets the error; the next append retries
      return mine
    },
    read: async () => data.slice(0, done * columns),
    close,
    remove: async () => {
      unsynced = 0
      await close()
      try {
        await removeIfPresent(fs, path)
      } catch (error) {
        throw storeError(error, 'remove', path)
      }
    }
  }
}

interface Recovered {
  done: number
  /** Offset after the last intact batch */
  end: number
  discardedBytes: number
}

/** Fill `data` with what is finished. */
async function recover(fs: FileSystem, path: string, data: Float32Array, columns: number): Promise<Recovered> {
  const shape = Buffer.alloc(8)
  shape.writeUInt32LE(data.length / columns, 0)
  shape.writeUInt32LE(columns, 4)
  const start = Buffer.concat([encodeHeader(MAGIC, VERSION), encodeFrame(shape)])
  const bytes = await readIfPresent(fs, path, data.byteLength)
  const scan = bytes === undefined ? undefined : scanFrames(bytes, MAGIC, VERSION, MAX_BATCH_BYTES)
  if (bytes === undefined || scan?.header !== 'ok' || !(scan.frames[0] !== undefined && shape.equals(scan.frames[0]))) {
    await writeFileAtomic(path, start, { fs })
    return { done: 0, end: start.byteLength, discardedBytes: 0 }
  }
  const sound = scan.damage[0]?.start ?? bytes.byteLength
  let done = 0
  let end = start.byteLength
  for (const batch of scan.frames.slice(1)) {
    if (end >= sound) break
    const values = decodeBatch(batch, done)
    if (values === undefined || values.length % columns !== 0 || done * columns + values.length > data.length) break
    data.set(values, done * columns)
    done += values.length / columns
    end += FRAME_HEAD_BYTES + batch.byteLength
  }
  return { done, end, discardedBytes: bytes.byteLength - end }
}

/** Undefined if the file does not exist, or is longer than the whole matrix in batches of one row and hence not ours. */
async function readIfPresent(fs: FileSystem, path: string, matrixBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await readFully(fs, path, HEADER_BYTES + 64 + matrixBytes * 8)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function encodeBatch(firstRow: number, rows: Float32Array): Uint8Array {
  const bytes = Buffer.alloc(4 + rows.byteLength)
  bytes.writeUInt32LE(firstRow, 0)
  const values = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
  bytes.set(endianness() === 'LE' ? values : Buffer.from(values).swap32(), 4)
  return bytes
}

/** Undefined when it is not the batch that begins at `firstRow`. */
function decodeBatch(batch: Uint8Array, firstRow: number): Float32Array | undefined {
  if (batch.byteLength <= 4 || batch.byteLength % 4 !== 0) return undefined
  const values = Uint8Array.from(batch.subarray(4)) // copied for alignment
  if (new DataView(batch.buffer, batch.byteOffset).getUint32(0, true) !== firstRow) return undefined
  if (endianness() === 'BE') Buffer.from(values.buffer).swap32()
  return new Float32Array(values.buffer)
}
