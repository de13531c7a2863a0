/**
 * Content by CID: from the local store, else from peers over bitswap. Every block is checked against its CID before it is used.
 *
 * A fetch has a deadline per block and tries again a few times: bitswap itself waits forever for a block that nobody sends, and a
 * want list lost on the way is only sent again after the want was given up (reliability B2).
 */
import type { Blockstore } from 'interface-blockstore'
import { NotFoundError } from 'interface-store'
import type { CID } from 'multiformats/cid'
import { decodeMatrix } from '../../src/bytes.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { ContentUnavailableError, InvalidContentError } from '../../src/errors.ts'
import { readSamples, type Sample } from '../../src/distribute/partition-file.ts'
import type { PutBlock } from '../../src/distribute/unixfs-import.ts'
import { readLeaves, type FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { fileRanges } from './file-ranges.ts'

export interface FetchOptions {
  signal: AbortSignal
  /** Who is likely to have it: the author of the record that names it */
  from?: PeerKey
}

export interface ContentComponents {
  local: Blockstore & { barrier(): Promise<void> }
  /** Gets from peers as well and stores what it got; undefined without a network */
  network?: Blockstore | undefined
  /** Connect to a peer that is likely to have what is wanted next; must not throw */
  reach?(peer: PeerKey, signal: AbortSignal): Promise<void>
}

export interface ContentInit {
  /** Deadline of one attempt at one block, ms */
  blockTimeoutMs: number
  attempts: number
}

export interface Content {
  readonly put: PutBlock
  /** Everything put so far survives a power cut once this resolves. */
  barrier(): Promise<void>
  /** Is this block in the store? */
  has(cid: CID): Promise<boolean>
  /** The block, if it is in the store and whole. Never asks the network. */
  peek(cid: CID): Promise<Uint8Array | undefined>
  /** One block. Throws `ContentUnavailableError` when nobody sends it in time. */
  block(cid: CID, options: FetchOptions): Promise<Uint8Array>
  /** Leaves of a file, checked against the pinned layout. */
  leaves(cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves>
  /** A whole file of at most `maxBytes`. */
  read(cid: CID, maxBytes: number, options: FetchOptions): Promise<Uint8Array>
  /** Samples of a partition file from row `start` on; ids are checked. */
  samples(file: { cid: CID; bytes: number }, start: number, signal: AbortSignal): AsyncIterable<Sample>
  /** A float32 matrix of this shape. Throws `InvalidContentError` when the file has another length. */
  matrix(cid: CID, rows: number, columns: number, options: FetchOptions): Promise<Matrix32>
  /** Bring all blocks of a file here. */
  fetch(cid: CID, maxBytes: number, options: FetchOptions): Promise<void>
  /**
   * Leaves of a file whose tree nodes are here (its leaves need not be), else undefined. Never asks the network. Throws
   * `InvalidContentError` for a file that is not laid out as ours are.
   */
  tree(cid: CID, maxBytes: number): Promise<FileLeaves | undefined>
  /** Are all blocks of this file here? Never asks the network. */
  holds(cid: CID): Promise<boolean>
  /** The same for many files, one answer for each in order. */
  holdsEach(cids: readonly CID[]): Promise<boolean[]>
  /** A block of the store turned out to be damaged: what was found to be whole may not be any more. */
  distrust(): void
}

/** Nothing larger is ever asked about with `holds`. */
const MAX_HELD_BYTES = 2 ** 31

/** Blocks asked for at once when a whole file is fetched: 16 MiB in flight. */
const FETCH_CONCURRENCY = 16

/** Files looked up at once: every one reads tree nodes of up to 50 KiB from the disk, and a peer may ask about 256. */
const HOLDS_CONCURRENCY = 8

export function createContent(components: ContentComponents, init: ContentInit): Content {
  const { local, network, reach } = components
  const complete = new Set<string>() // files known to be here whole, until a block turns out to be damaged

  const localBlock = async (cid: CID): Promise<Uint8Array | undefined> => {
    try {
      return await collect(local.get(cid))
    } catch (error) {
      // by name: helia and we may hold two copies of the package
      if (error instanceof Error && error.name === NotFoundError.name) return undefined
      throw error
    }
  }

  const block = async (cid: CID, { signal, from }: FetchOptions): Promise<Uint8Array> => {
    const held = await localBlock(cid)
    if (held !== undefined) return held
    if (network === undefined)
      throw new ContentUnavailableError(`${cid} is not in the store, and the network is not running`)
    let last: unknown
    for (let attempt = 0; attempt < init.attempts; attempt++) {
      signal.throwIfAborted()
      if (from !== undefined) await reach?.(from, signal)
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(init.blockTimeoutMs)])
        return await collect(network.get(cid, { signal: deadline }))
      } catch (error) {
        signal.throwIfAborted()
        last = error
      }
    }
    throw new ContentUnavailableError(
      `no peer sent ${cid} within ${init.attempts} attempts of ${init.blockTimeoutMs} ms`,
      { cause: last }
    )
  }

  const leaves = async (cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves> =>
    await readLeaves(cid, async child => await block(child, options), maxBytes)

  const read = async (cid: CID, maxBytes: number, options: FetchOptions): Promise<Uint8Array> => {
    const file = await leaves(cid, maxBytes, options)
    const out = new Uint8Array(file.bytes)
    let at = 0
    for (const leaf of file.leaves) {
      out.set(await block(leaf.cid, options), at)
      at += leaf.bytes
    }
    return out
  }

  const tree = async (cid: CID, maxBytes: number): Promise<FileLeaves | undefined> => {
    let isAbsent = false
    const get = async (child: CID): Promise<Uint8Array> => {
      const held = await localBlock(child)
      if (held !== undefined) return held
      isAbsent = true
      throw new InvalidContentError(`${child} is not here`)
    }
    try {
      return await readLeaves(cid, get, maxBytes)
    } catch (error) {
      if (isAbsent) return undefined
      throw error
    }
  }

  const holds = async (cid: CID): Promise<boolean> => {
    if (complete.has(cid.toString())) return true
    let file: FileLeaves | undefined
    try {
      file = await tree(cid, MAX_HELD_BYTES)
    } catch (error) {
      if (error instanceof InvalidContentError) return false
      throw error
    }
    if (file === undefined) return false
    for (const leaf of file.leaves) if (!(await local.has(leaf.cid))) return false
    complete.add(cid.toString())
    return true
  }

  return {
    put: async (cid, bytes) => {
      await local.put(cid, bytes)
    },
    barrier: async () => await local.barrier(),
    has: async cid => await local.has(cid),
    peek: localBlock,
    block,
    leaves,
    read,
    samples: async function* (file, start, signal) {
      const options = { signal }
      const tree = await leaves(file.cid, file.bytes, options)
      if (tree.bytes !== file.bytes)
        throw new InvalidContentError(`${file.cid} has ${tree.bytes} bytes, the manifest says ${file.bytes}`)
      yield* readSamples(
        fileRanges(tree, async cid => await block(cid, options)),
        { start }
      )
    },
    matrix: async (cid, rows, columns, options) =>
      decodeMatrix(await read(cid, rows * columns * 4, options), rows, columns),
    fetch: async (cid, maxBytes, options) => {
      const file = await leaves(cid, maxBytes, options)
      for (let i = 0; i < file.leaves.length; i += FETCH_CONCURRENCY) {
        await Promise.all(file.leaves.slice(i, i + FETCH_CONCURRENCY).map(async leaf => await block(leaf.cid, options)))
      }
      complete.add(cid.toString())
    },
    tree,
    holds,
    holdsEach: async cids => {
      const held: boolean[] = []
      for (let i = 0; i < cids.length; i += HOLDS_CONCURRENCY) {
        held.push(...(await Promise.all(cids.slice(i, i + HOLDS_CONCURRENCY).map(holds))))
      }
      return held
    },
    distrust: () => complete.clear()
  }
}

// --- internal ---

async function collect(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of source) {
    parts.push(part)
    size += part.byteLength
  }
  if (parts.length === 1) return parts[0] as Uint8Array
  const out = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.byteLength
  }
  return out
}
