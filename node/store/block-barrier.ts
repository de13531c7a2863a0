/**
 * Group commit of block files: remembers what was written and makes all of it durable in one round on request.
 *
 * A round syncs the data of every file, then each directory once, then the root (which names the directories). Callers that
 * arrive while a round runs share the next one, because the running one may have begun before their writes.
 *
 * When the sync of a file fails, the kernel may drop the written pages and call the next sync a success (Rebello et al., "Can
 * applications recover from fsync failures?", USENIX ATC 2020). So such a file is removed and reported; it must be stored again.
 */
import { join } from 'node:path'
import { DamagedStoreError } from '../../src/errors.ts'
import { shardOf } from './block-files.ts'
import { errorCode, storeError, syncDirectory, type FileHandle, type FileSystem } from './file-system.ts'

/** Concurrent syncs: the file system's journal commits several together, and libuv has four threads. */
const SYNC_CONCURRENCY = 4

/** Bounds the names remembered (about 100 bytes each): at this number a round is run. */
const MAX_PENDING = 65_536

export interface Barrier {
  add(name: string): void
  /** The file was deleted on purpose: there is nothing to make durable. */
  forget(name: string): void
  /** The file turned out to be damaged, so its put cannot be made durable. */
  lose(name: string): void
  /** The last sync of this file failed: reading it back proves nothing about the disk, so it must be rewritten. */
  isSuspect(name: string): boolean
  wait(): Promise<void>
  /** Run a round if too much is pending. */
  bound(): Promise<void>
}

export function createBarrier(fs: FileSystem, root: string, remove: (name: string) => Promise<void>): Barrier {
  let pending = new Set<string>()
  let syncing = new Set<string>()
  const suspect = new Set<string>()
  const lost = new Set<string>()
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  const syncFile = async (name: string): Promise<void> => {
    if (!syncing.has(name)) return
    const path = join(root, shardOf(name), name)
    let handle: FileHandle
    try {
      handle = await fs.open(path, 'r+')
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw storeError(error, 'open for syncing', path)
      if (syncing.delete(name)) lost.add(name)
      return
    }
    try {
      await handle.datasync()
    } catch (error) {
      syncing.delete(name)
      suspect.add(name)
      lost.add(name)
      await remove(name)
      throw storeError(error, 'sync', path)
    } finally {
      await handle.close()
    }
  }

  const round = async (): Promise<void> => {
    syncing = pending
    pending = new Set()
    try {
      const names = [...syncing].values()
      const shards = new Set([...syncing].map(shardOf)).values()
      await settleAll(Array.from({ length: SYNC_CONCURRENCY }, () => drain(names, syncFile)))
      await settleAll(Array.from({ length: SYNC_CONCURRENCY }, () => drain(shards, syncShard)))
      await syncDirectory(fs, root)
    } catch (error) {
      for (const name of syncing) pending.add(name)
      throw storeError(error, 'sync', root)
    } finally {
      syncing = new Set()
    }
    if (lost.size === 0) return
    const names = [...lost]
    lost.clear()
    throw new DamagedStoreError(
      `${names.length} blocks in ${root} did not reach the disk and must be stored again: ${names.slice(0, 4).join(', ')}`
    )
  }

  const syncShard = (shard: string): Promise<void> => syncDirectory(fs, join(root, shard))

  const begin = (): Promise<void> => {
    next = undefined
    running = round()
    return running
  }

  const wait = (): Promise<void> => (next ??= running.then(begin, begin))

  return {
    add: name => {
      suspect.delete(name)
      lost.delete(name)
      pending.add(name)
    },
    forget: name => {
      pending.delete(name)
      syncing.delete(name)
      lost.delete(name)
    },
    lose: name => {
      if (pending.delete(name) || syncing.delete(name)) lost.add(name)
    },
    isSuspect: name => suspect.has(name),
    wait,
    bound: async () => {
      if (pending.size >= MAX_PENDING) await wait()
    }
  }
}

// --- internal ---

/** Take items from a shared iterator until it is empty. */
async function drain<T>(items: Iterator<T>, action: (item: T) => Promise<void>): Promise<void> {
  for (let item = items.next(); item.done !== true; item = items.next()) await action(item.value)
}

/** Like `Promise.all`, but waits for all before it rejects. */
async function settleAll(promises: Array<Promise<void>>): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
