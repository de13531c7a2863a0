/**
 * What a command, the local HTTP API and a program can ask of a node, in plain JSON-able values.
 *
 * Two things implement `CoOptApi`: the node of this process (node/local-api.ts) and the client of a running daemon
 * (node/http-api/client.ts). A command does not know which one it talks to.
 *
 * CIDs, peer ids and multiaddrs are text here, counts are numbers, bytes never cross. Values that may be unknown are left out.
 */
import { z } from 'zod'
import { TARGET_DTYPES } from '../src/publish/target-dtype.ts'

const count = z.number().int().nonnegative()
/** Longer arguments are no path, CID or invite of ours. */
const text = z.string().min(1).max(16_384)

// --- options ---

export const publishOptionsSchema = z.strictObject({
  name: z.string().min(1).max(128),
  /** SPDX expression or other words of the data's owner */
  license: z.string().min(1).max(128).optional(),
  partitions: count.min(1),
  /** Rows of the shared set */
  shared: count.min(1),
  /** n, dimensions of every target */
  dimension: count.min(1),
  /** In which numbers shards store targets; float32 by default */
  targetDtype: z.enum(TARGET_DTYPES).optional(),
  /** Prior whose features of the shared set the gate judges against; the bundled untrained one by default */
  referencePrior: text.optional(),
  election: z.enum(['uniformity', 'predictivity']).optional(),
  /** Peer ids that may add records; everybody by default */
  allow: z.array(text).max(4096).optional(),
  /** Further sources, read after the first as if they were one */
  more: z.array(text).max(4096).optional(),
  /** Images whose bytes occurred before are left out; they are kept by default */
  dedupe: z.boolean().optional(),
  /** Images that cannot be used are left out, each with a `log` event; by default one such image is an error */
  skipBad: z.boolean().optional()
})

export const joinOptionsSchema = z.strictObject({
  /** An .onnx file, a folder with model.onnx and preprocessor_config.json, or a .csv of labels */
  prior: text,
  /** Output to take as the feature instead of the one chosen by rule */
  output: z.string().min(1).max(1024).optional(),
  /** Leave when the dataset is complete */
  once: z.boolean(),
  /** Threads of the inference process */
  threads: count.min(1).max(256).optional(),
  maxPartitions: count.min(1).optional(),
  /** How the prior is called in public */
  name: z.string().min(1).max(64).optional(),
  /** Licence of the prior, stated in public */
  license: z.string().min(1).max(128).optional()
})

export const priorCheckOptionsSchema = z.strictObject({
  image: text.optional(),
  output: z.string().max(1024).optional()
})

/** `out`: a folder that is made and filled with the dataset's files. */
export const mergeOptionsSchema = z.strictObject({
  out: text.optional(),
  /** Key of the home's key store, made on first use: an IPNS record under it points to the dataset */
  name: z.string().min(1).max(64).optional()
})

/** Absolute paths of what is to be written; at least one. */
export const exportOptionsSchema = z.strictObject({
  /** Folder that gets the files */
  out: text.optional(),
  /** CAR v1 of all blocks */
  car: text.optional(),
  /** Folder that gets tar shards */
  webdataset: text.optional(),
  /** float32 [rows, n]; the ids go to the same name with .ids.txt */
  npy: text.optional()
})

export type ExportOptions = z.infer<typeof exportOptionsSchema>
export type PublishOptions = z.infer<typeof publishOptionsSchema>
export type JoinOptions = z.infer<typeof joinOptionsSchema>
export type PriorCheckOptions = z.infer<typeof priorCheckOptionsSchema>
export type MergeOptions = z.infer<typeof mergeOptionsSchema>

// --- reports ---

export const publishReportSchema = z.object({
  /** CID of the manifest: the swarm's id */
  manifest: z.string(),
  invite: z.string(),
  /** Images in partitions, the shared ones included */
  samples: count,
  /** Images whose bytes occurred before: kept, or left out with `dedupe` */
  duplicates: count,
  /** Images left out with `skipBad`; left out for none */
  broken: count.optional(),
  partitions: count,
  shared: count,
  dimension: count,
  /** Of all partitions and the shared set */
  bytes: count
})

/** One prior of one peer as everybody sees it. */
export const peerRowSchema = z.object({
  peer: z.string(),
  prior: z.string(),
  /** Recomputed here, not claimed; left out until its targets were fetched */
  uniformValue: z.number().optional(),
  /** May its targets become the reference and its work be used? Left out until judged. */
  eligible: z.boolean().optional(),
  /** Why it is not eligible */
  refusals: z.array(z.string()),
  /** Leave-one-out R2 and cosine of its alignment to the reference; left out until it published one */
  looR2: z.number().optional(),
  looCosine: z.number().optional(),
  /** Partitions of the merged dataset that come from it */
  partitions: count
})

export const referenceSchema = z.object({
  /** CID of the matrix S*_Y */
  cid: z.string(),
  /** Whose targets it is made of; a computed reference may have several authors, then the first in record order */
  peer: z.string(),
  prior: z.string(),
  uniformValue: z.number()
})

export const joinReportSchema = z.object({
  manifest: z.string(),
  peer: z.string(),
  prior: z.string(),
  /** Partitions this participant worked on */
  partitions: count,
  complete: z.boolean(),
  /** Only when complete */
  mergedCid: z.string().optional()
})

export const swarmStatusSchema = z.object({
  manifest: z.string(),
  invite: z.string(),
  name: z.string(),
  role: z.enum(['publisher', 'participant', 'observer']),
  partitions: z.object({ total: count, done: count, mine: count }),
  reference: referenceSchema.optional(),
  peers: z.array(peerRowSchema),
  /** Share of the rows that have an aligned target, 0 to 1 */
  coverage: z.number(),
  complete: z.boolean(),
  mergedCid: z.string().optional(),
  /** Chosen shards; left out without a network. `holders`: other peers that were seen holding all of it. */
  shards: z.array(z.object({ partition: count, cid: z.string(), here: z.boolean(), holders: count })).optional()
})

export const statusReportSchema = z.object({
  peer: z.string(),
  /** Empty when the network is not running */
  addresses: z.array(z.string()),
  /** Where this node's HTTP gateway is, when it runs */
  gateway: z.string().optional(),
  /** Manifest CIDs of swarms of this home that wait for content of other members; left out for none */
  opening: z.array(z.string()).optional(),
  swarms: z.array(swarmStatusSchema)
})

export const peerReportSchema = z.object({
  peer: z.string(),
  addresses: z.array(z.string()),
  connected: z.boolean(),
  /** Manifest CIDs that this peer and we have in common, as far as known */
  swarms: z.array(z.string()),
  agent: z.string().optional(),
  /** Round trip of the last ping */
  latencyMs: z.number().optional()
})

export const priorReportSchema = z.object({
  /** CID of the model or label file */
  id: z.string(),
  name: z.string(),
  kind: z.enum(['onnx', 'human']),
  bytes: count,
  /** Left out for a human prior */
  input: z.object({ name: z.string(), shape: z.array(z.union([z.number(), z.string()])) }).optional(),
  /** The tensor taken as the feature and the rule that chose it */
  output: z.object({ name: z.string(), rule: z.string() }).optional(),
  /** l, dimensions of the feature */
  dimension: count,
  /** One line per step, in order */
  preprocessing: z.array(z.string()),
  imagesPerSecond: z.number().optional(),
  /** With an image: facts of its feature */
  feature: z.object({ norm: z.number(), head: z.array(z.number()) }).optional(),
  /** Why a node would not run it; empty when it would */
  refusals: z.array(z.string())
})

export const mergeReportSchema = z.object({
  mergedCid: z.string(),
  /** Partitions are missing or scores not judged yet: the CID will change */
  provisional: z.boolean(),
  /** Scores whose targets could not be had so far */
  unjudged: count,
  coverage: z.number(),
  rows: count,
  reference: referenceSchema.optional(),
  peers: z.array(peerRowSchema),
  /** Where the dataset is found by name; `record` is the path of the signed record, for `ipfs name put` */
  ipns: z.object({ name: z.string(), record: z.string(), sequence: count }).optional(),
  /** Absolute path of the folder that was written */
  out: z.string().optional()
})

export const verifyReportSchema = z.object({
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() }))
})

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
export type PublishReport = z.infer<typeof publishReportSchema>
export type PeerRow = z.infer<typeof peerRowSchema>
export type ReferenceReport = z.infer<typeof referenceSchema>
export type JoinReport = z.infer<typeof joinReportSchema>
export type SwarmStatus = z.infer<typeof swarmStatusSchema>
export type StatusReport = z.infer<typeof statusReportSchema>
export type PeerReport = z.infer<typeof peerReportSchema>
export type PriorReport = z.infer<typeof priorReportSchema>
export type MergeReport = z.infer<typeof mergeReportSchema>
export type VerifyReport = z.infer<typeof verifyReportSchema>

// --- events ---

/** What a long operation tells while it runs. Advice for people and tables: the result alone is complete. */
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
  /** `left`: somebody else finished it first */
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
    kind: z.enum(['score', 'result', 'alignment']),
    partition: count.optional(),
    /** Of an alignment: bytes of the blocks that the shard added to the store, and of its targets as plain float32 */
    newBytes: count.optional(),
    targetBytes: count.optional()
  }),
  /** `export` and `import`: files, blocks or rows so far */
  z.object({
    type: z.literal('exporting'),
    step: z.enum(['files', 'car', 'webdataset', 'npy', 'import']),
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

// --- the interface ---

export interface CallOptions {
  /** Finish the batch in flight, then leave: the operation resolves with what it has, or rejects with an AbortError */
  signal?: AbortSignal
  /** Stop at once; nothing that was acknowledged is lost */
  kill?: AbortSignal
  onEvent?: (event: ApiEvent) => void
}

/** Errors are those of src/errors.ts, by name; node/exit-codes.ts maps them to exit codes. */
export interface CoOptApi {
  /**
   * `source`: absolute path of a folder of images, of a tar or Parquet file of them, of a folder of such files, or `/ipfs/CID[/path]` of
   * a directory.
   */
  publish(source: string, options: PublishOptions, call?: CallOptions): Promise<PublishReport>
  /** Resolves when the dataset is complete (`once`), else only when `signal` aborts. */
  join(invite: string, options: JoinOptions, call?: CallOptions): Promise<JoinReport>
  /** All swarms of this home, or the one of `invite`. */
  status(invite?: string, call?: CallOptions): Promise<StatusReport>
  peers(call?: CallOptions): Promise<PeerReport[]>
  /** A prior that cannot run is a report with refusals; only one that cannot be read is an error. */
  priorCheck(prior: string, options: PriorCheckOptions, call?: CallOptions): Promise<PriorReport>
  merge(invite: string, options: MergeOptions, call?: CallOptions): Promise<MergeReport>
  /** `cid` is a merged root, its content is at hand or can be fetched. A failed check is a report with `ok: false`. */
  verify(cid: string, call?: CallOptions): Promise<VerifyReport>
  /** `cid` is a merged root. What is written must not exist yet. */
  export(cid: string, options: ExportOptions, call?: CallOptions): Promise<ExportReport>
  /** `file`: absolute path of a CAR v1. */
  import(file: string, call?: CallOptions): Promise<ImportReport>
  /** Free the blocks that no swarm and no pin needs. */
  gc(options: GcOptions, call?: CallOptions): Promise<GcReport>
  /** Fetch all below a CID, keep it from `gc`, and have a remote pinning service keep it as well. */
  pin(cid: string, options: PinOptions, call?: CallOptions): Promise<PinReport>
  /** Resolves to whether it was pinned. */
  unpin(cid: string, call?: CallOptions): Promise<boolean>
  /** Tell the DHT that this node has it. */
  provide(cid: string, call?: CallOptions): Promise<ProvideReport>
  /** Ends the daemon. Resolves when it has been asked to, not when it is gone. */
  stop(call?: CallOptions): Promise<void>
}
