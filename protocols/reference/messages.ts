/** Messages of `/coopt/reference/1.0.0` (reference.md): canonical dag-cbor maps, one frame each way, then raw bytes. */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isSafeCid } from '../../src/codec.ts'
import { messageSchema } from '../message.ts'

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

export const referenceRequestSchema = messageSchema({
  cid: z.custom<CID>(isSafeCid, 'not a safe CID'),
  /** First byte wanted: 0, or where an interrupted transfer resumes */
  offset: count,
  /** Largest number of bytes wanted */
  length: count.min(1)
})

export const referenceHeaderSchema = z.discriminatedUnion('t', [
  /** `min(length, total - offset)` raw bytes follow */
  messageSchema({ t: z.literal('found'), total: count }),
  messageSchema({ t: z.literal('refused'), reason: z.enum(['not-found', 'out-of-range', 'busy', 'rate-limited']) })
])

export type ReferenceHeader = z.infer<typeof referenceHeaderSchema>
