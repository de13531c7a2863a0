/** Events of a long operation while it runs: hints for people and progress bars. Some may be dropped; the result is complete without them. */
import { z } from 'zod'
import { referenceSchema } from './reports.ts'

const count = z.number().int().nonnegative()

export const apiEventSchema = z.discriminatedUnion('type', [
  /** `publish`: `total` is left out while a tar is read for the first time */
  z.object({
    type: z.literal('building'),
    step: z.enum(['hash', 'partitions', 'shared', 'features']),
    done: count,
    total: count.optional()
  }),
  /** Own prior on the shared set */
  z.object({ type: z.literal('scoring'), done: count, rows: count }),
  z.object({ type: z.literal('score'), record: z.string(), uniformValue: z.number(), name: z.string() }),
  z.object({ type: z.literal('election'), reference: referenceSchema }),
  /** `left`: another peer finished it first */
  z.object({ type: z.literal('partition'), partition: count, state: z.enum(['started', 'left', 'done']), rows: count }),
  z.object({ type: z.literal('batch'), partition: count, done: count, rows: count }),
  z.object({
    type: z.literal('alignment'),
    reference: z.string(),
    looR2: z.number(),
    looCosine: z.number(),
    lambda: z.number()
  }),
  z.object({
    type: z.literal('published'),
    record: z.string(),
    kind: z.enum(['score', 'result', 'alignment', 'check']),
    partition: count.optional(),
    /** Of an alignment: bytes of the blocks that the shard added to the store, and of its targets and weights as plain numbers */
    newBytes: count.optional(),
    targetBytes: count.optional()
  }),
  /** `export`, `import` and `merge` into a folder: files, blocks or rows so far; `fetch`: files that are here */
  z.object({
    type: z.literal('exporting'),
    step: z.enum(['fetch', 'files', 'car', 'webdataset', 'npy', 'import']),
    done: count,
    total: count.optional()
  }),
  /** `evaluate`: how far each of its steps is */
  z.object({
    type: z.literal('evaluating'),
    step: z.enum(['images', 'rows', 'alignments', 'probes', 'inconsistency', 'student', 'test', 'report']),
    done: count,
    total: count.optional()
  }),
  /** `pin`: what the remote service says, when it changes */
  z.object({ type: z.literal('pinning'), service: z.string(), status: z.string() }),
  z.object({ type: z.literal('peer'), peer: z.string(), connected: z.boolean() }),
  z.object({
    type: z.literal('listening'),
    peer: z.string(),
    addresses: z.array(z.string()),
    gateway: z.string().optional()
  }),
  z.object({ type: z.literal('log'), level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string() }),
  z.object({ type: z.literal('complete'), manifest: z.string(), mergedCid: z.string() })
])

export type ApiEvent = z.infer<typeof apiEventSchema>
