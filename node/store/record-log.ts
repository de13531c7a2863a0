/**
 * Append-only log of the signed records of one swarm: the write-ahead log. A record counts as published when `append` with `sync`
 * has resolved, before it is announced.
 *
 * - Appends are written in order, several at a time; those that ask for a sync share one (appends during a sync wait for the next, so the group grows
 *   with the latency of the disk).
 * - A failed append leaves the log unchanged: partial data is cut off again.
 * - Opening never loses anything silently: damaged parts are copied to `<log>.damaged-<n>` and reported, and intact frames after them are kept.
 *   Records lost to damage come back from other peers, own ones included if any peer has them.
 */
import { dirname } from 'node:path'
import { MAX_ENVELOPE_OVERHEAD_BYTES } from '../../src/envelope.ts'
import { DamagedStoreError, InvalidInputError } from '../../src/errors.ts'
import { MAX_RECORD_BYTES } from '../../src/publish/record.ts'
import { createFileAtomic, writeFileAtomic } from './atomic-file.ts'
import {
  closeAfter,
  errorCode,
  nodeFileSystem,
  readFully,
  storeError,
  syncDirectory,
  writeFully,
  type FileHandle,
  type FileSystem
} from './file-system.ts'
import { encodeFrame, encodeHeader, HEADER_BYTES, scanFrames } from './frames.ts'

const MAGIC = 'cooptlog'
const VERSION = 1

/** A sealed record; checked again when its envelope is opened. */
export const MAX_LOGGED_BYTES = MAX_RECORD_BYTES + MAX_ENVELOPE_OVERHEAD_BYTES

/**
 * The largest quota that a manifest can state, 1 GiB, and half of it for heads of frames and own records that are kept beyond the quota. A longer
 * file is not what this node wrote.
 */
export const MAX_LOG_BYTES = 1536 * 1024 * 1024

export interface LogReport {
  /** Whole records found */
  readonly recovered: number
  /** Bytes that are not part of a record, 0 for a sound log */
  readonly lostBytes: number
  /** Where these bytes were saved, if there were any */
  readonly damagedFile?: string
}

export interface RecordLog {
  readonly path: string
  readonly report: LogReport
  /**
   * Append one sealed record. Once this resolves, it survives a crash of the process and, with `sync`, a power cut. Rejects
   * with `StoreFullError` or an error naming the path; the record is not in the log then.
   */
  append(bytes: Uint8Array, options: { sync: boolean }): Promise<void>
  /** Finish pending appends, sync and close. Later appends reject. */
  close(): Promise<void>
}

export interface RecordLogOptions {
  fs?: FileSystem
  /** Called with every record in the log, in order, before `openRecordLog` resolves */
  replay?: (bytes: Uint8Array) => void
}

/** Open or create the log. Throws `DamagedStoreError` only for a log of a newer version or an implausibly large file. */
export async function openRecordLog(path: string, options: RecordLogOptions = {}): Promise<RecordLog> {
  const { fs = nodeFileSystem, replay = () => {} } = options
  try {
    const { frames, end, report } = await recover(fs, path)
    const handle = await fs.open(path, 'r+')
    try {
      // data and name written by a killed process may not be durable yet, and replayed records will be announced
      await handle.datasync()
      await syncDirectory(fs, dirname(path))
      for (const frame of frames) replay(frame)
    } catch (error) {
      throw await closeAfter(storeError(error, 'replay', path), handle)
    }
    return createLog(path, handle, end, report)
  } catch (error) {
    throw storeError(error, 'open the record log', path)
  }
}

/** The records of a log that another process may be writing: neither repaired nor changed, and what is damaged or half written is left out. */
export async function readRecords(path: string, fs: FileSystem = nodeFileSystem): Promise<Uint8Array[]> {
  try {
    const bytes = await readLog(fs, path)
    return bytes === undefined ? [] : parseRecords(bytes)
  } catch (error) {
    throw storeError(error, 'read the record log', path)
  }
}

/** The contents of a log. */
export function encodeRecords(records: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([encodeHeader(MAGIC, VERSION), ...records.map(encodeFrame)])
}

/** The records in the contents of a log, without what is damaged. */
export function parseRecords(log: Uint8Array): Uint8Array[] {
  return scanFrames(log, MAGIC, VERSION, MAX_LOGGED_BYTES).frames
}

// --- internal ---

interface Pending {
  frame: Uint8Array
  sync: boolean
  resolve: () => void
  reject: (error: Error) => void
}

function createLog(path: string, handle: FileHandle, start: number, report: LogReport): RecordLog {
  /** Offset of the next frame; everything before it is intact */
  let end = start
  /** There may be bytes of a failed append after `end` */
  let untidy = false
  let unsynced = false
  let queue: Pending[] = []
  let draining: Promise<void> | undefined
  let closed = false

  const cutBack = async (): Promise<void> => {
    await handle.truncate(end)
    untidy = false
  }

  const write = async (batch: Pending[]): Promise<void> => {
    if (untidy) await cutBack()
    const bytes = Buffer.concat(batch.map(({ frame }) => frame))
    const sync = batch.some(pending => pending.sync)
    untidy = true
    await writeFully(handle, bytes, end)
    if (sync) await handle.datasync()
    untidy = false
    unsynced = !sync
    end += bytes.byteLength
  }

  const drain = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue
      queue = []
      try {
        await write(batch)
        for (const pending of batch) pending.resolve()
      } catch (error) {
        const told = storeError(error, 'append to', path)
        try {
          if (untidy) await cutBack()
        } catch (again) {
          told.message += ` (a part of the record remains at the end of the file until the next append: ${errorCode(again)})`
        }
        for (const pending of batch) pending.reject(told)
      }
    }
    draining = undefined
  }

  return {
    path,
    report,
    append: async (bytes, { sync }) => {
      if (closed) throw new InvalidInputError(`${path} is closed`)
      if (bytes.byteLength === 0 || bytes.byteLength > MAX_LOGGED_BYTES) {
        throw new InvalidInputError(`a record of ${bytes.byteLength} bytes; the log accepts 1 to ${MAX_LOGGED_BYTES}`)
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      queue.push({ frame: encodeFrame(bytes), sync, resolve, reject })
      draining ??= drain()
      await promise
    },
    close: async () => {
      if (closed) return
      closed = true
      await draining
      try {
        if (untidy) await cutBack()
        if (unsynced) await handle.datasync()
        await handle.close()
      } catch (error) {
        throw await closeAfter(storeError(error, 'finish', path), handle)
      }
    }
  }
}

interface Recovered {
  frames: Uint8Array[]
  end: number
  report: LogReport
}

/** Repair the log at `path` and report its contents. */
async function recover(fs: FileSystem, path: string): Promise<Recovered> {
  const header = encodeHeader(MAGIC, VERSION)
  const bytes = await readLog(fs, path)
  if (bytes === undefined) {
    await createFileAtomic(path, header, { fs })
    return { frames: [], end: HEADER_BYTES, report: { recovered: 0, lostBytes: 0 } }
  }
  const scan = scanFrames(bytes, MAGIC, VERSION, MAX_LOGGED_BYTES)
  if (typeof scan.header === 'object') {
    throw new DamagedStoreError(
      `${path} has format version ${scan.header.version}, but this version of CoOpt supports ${VERSION}; update CoOpt`
    )
  }
  const { frames, damage } = scan
  if (scan.header === 'ok' && damage.length === 0) {
    return { frames, end: bytes.byteLength, report: { recovered: frames.length, lostBytes: 0 } }
  }
  const parts = damage.map(({ start, end }) => bytes.subarray(start, end))
  const present = parts.reduce((sum, part) => sum + part.byteLength, 0)
  const aside = present === 0 ? {} : { damagedFile: await keepAside(fs, path, parts) }
  const sound = Buffer.concat([header, ...frames.map(encodeFrame)])
  await writeFileAtomic(path, sound, { fs })
  const missing = Math.max(0, HEADER_BYTES - bytes.byteLength) // a log is created with its header, so it was truncated
  const report = { recovered: frames.length, lostBytes: present + missing, ...aside }
  return { frames, end: sound.byteLength, report }
}

async function readLog(fs: FileSystem, path: string): Promise<Uint8Array | undefined> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await readFully(fs, path, MAX_LOG_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  if (bytes === undefined)
    throw new DamagedStoreError(`${path} is longer than ${MAX_LOG_BYTES} bytes: not a record log`)
  return bytes
}

/** Copy damaged parts to the first free `<path>.damaged-<n>`. */
async function keepAside(fs: FileSystem, path: string, parts: Uint8Array[]): Promise<string> {
  for (let n = 1; ; n++) {
    const name = `${path}.damaged-${n}`
    try {
      await createFileAtomic(name, Buffer.concat(parts), { fs })
      return name
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
}
