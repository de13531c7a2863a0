/**
 * Step 1 on this machine: images become partitions, a shared set, reference features and a signed manifest.
 *
 * No file name, folder or class gets into any block: samples are identified by the hash of their bytes and ordered by it before the seeded
 * shuffle (src/distribute/partition.ts).
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_GATE } from '../../src/align/gate.ts'
import { DEFAULT_GRID, DEFAULT_MIN_LOO_Z } from '../../src/align/transform.ts'
import { encodeMatrix } from '../../src/bytes.ts'
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from '../../src/distribute/image-limits.ts'
import { MIN_SHARED_ROWS, sealManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import { sharedSize } from '../../src/distribute/shared-size.ts'
import { importBytes, type ContentFile } from '../../src/distribute/unixfs-import.ts'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { InvalidInputError, NonFiniteFeatureError } from '../../src/errors.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import type { ApiEvent } from '../api/events.ts'
import type { PublishOptions } from '../api/options.ts'
import type { ContentWriter } from '../content/content.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import { buildDataset } from './build.ts'
import { type LeftOut, leftOutText } from '../image-sources/left-out.ts'
import { openSource } from '../image-sources/source.ts'
import { InferenceHost } from '../compute/inference/host.ts'
import { decodeLimits, type InferenceLimits } from '../compute/inference/limits.ts'
import { assumptions } from '../priors/describe-preprocessing.ts'
import { embedSamples } from '../priors/embed-samples.ts'
import { loadPrior } from '../priors/load-prior.ts'
import {
  checkPublishOptions,
  checkReferenceFeatures,
  checkReferencePrior,
  defaultPolicy,
  imageLimits,
  sizeAdvice
} from './publish-options.ts'

/** Partitions of fewer rows spend more on records and tree nodes than on targets. */
const MIN_PARTITION_ROWS = 1

export interface PublishComponents {
  self: PeerKey
  sign: Sign
  /** Its `put` keeps what no manifest names yet (`ContentWriter.writing`) */
  content: Pick<ContentWriter, 'put' | 'barrier'> & Pick<ContentFetcher, 'block'> & Pick<ContentReader, 'samples'>
  /** Of the processes that decode images and run the reference prior */
  limits: Partial<InferenceLimits>
  /** Images per call of the reference prior */
  batchSize: number
  /** Folder for temporary files */
  spool: string
  /** The bundled untrained prior */
  untrainedPrior: string
  onEvent(event: ApiEvent): void
  signal: AbortSignal
}

export interface PublishedSwarm {
  swarm: Swarm
  /** Images whose bytes occurred before: kept, or left out when that was asked for */
  duplicates: number
  /** Everything in the source that is not a sample, by its reason */
  leftOut: readonly LeftOut[]
  /** Why the shared set has so many rows, where the publisher did not say */
  sharedReason?: string
}

/** Throws `InvalidInputError`, `InvalidImageError`, `InvalidPriorError`; nothing is published then. */
export async function publishSwarm(
  components: PublishComponents,
  path: string,
  options: PublishOptions
): Promise<PublishedSwarm> {
  const { self, sign, content, onEvent, signal } = components
  const admission = checkPublishOptions(options)
  const images = imageLimits(options)
  const limits = { ...components.limits, ...decodeLimits(images) }
  // before anything is built: a prior that cannot be used is an error of the command line
  const prior = await loadReference({ ...components, limits }, options)
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(async () => await prior.close())
  checkReferencePrior(options, prior.descriptor.dimension, prior.descriptor.name)
  await mkdir(components.spool, { recursive: true, mode: 0o700 })
  const spool = await mkdtemp(join(components.spool, 'publish-'))
  cleanup.defer(async () => await rm(spool, { recursive: true, force: true }))
  const host = new InferenceHost({ limits, scratch: components.spool })
  cleanup.defer(async () => await host.close())
  const source = await openSource([path, ...(options.more ?? [])], {
    spool,
    signal,
    dedupe: options.dedupe ?? false,
    ...(options.column === undefined ? {} : { column: options.column }),
    ...(options.component === undefined ? {} : { component: options.component }),
    ...(options.only === undefined ? {} : { only: options.only }),
    onNote: once(message => onEvent({ type: 'log', level: 'warn', message })),
    ...(options.skipBad === true
      ? {
          onBroken: (name, fault) => onEvent({ type: 'log', level: 'warn', message: `left out ${name}: ${fault}` })
        }
      : {}),
    remote: { get: async cid => await content.block(cid, { signal }) },
    maxBytes: images.maxBytes,
    inspect: async encoded =>
      (await host.inspectImages(encoded, { signal })).map(facts => ('error' in facts ? facts.error : undefined)),
    onProgress: (done, total) =>
      onEvent({ type: 'building', step: 'hash', done, ...(total === undefined ? {} : { total }) })
  })
  cleanup.defer(async () => await source.close())
  for (const entry of source.leftOut)
    onEvent({ type: 'log', level: 'warn', message: `left out: ${leftOutText(entry)}` })
  if (source.duplicates > 0 && options.dedupe !== true)
    onEvent({
      type: 'log',
      level: 'warn',
      message: `${source.duplicates} images occurred before and are kept: --dedupe leaves them out`
    })
  const samples = source.count
  if (samples < options.partitions * MIN_PARTITION_ROWS) {
    throw new InvalidInputError(
      `${path} has ${samples} images, too few for ${options.partitions} partitions: use fewer partitions`
    )
  }
  if (samples < MIN_SHARED_ROWS)
    throw new InvalidInputError(
      `${path} has ${samples} images, ${MIN_SHARED_ROWS} at least are needed for a shared set`
    )
  const { dimension } = prior.descriptor
  const size = sharedSize({ ...options, samples, featureDimension: dimension })
  const sharedRows = Math.min(options.shared ?? size.rows, samples)
  for (const message of sizeAdvice(options, { rows: sharedRows, samples, featureDimension: dimension }))
    onEvent({ type: 'log', level: 'warn', message })
  const seed = new Uint8Array(randomBytes(32))
  const built = await buildDataset(source, {
    partitions: options.partitions,
    sharedRows,
    seed,
    put: content.put,
    signal,
    onProgress: (step, done, total) => onEvent({ type: 'building', step, done, total })
  })
  const referenceFeatures = await embedShared(components, prior, built.shared)
  const manifest: Manifest = {
    v: 1,
    kind: 'coopt-manifest',
    protocol: '1.0.0',
    name: options.name,
    ...(options.license === undefined ? {} : { license: options.license }),
    publisher: self,
    samples,
    partitions: built.partitions,
    shared: built.shared,
    ...statedLimits(images),
    dimension: options.dimension,
    ...(options.targetDtype === 'float16' ? { targetDtype: options.targetDtype } : {}),
    seed,
    referenceFeatures,
    uniformity: { t: 2, centred: options.centred === true },
    election: { policy: options.election ?? defaultPolicy(options), margin: 0.02, human: false },
    gate: DEFAULT_GATE,
    alignment: { grid: [...DEFAULT_GRID], minLooZ: DEFAULT_MIN_LOO_Z },
    // scores, and a peer that does every partition can follow fifteen changes of the reference
    quotas: { recordsPerPeer: 16 * options.partitions + 256, recordBytes: 64 * 1024 * 1024 },
    admission
  }
  const swarm = await sealManifest(manifest, sign)
  await content.put(swarm.id, swarm.bytes)
  await content.barrier()
  return {
    swarm,
    duplicates: source.duplicates,
    leftOut: source.leftOut,
    ...(options.shared === undefined ? { sharedReason: size.reason } : {})
  }
}

// --- internal ---

/** One manifest has one encoding: the usual limits are left out. */
function statedLimits(images: ImageLimits): Pick<Manifest, 'images'> {
  const { maxPixels, maxBytes } = DEFAULT_IMAGE_LIMITS
  return images.maxPixels === maxPixels && images.maxBytes === maxBytes ? {} : { images }
}

/** The same about every part of a source is told once. */
function once(tell: (text: string) => void): (text: string) => void {
  const told = new Set<string>()
  return text => {
    if (told.has(text)) return
    told.add(text)
    tell(text)
  }
}

async function loadReference(
  { untrainedPrior, limits, spool: scratch, onEvent }: PublishComponents,
  { referencePrior }: PublishOptions
): Promise<ReferencePrior> {
  const prior = await loadPrior(referencePrior ?? untrainedPrior, { limits, scratch })
  const { kind, name } = prior.descriptor
  if (kind !== 'onnx') {
    await prior.close()
    throw new InvalidInputError(
      kind === 'human'
        ? 'labels cannot be the reference prior: their features are too coarse for the gate'
        : `"${name}" is a table of vectors, and the reference prior must be a model, which has features of every image`
    )
  }
  for (const what of assumptions(prior.descriptor.preprocessing))
    onEvent({ type: 'log', level: 'warn', message: `reference prior "${prior.descriptor.name}": ${what}` })
  return Object.assign(prior, {
    source: referencePrior === undefined ? 'untrained (bundled default)' : prior.descriptor.name
  })
}

type ReferencePrior = PriorModel & { readonly source: string }

/** Features of the shared set by the reference prior: what the gate of this swarm judges candidates against. */
async function embedShared(
  { content, batchSize, onEvent, signal }: PublishComponents,
  prior: ReferencePrior,
  shared: ContentFile & { rows: number }
): Promise<Manifest['referenceFeatures']> {
  const { dimension, name } = prior.descriptor
  const features = await embedSamples(
    content.samples(shared, 0, signal),
    shared.rows,
    async images => (await prior.embed(images, { signal })).features,
    {
      batchSize,
      atOnce: prior.callsAtOnce ?? 1,
      onBatch: done => onEvent({ type: 'building', step: 'features', done, total: shared.rows }),
      signal
    }
  )
  if (!features.data.every(Number.isFinite))
    throw new NonFiniteFeatureError(`the reference prior "${name}" has features that are not finite`)
  checkReferenceFeatures(features, name)
  const file = await importBytes([encodeMatrix(features)], content.put)
  return { ...file, dimension, source: prior.source }
}
