/** Options of the operations in api.ts, as schemas. Every way to a node checks arguments by them (operations.ts). */
import { z } from 'zod'
import { MAX_CHECKERS, MAX_QUORUM, POLICY_NAMES } from '../../src/distribute/manifest.ts'
import { deviceFault, isDeviceText } from './device-name.ts'
import { TARGET_DTYPES } from '../../src/publish/target-dtype.ts'

/** Kinds of files that hold images. */
export const SOURCE_KINDS = ['images', 'tar', 'parquet', 'arrow'] as const
export type SourceKind = (typeof SOURCE_KINDS)[number]

const count = z.number().int().nonnegative()
/** No path, CID or invite is longer. */
const text = z.string().min(1).max(16_384)

/** Of this machine; which work here is seen when a model is loaded. */
const device = z.string().superRefine((value, ctx) => {
  if (!isDeviceText(value)) ctx.addIssue({ code: 'custom', message: deviceFault(value) })
})

export const publishOptionsSchema = z.strictObject({
  name: z.string().min(1).max(128),
  /** SPDX expression or other words of the data's owner */
  license: z.string().min(1).max(128).optional(),
  partitions: count.min(1),
  /** Rows of the shared set; chosen from the dataset by default (src/distribute/shared-size.ts) */
  shared: count.min(1).optional(),
  /** n, dimensions of every target */
  dimension: count.min(1),
  /** Number format of the targets in shards; float32 by default */
  targetDtype: z.enum(TARGET_DTYPES).optional(),
  /** Prior whose features of the shared set the gate compares with; the bundled untrained one by default */
  referencePrior: text.optional(),
  election: z.enum(POLICY_NAMES).optional(),
  /** Uniform values of targets centred on S; by default of the targets as they are */
  centred: z.boolean().optional(),
  /** Peer ids that may add records; any by default */
  allow: z.array(text).max(4096).optional(),
  /** Members other than its author that must confirm work; 0: the records of its author are enough. 1 by default */
  quorum: count.max(MAX_QUORUM).optional(),
  /** Further sources, read after the first as if they were one */
  more: z.array(text).max(4096).optional(),
  /** Drop images whose bytes occurred before; they are kept by default */
  dedupe: z.boolean().optional(),
  /** Column of Parquet or Arrow files that has the images; found by type and name by default */
  column: z.string().min(1).max(1024).optional(),
  /** Component of WebDataset samples that is the image, such as `jpg`, or `all`; needed where a sample has several */
  component: z.string().min(1).max(256).optional(),
  /** The kind of files to read in a folder that has several */
  only: z.enum(SOURCE_KINDS).optional(),
  /** Most pixels of an image, part of the manifest; as many as Pillow opens by default */
  maxPixels: count.min(1).optional(),
  /** Most bytes of an encoded image, part of the manifest; 64 MiB by default */
  maxImageBytes: count.min(1).optional(),
  /** Skip unusable images and archives, with a `log` event for each; by default one is an error */
  skipBad: z.boolean().optional()
})

export const joinOptionsSchema = z.strictObject({
  /**
   * An .onnx file, a folder with model.onnx and preprocessor_config.json, a .csv of labels, a table of vectors, a bundle as a folder or by its
   * CID, or the URL of a model behind a server (`http://host:8000/v2/models/NAME`)
   */
  prior: text,
  /** Output to use as the feature instead of the one chosen by rule */
  output: z.string().min(1).max(1024).optional(),
  /** File with the settings of the images, instead of one beside the model */
  preprocessing: text.optional(),
  /** Column with the keys of a table of vectors instead of the one chosen by rule */
  key: z.string().min(1).max(1024).optional(),
  /** Where the file names of labels or of a table lead: folder of the images, or CSV `name,sha256` */
  images: text.optional(),
  /** Resolve when the dataset is complete */
  once: z.boolean(),
  /** Threads of the inference process */
  threads: count.min(1).max(256).optional(),
  /** Threads that decode images */
  workers: count.min(1).max(256).optional(),
  /** Images that go through the model at once */
  batch: count.min(1).max(1024).optional(),
  /** Where the model runs: cpu, cuda[:N], auto and others (device-name.ts); as configured by default */
  device: device.optional(),
  /** Publish targets of at most this many partitions; with 0 the prior takes part in the election alone */
  maxPartitions: count.optional(),
  /** Public name of the prior */
  name: z.string().min(1).max(64).optional(),
  /** Public licence of the prior */
  license: z.string().min(1).max(128).optional()
})

export const priorCheckOptionsSchema = z.strictObject({
  image: text.optional(),
  output: z.string().max(1024).optional(),
  preprocessing: text.optional(),
  key: z.string().max(1024).optional(),
  images: text.optional(),
  /** Where the model runs; as configured by default */
  device: device.optional(),
  /** Invite or manifest CID of a swarm, or root of a merged dataset: would it accept the prior? */
  shared: text.optional()
})

/** `out`: a new or empty folder for the files of the dataset. */
export const mergeOptionsSchema = z.strictObject({
  out: text.optional(),
  /** Key of the home's key store, made on first use: an IPNS record under it points to the dataset */
  name: z.string().min(1).max(64).optional(),
  /** A local view: only work that so many others confirmed */
  confirmed: count.min(1).max(MAX_QUORUM).optional(),
  /** A local view: only work that these peers confirmed */
  trust: z.array(text).min(1).max(MAX_CHECKERS).optional()
})

export const verifyOptionsSchema = z.strictObject({
  /** Run bundled priors again on this many random rows of each */
  rerun: count.min(1).max(65_536).optional(),
  /** Ask peers for the targets that checks compared, where they are not available locally */
  fetch: z.boolean().optional()
})

export type VerifyOptions = z.infer<typeof verifyOptionsSchema>
export type PublishOptions = z.infer<typeof publishOptionsSchema>
export type JoinOptions = z.infer<typeof joinOptionsSchema>
export type PriorCheckOptions = z.infer<typeof priorCheckOptionsSchema>
export type MergeOptions = z.infer<typeof mergeOptionsSchema>

/** Of the HTTP gateway; fields that are left out are as configured. */
export interface GatewayOptions {
  port?: number
  /** Serve everything in the store */
  any?: boolean
}

export interface InitOptions {
  /** Multiaddrs to listen on, instead of the default */
  listen?: readonly string[]
  /**
   * Find members on the local network by multicast DNS
   *
   * @default true
   */
  mdns?: boolean
}
