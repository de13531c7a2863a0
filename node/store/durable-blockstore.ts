/**
 * Block store on the file system (interface-blockstore 7) for a node that must not lose or serve a wrong byte.
 *
 * - A block is visible whole or not at all: temporary file with a unique name, then rename.
 * - Every read is hashed. A file that does not hash to its name goes into quarantine and the read ends with `NotFoundError`, so that the block is
 *   fetched again; a put of the correct bytes repairs a damaged file.
 * - A read that fails for another reason is reported through `onFault` and ends with `NotFoundError` as well: after any other error
 *   bitswap leaves a want "sending" forever. A failed put always rejects.
 * - `barrier()` makes everything stored so far survive a power cut, with one round of syncs for all callers. Fetched blocks do not need
 *   it, they can be fetched again; own blocks must pass it before a record names them.
 * - A garbage collection deletes nothing that an open `writing()` put (block-holds.ts).
 */
import { join } from 'node:path'
import type { AbortOptions } from '@libp2p/interface'
import { BaseBlockstore } from 'blockstore-core'
import type { InputPair, Pair } from 'interface-blockstore'
import { NotFoundError } from 'interface-store'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { equalBytes } from '../../src/codec.ts'
import { StoreFullError } from '../../src/errors.ts'
import { createBarrier, type Barrier } from './block-barrier.ts'
import { openBlockDirectory, type BlockDirectory } from './block-directory.ts'
import { assertBlock, blockFileOf, digestOf, joinBlock, shardOf, type BlockFile } from './block-files.ts'
import { readBlock, type StoreFault } from './block-reader.ts'
import { createHolds, type Collection, type Writing } from './block-holds.ts'
import { createDiskSpace, type DiskSpace, type DiskState } from './disk-space.ts'
import { sweepBlocks } from './block-sweep.ts'
import { createBlockTurns } from './block-turns.ts'
import { errorCode, nodeFileSystem, persevering, storeError, type FileSystem } from './file-system.ts'

export interface BlockstoreInit {
  path: string
  fs?: FileSystem
  /** Most bytes of blocks, unlimited if not given */
  maxBytes?: number
  /** Free bytes to leave on the disk, none if not given */
  minFreeBytes?: number
  onFault?: (fault: StoreFault) => void
  onDiskState?: (state: DiskState, reason: string) => void
}

interface Parts {
  root: string
  fs: FileSystem
  space: DiskSpace
  directory: BlockDirectory
  barrier: Barrier
  onFault: (fault: StoreFault) => void
}

/** Concurrent puts of one `putMany`: more than libuv's four threads, to keep all of them busy. */
const PUT_CONCURRENCY = 8

export class DurableBlockstore extends BaseBlockstore {
  readonly #parts: Parts
  readonly #turns = createBlockTurns()
  readonly #holds = createHolds()

  private constructor(parts: Parts) {
    super()
    this.#parts = parts
  }

  /** Open or create the store in a directory that no other process uses (lock.ts). Counts the bytes held: one stat per block. */
  static async open(init: BlockstoreInit): Promise<DurableBlockstore> {
    const { path: root, fs = nodeFileSystem } = init
    const { maxBytes = Number.POSITIVE_INFINITY, minFreeBytes = 0, onDiskState: onState, onFault = () => {} } = init
    const space = createDiskSpace({ fs, path: root, maxBytes, minFreeBytes, onState })
    try {
      const directory = await openBlockDirectory(fs, root, space)
      const barrier = createBarrier(fs, root, name => directory.remove(join(root, shardOf(name), name)))
      return new DurableBlockstore({ root, fs, space, directory, barrier, onFault })
    } catch (error) {
      throw storeError(error, 'open the block store', root)
    }
  }

  /** Bytes of all blocks. */
  get bytes(): number {
    return this.#parts.space.used
  }

  /** `low`: nothing new is stored, everything is still served. */
  get diskState(): DiskState {
    return this.#parts.space.state
  }

  /**
   * Everything whose put has resolved survives a power cut once this resolves. Rejects with `StoreFullError`, with
   * `DamagedStoreError` naming blocks that did not reach the disk, or with another error naming the path: put again, call again.
   */
  async barrier(): Promise<void> {
    await this.#parts.barrier.wait()
  }

  /** Whether the file exists; only reading it tells whether it is intact. */
  override async has(cid: CID, options?: AbortOptions): Promise<boolean> {
    options?.signal?.throwIfAborted()
    const { fs, root } = this.#parts
    const file = blockFileOf(root, cid)
    if (file === undefined) return false
    try {
      await persevering(() => fs.stat(file.path))
      return true
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#report('io', cid, file, storeError(error, 'look for', file.path))
      return false
    }
  }

  /** Rejects with `InvalidContentError` (not the block), `StoreFullError` (quota, floor or disk) or an error naming the path. */
  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: AbortOptions
  ): Promise<CID> {
    options?.signal?.throwIfAborted()
    const bytes = value instanceof Uint8Array ? value : await joinBlock(cid, value)
    const file = blockFileOf(this.#parts.root, cid)
    assertBlock(file, cid, bytes)
    this.#holds.noted(file.name) // before the first await: a sweep that runs now must see it
    await this.#turns.alone(file.name, true, () => this.#store(cid, file, bytes))
    await this.#parts.barrier.bound()
    return cid
  }

  /** Yields in the order of `source`. */
  override async *putMany(
    source: Iterable<InputPair> | AsyncIterable<InputPair>,
    options?: AbortOptions
  ): AsyncGenerator<CID> {
    const running: Array<Promise<CID>> = []
    const oldest = () => running.shift() as Promise<CID>
    try {
      for await (const { cid, bytes } of source) {
        const put = this.put(cid, bytes, options)
        put.catch(() => undefined) // awaited below, in order; without this an earlier failure would count as unhandled
        running.push(put)
        if (running.length >= PUT_CONCURRENCY) yield await oldest()
      }
      while (running.length > 0) yield await oldest()
    } finally {
      await Promise.allSettled(running) // a failed or abandoned call must not leave anything running
    }
  }

  /** Yields the whole block once. Throws `NotFoundError` for every reason why it cannot be read. */
  override async *get(cid: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    options?.signal?.throwIfAborted()
    const file = blockFileOf(this.#parts.root, cid)
    if (file === undefined) throw new NotFoundError(`${cid.toString()} has no sha2-256 hash and is never stored`)
    yield await readBlock(cid, file, {
      directory: this.#parts.directory,
      alone: action => this.#turns.alone(file.name, false, action),
      onDamage: () => this.#parts.barrier.lose(file.name),
      report: (kind, error) => this.#report(kind, cid, file, error)
    })
  }

  override async delete(cid: CID, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    const { root, directory, barrier } = this.#parts
    const file = blockFileOf(root, cid)
    if (file === undefined) return
    await this.#turns.alone(file.name, false, async () => {
      try {
        await directory.remove(file.path)
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw storeError(error, 'delete', file.path)
      }
      barrier.forget(file.name)
    })
  }

  /** Every block under a raw CID (the codec is not stored). Reading a damaged one fails in its own generator only. */
  override async *getAll(options?: AbortOptions): AsyncGenerator<Pair> {
    for await (const name of this.#parts.directory.names()) {
      options?.signal?.throwIfAborted()
      const digest = digestOf(name)
      if (digest === undefined) continue
      const cid = CID.createV1(raw.code, digest)
      yield { cid, bytes: this.get(cid, options) }
    }
  }

  /** Blocks put through it are kept by every collection until it is released. */
  writing(): Writing {
    const hold = this.#holds.hold()
    return {
      put: async (cid, bytes) => {
        const name = blockFileOf(this.#parts.root, cid)?.name
        if (name !== undefined) hold.add(name)
        await this.put(cid, bytes)
      },
      release: hold.release,
      [Symbol.dispose]: hold.release
    }
  }

  /** Begin a garbage collection before looking for needed blocks: everything put from now on is kept. Safe during puts and reads. */
  collect(): Collection {
    const { isHeld, end } = this.#holds.collect()
    const parts = {
      ...this.#parts,
      isHeld,
      alone: ({ name }: BlockFile, action: () => Promise<void>) => this.#turns.alone(name, false, action)
    }
    return { sweep: (needed, { dryRun }) => sweepBlocks(needed, dryRun, parts), [Symbol.dispose]: end }
  }

  /** Waits for running writes. No file stays open between calls. */
  async close(): Promise<void> {
    await this.#turns.idle()
  }

  // --- internal ---

  #report(kind: StoreFault['kind'], cid: CID, file: BlockFile, error: Error): void {
    this.#parts.onFault({ kind, cid, path: file.path, error })
  }

  async #store(cid: CID, file: BlockFile, bytes: Uint8Array): Promise<void> {
    const { space, directory, barrier } = this.#parts
    let held: Uint8Array | undefined
    try {
      held = await directory.read(file.path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#report('io', cid, file, storeError(error, 'read', file.path))
    }
    if (held === undefined || !equalBytes(held, bytes) || barrier.isSuspect(file.name)) {
      await space.admit(bytes.byteLength)
      try {
        await directory.write(file, bytes, held?.byteLength ?? 0)
      } catch (error) {
        if (error instanceof StoreFullError) space.failed(error)
        throw error
      }
    }
    barrier.add(file.name) // even if it existed: an earlier process may not have synced it
  }
}
