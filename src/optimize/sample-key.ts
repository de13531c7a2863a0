/**
 * How tables of vectors and label files name images: by CID, by the sha256 of the bytes in hex, or by file name. The first two say which bytes
 * are meant; what a file name means only its owner knows, since partitions carry no names.
 */
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { InvalidPriorError } from '../errors.ts'

export type KeyKind = 'cid' | 'sha256' | 'name'

/** In words, for messages. */
export const KEY_KIND_TEXT: Readonly<Record<KeyKind, string>> = {
  cid: 'CIDs',
  sha256: 'sha256 in hex',
  name: 'file names'
}

export interface SampleKey {
  readonly kind: KeyKind
  /** sha2-256 of the image's bytes; undefined for a name */
  readonly digest?: Uint8Array
}

export const SHA256_BYTES = 32
const SHA2_256 = 0x12
/** A CIDv1 of a sha2-256 has 59 characters in base32 and 49 in base58; a CIDv0 has 46. */
const CID_LIKE = /^(?:b[a-z2-7]{45,}|z[1-9A-HJ-NP-Za-km-z]{40,}|Qm[1-9A-HJ-NP-Za-km-z]{44})$/
/** CIDv1 raw sha2-256 in base32, as samples are named. */
const RAW_CID = /^bafkrei[a-z2-7]{52}$/
const HEX_DIGEST = /^[0-9a-fA-F]{64}$/

/** As `parseSampleKey`, without the digest where the form alone decides: a million keys of a label file take no second. */
export function keyKindOf(text: string): KeyKind {
  return RAW_CID.test(text) ? 'cid' : HEX_DIGEST.test(text) ? 'sha256' : parseSampleKey(text).kind
}

/** Throws `InvalidPriorError` for a CID that does not name an image's bytes. */
export function parseSampleKey(text: string): SampleKey {
  if (HEX_DIGEST.test(text)) return { kind: 'sha256', digest: fromHex(text) }
  const cid = CID_LIKE.test(text) ? tryParse(text) : undefined
  if (cid === undefined) return { kind: 'name' }
  if (cid.version !== 1 || cid.code !== raw.code || cid.multihash.code !== SHA2_256)
    throw new InvalidPriorError(
      `the key ${text} is the CID of a file's tree, not of an image's bytes: use CIDv1 with raw and sha2-256 ("ipfs add --cid-version 1 --raw-leaves" gives it for files of one block), or the sha256 of the file`
    )
  return { kind: 'cid', digest: cid.multihash.digest }
}

/** sha2-256 in the id of a sample, a CIDv1 raw as text. Undefined for another text. */
export function digestOfId(id: string): Uint8Array | undefined {
  const cid = tryParse(id)
  return cid?.multihash.code === SHA2_256 ? cid.multihash.digest : undefined
}

/** The sha2-256 of a sample in hex, from its id; the id itself if it is another text. */
export function hexOfId(id: string): string {
  const digest = digestOfId(id)
  return digest === undefined ? id : Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** The id of the sample whose bytes have this sha2-256. */
export function idOfDigest(digest: Uint8Array): string {
  return CID.createV1(raw.code, createDigest(SHA2_256, digest)).toString()
}

// --- internal ---

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: SHA256_BYTES }, (_, i) => Number.parseInt(text.slice(i * 2, i * 2 + 2), 16))
}

function tryParse(text: string): CID | undefined {
  try {
    return CID.parse(text)
  } catch {
    return undefined // not a CID: the caller treats it as another kind of text
  }
}
