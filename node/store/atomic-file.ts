/**
 * Writes whole files atomically, so that a reader finds the old or the new version and never a mixture: write a temporary file, sync it, rename it, sync the
 * directory. When the promise resolves the new version survives a power cut.
 */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import { DamagedStoreError } from '../../src/errors.ts'
import {
  errorCode,
  FILE_MODE,
  nodeFileSystem,
  readFully,
  removeAfter,
  removeIfPresent,
  storeError,
  syncDirectory,
  writeFully,
  type FileHandle,
  type FileSystem
} from './file-system.ts'

export interface AtomicWriteOptions {
  fs?: FileSystem
  /** Permissions of a new file */
  mode?: number
}

/** Our JSON files have a few kilobytes; a megabyte is a mistake or an attack. */
const MAX_JSON_BYTES = 1024 * 1024

/** Replace or create `path`. Rejects with `StoreFullError` or an error that names the path; the old version is then unchanged. */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array,
  { fs = nodeFileSystem, mode = FILE_MODE }: AtomicWriteOptions = {}
): Promise<void> {
  await throughTemporary(fs, path, bytes, mode, temporary => fs.rename(temporary, path))
}

/** Create `path` without ever replacing it: rejects with `code` `EEXIST` if it exists, even if two processes create it at once. */
export async function createFileAtomic(
  path: string,
  bytes: Uint8Array,
  { fs = nodeFileSystem, mode = FILE_MODE }: AtomicWriteOptions = {}
): Promise<void> {
  await throughTemporary(fs, path, bytes, mode, async temporary => {
    await fs.link(temporary, path)
    await fs.unlink(temporary)
  })
}

export async function writeJsonAtomic(path: string, value: unknown, options: AtomicWriteOptions = {}): Promise<void> {
  await writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`), options)
}

/** Remove temporary files that killed processes left in `directory`. Requires the lock of the home. */
export async function removeTemporaries(directory: string, fs: FileSystem = nodeFileSystem): Promise<void> {
  for (const name of await fs.readdir(directory)) {
    if (name.endsWith('.tmp')) await removeIfPresent(fs, join(directory, name))
  }
}

/** Parsed and checked contents, or undefined if the file does not exist. Throws `DamagedStoreError` naming file and reason. */
export async function readJson<T extends z.ZodType>(
  path: string,
  schema: T,
  { fs = nodeFileSystem }: { fs?: FileSystem } = {}
): Promise<z.output<T> | undefined> {
  const bytes = await readIfPresent(fs, path)
  if (bytes === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new DamagedStoreError(`${path} is not JSON (${bytes.byteLength} bytes); restore it from a backup`, { cause })
  }
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  throw new DamagedStoreError(`${path}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'does not fit the schema'}`)
}

// --- internal ---

async function readIfPresent(fs: FileSystem, path: string): Promise<Uint8Array | undefined> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await readFully(fs, path, MAX_JSON_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw storeError(error, 'read', path)
  }
  if (bytes === undefined) throw new DamagedStoreError(`${path} is longer than ${MAX_JSON_BYTES} bytes`)
  return bytes
}

async function throughTemporary(
  fs: FileSystem,
  path: string,
  bytes: Uint8Array,
  mode: number,
  publish: (temporary: string) => Promise<void>
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`
  let handle: FileHandle
  try {
    handle = await fs.open(temporary, 'wx', mode)
  } catch (error) {
    throw storeError(error, 'write', path) // nothing was created, so there is nothing to clean up
  }
  try {
    try {
      await writeFully(handle, bytes, 0)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await publish(temporary)
    await syncDirectory(fs, dirname(path))
  } catch (error) {
    throw await removeAfter(storeError(error, 'write', path), fs, temporary)
  }
}
