/**
 * Digest of a record set for anti-entropy: 256 buckets by the first byte of a record's sha2-256 digest, each bucket summed up as
 * the first 16 bytes of sha2-256 over the sorted digests in it. Two peers with equal buckets hold the same records in them.
 *
 * A real hash over the list, not the XOR of the ids: with XOR an author could choose records that cancel out, and two different
 * sets would look equal. 16 bytes leave 2^64 work for a collision, which would at worst delay one record until the bucket changes.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { equalBytes } from '../codec.ts'
import type { SignedRecord } from '../publish/record.ts'
import type { RecordSet } from './record-set.ts'

export const BUCKETS = 256
export const BUCKET_DIGEST_BYTES = 16
export const SET_DIGEST_BYTES = BUCKETS * BUCKET_DIGEST_BYTES
/** A record is named on the wire by the sha2-256 digest in its id. */
export const RECORD_DIGEST_BYTES = 32

/** The sha2-256 digest inside a record's id. */
export function recordDigest(record: SignedRecord): Uint8Array {
  return record.id.multihash.digest
}

export function bucketOf(digest: Uint8Array): number {
  return digest[0] as number
}

/** Record digests of each bucket, ascending. `buckets[i]` has those that begin with byte i. */
export function bucketsOf(set: Pick<RecordSet, 'records'>): readonly (readonly Uint8Array[])[] {
  // ids differ only in their digests, so `records()` is in the order of the digests already
  const buckets: Uint8Array[][] = Array.from({ length: BUCKETS }, () => [])
  for (const record of set.records()) buckets[bucketOf(recordDigest(record))]?.push(recordDigest(record))
  return buckets
}

/** `SET_DIGEST_BYTES` bytes: the digest of bucket 0, 1, … 255. An empty bucket is all zeros. */
export function setDigest(set: Pick<RecordSet, 'records'>): Uint8Array {
  const out = new Uint8Array(SET_DIGEST_BYTES)
  for (const [i, bucket] of bucketsOf(set).entries()) {
    if (bucket.length === 0) continue
    const hash = sha256.create()
    for (const digest of bucket) hash.update(digest)
    out.set(hash.digest().subarray(0, BUCKET_DIGEST_BYTES), i * BUCKET_DIGEST_BYTES)
  }
  return out
}

/** Numbers of the buckets in which two set digests differ. Both have `SET_DIGEST_BYTES` bytes. */
export function differingBuckets(a: Uint8Array, b: Uint8Array): number[] {
  const out: number[] = []
  for (let i = 0; i < BUCKETS; i++) {
    const at = i * BUCKET_DIGEST_BYTES
    const end = at + BUCKET_DIGEST_BYTES
    if (!equalBytes(a.subarray(at, end), b.subarray(at, end))) out.push(i)
  }
  return out
}
