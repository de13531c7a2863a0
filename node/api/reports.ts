/** Results of the operations in api.ts, as schemas of plain JSON-able values. Unknown values are left out. */
import { z } from 'zod'
import { checksReportSchema, verdictsReportSchema } from './checks.ts'
import { PRIOR_KINDS } from '../../src/optimize/prior-kind.ts'

/** Why a file, an entry of an archive or an image of a source is not a sample. */
export const LEFT_OUT_REASONS = [
  'hidden',
  'other',
  'metadata',
  'kind',
  'component',
  'link',
  'text-link',
  'duplicate',
  'broken'
] as const
export type LeftOutReason = (typeof LEFT_OUT_REASONS)[number]

const count = z.number().int().nonnegative()

export const publishReportSchema = z.object({
  /** CID of the manifest: the swarm's id */
  manifest: z.string(),
  invite: z.string(),
  /** Images in partitions, the shared ones included */
  samples: count,
  /** Images whose bytes occurred before: kept, or left out with `dedupe` */
  duplicates: count,
  /** Files, rows and images that are not samples, by their reason, with the first names of each; reasons that occurred only */
  leftOut: z.array(z.object({ reason: z.enum(LEFT_OUT_REASONS), count, examples: z.array(z.string()) })),
  partitions: count,
  shared: count,
  /** Why the shared set has so many rows; left out where the publisher said how many */
  sharedReason: z.string().optional(),
  dimension: count,
  /** What confirms work, as a sentence */
  confirmedBy: z.string(),
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
  partitions: count,
  /** It stood against clear majorities, so its checks and its history count for nothing; left out for all others */
  caught: z.literal(true).optional()
})

export const referenceSchema = z.object({
  /** CID of the matrix S*_Y */
  cid: z.string(),
  /** Whose targets it is; left out, like the uniform value, for one that was computed from several */
  peer: z.string().optional(),
  /** Name of the prior, or "consensus of N priors" */
  prior: z.string(),
  uniformValue: z.number().optional()
})

export const joinReportSchema = z.object({
  manifest: z.string(),
  peer: z.string(),
  prior: z.string(),
  /** What the model ran on; left out where it was the CPU because nothing else was asked for */
  device: z.string().optional(),
  /** What nobody said about images, keys or vectors, and was taken for granted; left out where all was said */
  assumed: z.array(z.string()).optional(),
  /** Partitions this participant worked on */
  partitions: count,
  /** Every partition has work, confirmed where the manifest asks for it */
  complete: z.boolean(),
  /** Left out where the manifest asks for no checks */
  checks: checksReportSchema.optional(),
  /** Own work that the dataset has and nobody confirmed; left out where there is none */
  unconfirmed: z.array(count).optional(),
  /** Once every partition has work; it is that of a complete dataset only with `complete` */
  mergedCid: z.string().optional(),
  /** With `mergedCid`: what is known to be able to change it. Later scores, results and checks of anybody always may. */
  mayChange: z
    .object({
      /** Peers that said that the scores of their priors are coming */
      scoring: z.array(z.string()),
      /** Peers that said that they improve finished work */
      improving: z.array(z.string()),
      /** Partitions with work of a prior that a stronger one of this swarm would replace, if its owner takes part again */
      weaker: count,
      /** Scores whose targets could not be had so far */
      unjudged: count
    })
    .optional()
})

export const inviteReportSchema = z.object({
  manifest: z.string(),
  invite: z.string(),
  /** What it carries, in its order. `verified`: a member has reached it, or it is of another member; not so is a public one that nobody tried yet. */
  addresses: z.array(z.object({ address: z.string(), verified: z.boolean() }))
})

export const swarmStatusSchema = z.object({
  manifest: z.string(),
  invite: z.string(),
  name: z.string(),
  role: z.enum(['publisher', 'participant', 'observer']),
  partitions: z.object({ total: count, done: count, mine: count }),
  reference: referenceSchema.optional(),
  peers: z.array(peerRowSchema),
  /** Share of the rows that have an aligned target, confirmed or not, 0 to 1 */
  coverage: z.number(),
  /** Every partition has work, confirmed where the manifest asks for it */
  complete: z.boolean(),
  /** Left out where the manifest asks for no checks */
  checks: checksReportSchema.optional(),
  mergedCid: z.string().optional(),
  /** Chosen shards; left out without a network. `holders`: other peers that were seen holding all of it. */
  shards: z.array(z.object({ partition: count, cid: z.string(), here: z.boolean(), holders: count })).optional()
})

export const statusReportSchema = z.object({
  peer: z.string(),
  /** Empty when the network is not running */
  addresses: z.array(z.string()),
  /** Can others connect to it? One line for people; left out without a network */
  reach: z
    .object({ state: z.enum(['public', 'relayed', 'local', 'unreachable', 'unknown']), text: z.string() })
    .optional(),
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

/** What joining a swarm with a prior would come to, as far as the scores that are there by now tell. */
export const sharedReportSchema = z.object({
  manifest: z.string(),
  name: z.string(),
  /** Rows of the shared set, and how many of them the prior has a target for */
  rows: count,
  present: count,
  uniformValue: z.number(),
  /** The gate's test of independence: standard deviations above noise, the swarm's threshold, and how far z is above it */
  gate: z.object({
    z: z.number(),
    threshold: z.number(),
    margin: z.number(),
    ok: z.boolean(),
    /** Below the threshold: about how many shared rows an honest prior would need; left out where z says nothing of that */
    rowsNeeded: count.optional()
  }),
  /** Electable priors that are there already */
  priors: count,
  /** Scores there whose targets could not be had */
  unjudged: count,
  /** The swarm's own policy first. `rank` of `of` electable priors with this one; left out with the `reason` when it is not electable. */
  ranks: z.array(
    z.object({
      policy: z.string(),
      /** As people know it: V (lower is better) or predictivity (higher is better) */
      figure: z.number().optional(),
      rank: count.optional(),
      of: count,
      elected: z.boolean(),
      reason: z.string().optional()
    })
  ),
  /** The present reference, and how well the prior maps onto it; left out while there is none */
  reference: referenceSchema.omit({ uniformValue: true }).optional(),
  alignment: z.object({ looR2: z.number(), looCosine: z.number(), looZ: z.number(), minLooZ: z.number() }).optional(),
  /** On the shared images; of a model only */
  imagesPerSecond: z.number().optional(),
  /** Would `join` go on? */
  admitted: z.boolean(),
  /** Why not */
  refusals: z.array(z.string())
})

/** The device that a model runs on */
export const priorDeviceSchema = z.object({
  /** A device, or `auto` */
  asked: z.string(),
  took: z.string(),
  /** What `auto` tried before, and why it could not be used */
  passedOver: z.array(z.object({ device: z.string(), reason: z.string() })),
  /** Operators of the model by what ran them; left out on the CPU */
  placement: z.record(z.string(), count).optional()
})

/** `coopt device`: where models could run on this machine */
export const deviceReportSchema = z.object({
  /** Version of ONNX Runtime */
  runtime: z.string(),
  /** What models run on unless `--device` says (`inference.device`) */
  configured: z.string(),
  /** Folder with further libraries of the runtime; left out where none is configured */
  libraryFolder: z.string().optional(),
  devices: z.array(
    z.object({
      name: z.string(),
      available: z.boolean(),
      /** Why it cannot be used; left out where it can */
      reason: z.string().optional(),
      needs: z.string()
    })
  )
})

export const priorReportSchema = z.object({
  /**
   * CID of the model or label file, of all that a table consists of, or of what a server says of its model; left out where the server says
   * nothing usable
   */
  id: z.string().optional(),
  name: z.string(),
  kind: z.enum(PRIOR_KINDS),
  /** Of its files; 0 for a model behind a server */
  bytes: count,
  /** Of a model behind a server: where it is, and how tensors get there */
  server: z
    .object({
      url: z.string(),
      platform: z.string().optional(),
      version: z.string().optional(),
      transport: z.string().optional()
    })
    .optional(),
  /** Of a model only */
  input: z.object({ name: z.string(), shape: z.array(z.union([z.number(), z.string()])) }).optional(),
  /** The tensor taken as the feature and the rule that chose it */
  output: z.object({ name: z.string(), rule: z.string() }).optional(),
  /** l, dimensions of the feature */
  dimension: count,
  /** One line per step, in order */
  preprocessing: z.array(z.string()),
  /** Of a model that runs here; left out where it is the CPU because nothing else was asked for */
  device: priorDeviceSchema.optional(),
  /** Images that a table has a vector for, or people a label */
  images: count.optional(),
  /** What was guessed about the files of a table or of labels; left out where all was said */
  assumed: z.array(z.string()).optional(),
  imagesPerSecond: z.number().optional(),
  /** With an image: facts of its feature */
  feature: z.object({ norm: z.number(), head: z.array(z.number()) }).optional(),
  /** Why a node would not run it; empty when it would */
  refusals: z.array(z.string()),
  /** Of a bundle that is what it says: its golden features came out again, the worst of them this far from what was packed (at most 0.001) */
  bundle: z
    .object({
      cid: z.string(),
      trust: z.literal('reexecutable'),
      golden: count,
      deviation: z.number(),
      license: z.string().optional()
    })
    .optional(),
  /** With a swarm to look at, unless a node would not run it */
  shared: sharedReportSchema.optional()
})

export const mergeReportSchema = z.object({
  mergedCid: z.string(),
  /** Partitions are missing or not confirmed, or scores not judged yet: the CID will change */
  provisional: z.boolean(),
  /** Scores whose targets could not be had so far */
  unjudged: count,
  coverage: z.number(),
  rows: count,
  /** Left out where neither the manifest nor the caller asks for checks */
  checks: checksReportSchema.optional(),
  /** By the caller's own rule (`checks.rule`): not the dataset of the swarm; left out for that */
  localView: z.literal(true).optional(),
  reference: referenceSchema.optional(),
  peers: z.array(peerRowSchema),
  /** Where the dataset is found by name; `record` is the path of the signed record, for `ipfs name put` */
  ipns: z.object({ name: z.string(), record: z.string(), sequence: count }).optional(),
  /** Absolute path of the folder that was written */
  out: z.string().optional()
})

export const verifyReportSchema = z.object({
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  /** Left out for a dataset without checks of members */
  verdicts: verdictsReportSchema.optional()
})

export type PublishReport = z.infer<typeof publishReportSchema>
export type PeerRow = z.infer<typeof peerRowSchema>
export type ReferenceReport = z.infer<typeof referenceSchema>
export type JoinReport = z.infer<typeof joinReportSchema>
export type InviteReport = z.infer<typeof inviteReportSchema>
export type SwarmStatus = z.infer<typeof swarmStatusSchema>
export type StatusReport = z.infer<typeof statusReportSchema>
export type PeerReport = z.infer<typeof peerReportSchema>
export type SharedReport = z.infer<typeof sharedReportSchema>
export type DeviceReport = z.infer<typeof deviceReportSchema>
export type PriorReport = z.infer<typeof priorReportSchema>
export type MergeReport = z.infer<typeof mergeReportSchema>
export type VerifyReport = z.infer<typeof verifyReportSchema>

export interface InitReport {
  home: string
  peer: string
  /** False when the home was there already; nothing was changed then */
  created: boolean
}
