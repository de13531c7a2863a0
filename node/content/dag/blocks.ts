/** Blocks by CID; those whose bytes are in the CID itself need no store. */
import type { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'

/** One block whose bytes are known to hash to `cid`. */
export type GetBlock = (cid: CID) => Promise<Uint8Array>

/** The bytes in an identity CID: a virtual block that is neither stored nor sent. */
export function inlineBlock(cid: CID): Uint8Array | undefined {
  return cid.multihash.code === identity.code ? cid.multihash.digest : undefined
}

export const isInline = (cid: CID): boolean => cid.multihash.code === identity.code

/** `get`, asked only for blocks that exist outside of their CID. */
export function withInline(get: GetBlock): GetBlock {
  return async cid => inlineBlock(cid) ?? (await get(cid))
}
