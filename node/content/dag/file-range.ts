/**
 * A UnixFS file of any layout, read from `start` to `end`: only the blocks that hold these bytes or lead to them are fetched.
 *
 * A tree is walked in order, one block at a time. Guarantees that the sizes a node states are those of what lies below it.
 */
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../../src/errors.ts'
import type { GetBlock } from './blocks.ts'
import { entityOf } from './entity.ts'

/** Trees of 1 MiB leaves and two links a node reach 2^53 bytes at 33. */
const MAX_DEPTH = 64

/** One visited block and the part of the requested range that lies in it, if any. */
export interface FilePart {
  readonly cid: CID
  readonly block: Uint8Array
  readonly data: Uint8Array
}

/**
 * Blocks in depth-first order. An empty range visits the root alone.
 *
 * Throws `InvalidContentError` when `root` is not a file or its tree contradicts itself, and what `get` throws.
 */
export async function* fileParts(root: CID, get: GetBlock, start: number, end: number): AsyncGenerator<FilePart> {
  yield* walk(root, undefined, 0)

  async function* walk(cid: CID, bytes: number | undefined, offset: number, depth = 0): AsyncGenerator<FilePart> {
    if (depth > MAX_DEPTH) throw new InvalidContentError(`${root} is nested deeper than ${MAX_DEPTH}`)
    const block = await get(cid)
    const entity = entityOf(cid, block)
    if (entity.kind !== 'file') throw new InvalidContentError(`${cid} is not a UnixFS file`)
    if (bytes !== undefined && entity.bytes !== bytes)
      throw new InvalidContentError(`${cid} has ${entity.bytes} bytes, its parent says ${bytes}`)
    yield { cid, block, data: cut(entity.data, offset) }
    let at = offset + entity.data.byteLength
    for (const link of entity.links) {
      const next = at + link.bytes
      if (next > start && at < end) yield* walk(link.cid, link.bytes, at, depth + 1)
      if (next >= end) return
      at = next
    }
  }

  function cut(data: Uint8Array, offset: number): Uint8Array {
    return data.subarray(Math.max(0, start - offset), Math.max(0, end - offset))
  }
}

/** The bytes from `start` to `end`. */
export async function* fileBytes(root: CID, get: GetBlock, start: number, end: number): AsyncGenerator<Uint8Array> {
  for await (const { data } of fileParts(root, get, start, end)) if (data.byteLength > 0) yield data
}
