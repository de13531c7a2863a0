/** Messages of `/coopt/blocks/1.0.0` (blocks.md): canonical dag-cbor maps; the blocks follow as frames of their own. */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isSafeCid } from '../../src/codec.ts'
import { MAX_BLOCKS_PER_REQUEST } from '../constants.ts'
import { messageSchema } from '../message.ts'

export const blocksRequestSchema = messageSchema({
  /** Wanted in this order: a range of a file's leaves, tree nodes, or any other blocks */
  cids: z.array(z.custom<CID>(isSafeCid, 'not a safe CID')).min(1).max(MAX_BLOCKS_PER_REQUEST)
})

export const blocksHeaderSchema = z.discriminatedUnion('t', [
  /** A frame for each CID follows, in their order: the block, or nothing where the peer does not hold it */
  messageSchema({ t: z.literal('sending') }),
  messageSchema({ t: z.literal('refused'), reason: z.enum(['busy', 'rate-limited']) })
])

export type BlocksHeader = z.infer<typeof blocksHeaderSchema>
