/** CIDs of files that are hashed as a stream or by the system's own hash: `rawCid` of the same bytes. */
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'

const SHA2_256 = 0x12

/** CIDv1 raw of the bytes whose sha2-256 is `digest`. */
export function sha256Cid(digest: Uint8Array): CID {
  return CID.createV1(raw.code, createDigest(SHA2_256, Uint8Array.from(digest)))
}
