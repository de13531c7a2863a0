/** All blocks below a root, depth first in the order of the links: the order of every CAR we write. */
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../../src/errors.ts'
import { type GetBlock, isInline } from './blocks.ts'
import { linksOf } from './entity.ts'

/** Deeper than any honest directory tree with its files; the stack of the walk is this high at most. */
const MAX_DEPTH = 256

export interface Visited {
  readonly cid: CID
  readonly block: Uint8Array
}

/**
 * `seen`: blocks to leave out; those yielded are added. Without it a block comes as often as it is linked. Memory: one block and the links of
 * the nodes above it. Throws `InvalidContentError` for a DAG that is too deep or has an unreadable node, and what `get` throws.
 */
export async function* walkDag(root: CID, get: GetBlock, seen?: Set<string>): AsyncGenerator<Visited> {
  const stack: CID[][] = [[root]]
  for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
    const cid = level.shift()
    if (cid === undefined) {
      stack.pop()
      continue
    }
    if (seen?.has(keyOf(cid)) === true) continue
    const block = await get(cid)
    seen?.add(keyOf(cid))
    if (!isInline(cid)) yield { cid, block }
    const links = linksOf(cid, block)
    if (links.length === 0) continue
    if (stack.length > MAX_DEPTH) throw new InvalidContentError(`the DAG below ${root} is deeper than ${MAX_DEPTH}`)
    stack.push(links)
  }
}

/** One character per byte, a third of the base32 form: a walk remembers one for each MiB. */
export function keyOf(cid: CID): string {
  return Buffer.from(cid.bytes).toString('latin1')
}
