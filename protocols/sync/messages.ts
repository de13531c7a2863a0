/** Messages of `/coopt/sync/1.0.0` (sync.md). All are canonical dag-cbor maps in one frame, distinguished by `t`. */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isSafeCid } from '../../src/codec.ts'
import { BUCKETS, RECORD_DIGEST_BYTES, SET_DIGEST_BYTES } from '../../src/merge/record-digest.ts'
import { MAX_MANIFEST_BYTES } from '../../src/distribute/manifest.ts'
import { MAX_RECORD_BYTES } from '../../src/publish/record.ts'
import { MAX_CIDS_PER_HOLDS, NAMES_PER_PAGE } from '../constants.ts'
import { messageSchema } from '../message.ts'

const cid = z.custom<CID>(isSafeCid, 'not a safe CID')
const bytes = (test: (length: number) => boolean, message: string) =>
  z.custom<Uint8Array>(v => v instanceof Uint8Array && test(v.byteLength), message)

/** The digest of a peer's record set. */
export const digestSchema = messageSchema({
  t: z.literal('digest'),
  swarm: cid,
  digest: bytes(n => n === SET_DIGEST_BYTES, `not ${SET_DIGEST_BYTES} bytes`)
})

export const holdsSchema = messageSchema({
  t: z.literal('holds'),
  swarm: cid,
  cids: z.array(cid).min(1).max(MAX_CIDS_PER_HOLDS)
})

export const manifestRequestSchema = messageSchema({ t: z.literal('manifest'), swarm: cid })

/** The first frame of a stream. */
export const requestSchema = z.discriminatedUnion('t', [digestSchema, holdsSchema, manifestRequestSchema])

export const refusalSchema = messageSchema({
  t: z.literal('refused'),
  reason: z.enum(['unknown-swarm', 'busy', 'rate-limited'])
})

export const digestReplySchema = z.discriminatedUnion('t', [digestSchema, refusalSchema])

/** A page of record digests from differing buckets in which both sides hold records, ascending. */
export const namesSchema = messageSchema({
  t: z.literal('names'),
  names: bytes(n => n % RECORD_DIGEST_BYTES === 0 && n <= NAMES_PER_PAGE * RECORD_DIGEST_BYTES, 'not whole names'),
  /** Buckets below this number are complete. The last page states how far this session goes. */
  through: z.number().int().min(0).max(BUCKETS),
  more: z.boolean()
})

export const recordsSchema = messageSchema({
  t: z.literal('records'),
  records: z.array(bytes(n => n <= MAX_RECORD_BYTES, `over ${MAX_RECORD_BYTES} bytes`)),
  more: z.boolean()
})

export const heldReplySchema = z.discriminatedUnion('t', [
  messageSchema({
    t: z.literal('held'),
    /** Bit i (least significant first) stands for the i-th CID of the request */
    held: bytes(n => n >= 1 && n <= MAX_CIDS_PER_HOLDS / 8, 'not a bitmap')
  }),
  refusalSchema
])

export const manifestReplySchema = z.discriminatedUnion('t', [
  messageSchema({
    t: z.literal('manifest'),
    swarm: cid,
    bytes: bytes(n => n <= MAX_MANIFEST_BYTES, 'the manifest is too large')
  }),
  refusalSchema
])

export type SyncRequest = z.infer<typeof requestSchema>
export type Digest = z.infer<typeof digestSchema>
export type Refusal = z.infer<typeof refusalSchema>

export function encodeBitmap(bits: readonly boolean[]): Uint8Array {
  const out = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) if (bit) out[i >> 3] = (out[i >> 3] as number) | (1 << (i & 7))
  return out
}

/** `undefined` unless the bitmap has exactly the number of bytes for `length` bits. */
export function decodeBitmap(bitmap: Uint8Array, length: number): boolean[] | undefined {
  if (bitmap.byteLength !== Math.ceil(length / 8)) return undefined
  return Array.from({ length }, (_, i) => ((bitmap[i >> 3] as number) & (1 << (i & 7))) !== 0)
}
