/** Options and reports of export, import, gc, pin and provide. See api.ts. */
import { z } from 'zod'

const count = z.number().int().nonnegative()
const text = z.string().min(1).max(16_384)

/** Absolute paths of what is to be written; at least one. */
export const exportOptionsSchema = z.strictObject({
  /** New or empty folder for the files */
  out: text.optional(),
  /** CAR v1 of all blocks */
  car: text.optional(),
  /** Folder that gets tar shards */
  webdataset: text.optional(),
  /** float32 [rows, n]; weights and ids go to the same name with .weights.npy and .ids.txt */
  npy: text.optional()
})

export type ExportOptions = z.infer<typeof exportOptionsSchema>

export const exportReportSchema = z.object({
  cid: z.string(),
  files: count,
  bytes: count,
  /** Of the WebDataset and the array: rows written, and those left out because they have no target */
  rows: count.optional(),
  withoutTarget: count.optional(),
  written: z.array(z.string())
})

export const importReportSchema = z.object({
  roots: z.array(z.string()),
  blocks: count,
  bytes: count,
  /** Roots that are merged datasets */
  rounds: z.array(
    z.object({
      root: z.string(),
      manifest: z.string(),
      name: z.string(),
      /** Records in it, each checked */
      records: count,
      /** What this home merges to now: the root, unless it knows more than the dataset did */
      mergedCid: z.string(),
      /** Files of the dataset whose blocks did not come along */
      missing: count
    })
  )
})

export type ExportReport = z.infer<typeof exportReportSchema>
export type ImportReport = z.infer<typeof importReportSchema>

export const gcOptionsSchema = z.strictObject({ dryRun: z.boolean() })

export const gcReportSchema = z.object({
  /** Nothing was deleted: what would have been */
  dryRun: z.boolean(),
  /** Blocks freed, and their bytes */
  blocks: count,
  bytes: count,
  /** Bytes of all blocks afterwards */
  left: count
})

/** `service`: also ask this remote pinning service, whose token is in the variable `tokenEnv` of the command's environment. */
export const pinOptionsSchema = z.strictObject({
  service: z.strictObject({ url: text, token: z.string().min(1).max(8192) }).optional(),
  name: z.string().min(1).max(255).optional()
})

export const pinReportSchema = z.object({
  cid: z.string(),
  /** Blocks and bytes that are kept here now */
  blocks: count,
  bytes: count,
  /** Of the remote service */
  service: z.object({ url: z.string(), request: z.string(), status: z.literal('pinned') }).optional()
})

export const provideReportSchema = z.object({
  cid: z.string(),
  /** Connected peers that take part in the DHT */
  peers: count
})

export type GcOptions = z.infer<typeof gcOptionsSchema>
export type PinOptions = z.infer<typeof pinOptionsSchema>
export type GcReport = z.infer<typeof gcReportSchema>
export type PinReport = z.infer<typeof pinReportSchema>
export type ProvideReport = z.infer<typeof provideReportSchema>
