/**
 * The part of `node:fs/promises` that the stores use, as an interface, so that a test can fail the n-th call, write short or cut
 * the power. The helpers encode two rules that are easy to forget: `read` and `write` may transfer fewer bytes than requested, and a new name is
 * durable only after its directory has been synced as well.
 */
import * as fsPromises from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CoOptError, StoreFullError } from '../../src/errors.ts'

export interface FileHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  truncate(length: number): Promise<void>
  /** Contents and what is needed to read them back (the size) are on disk */
  datasync(): Promise<void>
  sync(): Promise<void>
  stat(): Promise<{ size: number }>
  close(): Promise<void>
}

export interface FileSystem {
  open(path: string, flags: string, mode?: number): Promise<FileHandle>
  rename(from: string, to: string): Promise<void>
  link(existing: string, name: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string, options: { recursive: boolean; mode: number }): Promise<unknown>
  readdir(path: string): Promise<string[]>
  stat(path: string): Promise<{ size: number; mode: number }>
  statfs(path: string): Promise<{ bavail: number; bsize: number }>
  chmod(path: string, mode: number): Promise<void>
}

export const nodeFileSystem: FileSystem = fsPromises

/** Access for the owner only: the home holds the key, and the blocks may be unpublished data. */
export const DIRECTORY_MODE = 0o700
export const FILE_MODE = 0o600

/** Errno name of a failed call, '' for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** A temporary lack of file descriptors or memory is retried after 10, 20, 40 and 80 ms. */
const TRANSIENT = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'])
const READ_DELAYS_MS = [10, 20, 40, 80]

/** A call to the file system failed; `code` is the errno name, the message names the call, the path and what to check. */
export class FileSystemError extends CoOptError {
  static override readonly name = 'FileSystemError'
  readonly code: string
  constructor(code: string, message: string, options: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** An error that names the failed action, the path and a remedy. A full disk becomes `StoreFullError`. */
export function storeError(error: unknown, action: string, path: string): Error {
  if (error instanceof CoOptError) return error // already names them
  const code = errorCode(error)
  const cause = { cause: error }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StoreFullError(`cannot ${action} ${path}: no space left (${code}); free disk space and try again`, cause)
  }
  if (code === '') return error instanceof Error ? error : new Error(String(error))
  const advice =
    code === 'EMFILE' || code === 'ENFILE'
      ? 'too many open files; raise the limit (ulimit -n)'
      : code === 'EROFS'
        ? 'the file system is read-only: remount it writable'
        : code === 'EACCES' || code === 'EPERM'
          ? 'check the permissions of the directory'
          : 'check the disk and the system log'
  return new FileSystemError(code, `cannot ${action} ${path} (${code}); ${advice}`, cause)
}

/** Write all of `bytes` at `position`; a short write is continued. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done)
    // POSIX lets a write of zero bytes succeed on a full device: without this check the loop would never end
    if (bytesWritten <= 0) throw Object.assign(new Error('the write made no progress'), { code: 'ENOSPC' })
    done += bytesWritten
  }
}

/** The whole file, or undefined when it is longer than `maxBytes`. Rejects with the file system's error (`ENOENT`, ...). */
export async function readFully(fs: FileSystem, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const handle = await fs.open(path, 'r')
  try {
    const { size } = await handle.stat()
    if (size > maxBytes) return undefined
    const bytes = new Uint8Array(size)
    let done = 0
    while (done < size) {
      const { bytesRead } = await handle.read(bytes, done, size - done, done)
      if (bytesRead <= 0) break // became shorter meanwhile
      done += bytesRead
    }
    return bytes.subarray(0, done)
  } finally {
    await handle.close()
  }
}

/** Make the names in a directory durable. Windows cannot open directories; NTFS journals names by itself. */
export async function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await fs.open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Remove a file that may be gone already. */
export async function removeIfPresent(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Remove a temporary file after `error` and return that error, with a note if the file cannot be removed. */
export async function removeAfter<E extends Error>(error: E, fs: FileSystem, path: string): Promise<E> {
  try {
    await removeIfPresent(fs, path)
  } catch (again) {
    error.message += ` (${path} is left behind: ${errorCode(again)})`
  }
  return error
}

/** Close a file after `error` and return that error. */
export async function closeAfter<E extends Error>(error: E, handle: FileHandle): Promise<E> {
  try {
    await handle.close() // may repeat a failed close: Node has released the descriptor by then and resolves
  } catch (again) {
    error.message += ` (and the file cannot be closed: ${errorCode(again)})`
  }
  return error
}

/** Retry an action that fails because of a temporary shortage of resources. */
export async function persevering<T>(action: () => Promise<T>): Promise<T> {
  for (const delay of READ_DELAYS_MS) {
    try {
      return await action()
    } catch (error) {
      if (!TRANSIENT.has(errorCode(error))) throw error
      await sleep(delay)
    }
  }
  return await action()
}
