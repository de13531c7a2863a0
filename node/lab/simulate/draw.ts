/**
 * One draw of a dataset: rows, partitions, shared set and W, and everything that depends only on these (targets, assessments, fits), so that
 * configurations with other rules or participants can share it.
 *
 * W is derived from the id of the manifest with the draw's data and a publisher's default rules. Configurations with other rules have their own
 * manifest but the same W, so they are compared on the same targets.
 *
 * No Parquet is written: the file of a partition or of the shared set is the list of its images' digests.
 */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { createElectionMemo, type ElectionMemo } from '../../../src/align/candidate.ts'
import { assess, DEFAULT_GATE, type Assessment } from '../../../src/align/gate.ts'
import { DEFAULT_GRID, DEFAULT_MIN_LOO_Z, fitTransform, type Transform } from '../../../src/align/transform.ts'
import { isAbsentRow } from '../../../src/bytes.ts'
import { sealManifest, type Manifest, type Swarm } from '../../../src/distribute/manifest.ts'
import { DIGEST_BYTES, planPartitions } from '../../../src/distribute/partition.ts'
import { importBytes, type ContentFile } from '../../../src/distribute/unixfs-import.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import { project, projection } from '../../../src/optimize/projection.ts'
import { importMatrix } from '../../../src/publish/matrix-file.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import type { PriorFeatures } from './feature-cache.ts'
import type { ImageSet } from './image-set.ts'
import type { Settings } from './plan.ts'
import { simulatedPeer } from './simulated-peer.ts'
import type { PriorKind } from '../../../src/optimize/prior-kind.ts'

/** A target matrix as it is published. */
export interface Published {
  readonly cid: CID
  readonly matrix: Matrix32
  /** Rows that have a target */
  readonly present: number
}

/** Which image is where, as indices into the image set. */
export interface Layout {
  readonly swarm: Swarm
  readonly partitions: readonly Uint32Array[]
  readonly shared: Uint32Array
  /** sha2-256 of an image */
  digestOf(image: number): Uint8Array
}

export interface Draw extends Layout {
  readonly memo: ElectionMemo
  /** One computation per key */
  remember<T>(key: string, compute: () => T): T
  readonly referenceFeatures: Matrix32
  /** Targets y = W psi(x) of these rows */
  targets(prior: PriorFeatures, rows: Uint32Array): Matrix32
  /** S_Y of a prior; computed once */
  sharedTargets(prior: PriorFeatures): Promise<Published>
  /** Raw targets of a prior on a partition; computed once */
  partitionTargets(prior: PriorFeatures, partition: number): Promise<Published>
  /** Store a matrix under its CID. */
  publish(targets: Matrix32): Promise<Published>
  /** A matrix on the shared set that was published here. Throws if it was not. */
  sharedMatrix(cid: CID): Matrix32
  assess(cid: CID, kind: PriorKind, uniformity: Manifest['uniformity']): Assessment
  /** T, bit-exact, with its figures. Throws `NumericError`. */
  fit(from: CID, to: CID, grid: readonly number[]): Promise<Transform>
}

/** Configurations with equal keys share a draw. */
export function drawKey({ rows, partitions, shared, dimension, seed }: Settings): string {
  return [rows ?? 'all', partitions, shared, dimension, seed].join(' ')
}

/** `untrained`: features of the publisher's reference prior. Throws `InvalidInputError` if there are too few images. */
export async function makeDraw(images: ImageSet, untrained: PriorFeatures, settings: Settings): Promise<Draw> {
  const { rows = images.count, partitions, shared, dimension } = settings
  if (rows > images.count)
    throw new InvalidInputError(`plan: rows: ${rows}, but the sources have ${images.count} images`)
  const seed = Uint8Array.from(createHash('sha256').update(`coopt/1/simulate/seed ${settings.seed}`).digest())
  // the images are in the order of their digests, so that neither names nor the order of sources matter
  const chosen = shuffle(images.count, createRandomStream('coopt/1/simulate/rows', seed)).slice(0, rows)
  const plan = planPartitions({
    digests: digestsOf(images, chosen),
    seed,
    partitions,
    sharedRows: Math.min(shared, rows)
  })
  const layout = {
    partitions: plan.partitions.map(list => list.map(i => chosen[i] as number)),
    shared: plan.shared.map(i => chosen[i] as number)
  }
  const file = async (list: Uint32Array): Promise<ContentFile & { rows: number }> => {
    const { cid, bytes, dagBytes } = await importBytes([digestsOf(images, list)], keepNothing)
    return { cid, bytes, dagBytes, rows: list.length }
  }
  const features = takeImages(untrained.features, layout.shared)
  const publisher = simulatedPeer('publisher')
  const swarm = await sealManifest(
    {
      v: 1,
      kind: 'coopt-manifest',
      protocol: '1.0.0',
      name: 'simulated',
      publisher: publisher.key,
      samples: rows,
      partitions: await Promise.all(layout.partitions.map(file)),
      shared: await file(layout.shared),
      dimension,
      seed,
      referenceFeatures: {
        ...(await importMatrix(features, keepNothing)),
        dimension: features.columns,
        source: 'untrained (bundled default)'
      },
      uniformity: { t: 2, centred: false },
      election: { policy: 'uniformity', margin: 0.02, human: false },
      gate: DEFAULT_GATE,
      alignment: { grid: [...DEFAULT_GRID], minLooZ: DEFAULT_MIN_LOO_Z },
      quotas: { recordsPerPeer: 1_000_000, recordBytes: 1024 * 1024 * 1024 },
      admission: 'open'
    },
    publisher.sign
  )
  const digestOf = (image: number): Uint8Array =>
    images.digests.subarray(image * DIGEST_BYTES, (image + 1) * DIGEST_BYTES)
  return createDraw({ swarm, ...layout, digestOf }, features)
}

/** A draw for an existing layout. */
export function createDraw(layout: Layout, referenceFeatures: Matrix32): Draw {
  const { swarm, shared } = layout
  const { manifest } = swarm
  const matrices = new Map<string, Matrix32>()
  const maps = new Map<number, Matrix64>()
  const remember = memoize()

  const w = (l: number): Matrix64 => {
    const found = maps.get(l) ?? projection(swarm.id, l, manifest.dimension)
    maps.set(l, found)
    return found
  }
  const targets = (prior: PriorFeatures, rows: Uint32Array): Matrix32 =>
    project(w(prior.features.columns), takeImages(prior.features, rows))
  const publish = async (m: Matrix32): Promise<Published> => {
    const { cid } = await importMatrix(m, keepNothing)
    // callers keep matrices of partitions; those on the shared set are looked up by CID
    if (m.rows === shared.length) matrices.set(cid.toString(), m)
    return { cid, matrix: m, present: presentOf(m) }
  }
  const sharedMatrix = (cid: CID): Matrix32 => {
    const found = matrices.get(cid.toString())
    if (found === undefined) throw new Error(`matrix ${cid} was never made`)
    return found
  }

  return {
    ...layout,
    memo: createElectionMemo(),
    remember,
    referenceFeatures,
    targets,
    publish,
    sharedMatrix,
    sharedTargets: async prior =>
      await remember(`shared ${prior.id}`, async () => await publish(targets(prior, shared))),
    partitionTargets: async (prior, partition) =>
      await remember(`partition ${partition} ${prior.id}`, async () => {
        const rows = layout.partitions[partition]
        if (rows === undefined) throw new Error(`partition ${partition} does not exist`)
        return await publish(targets(prior, rows))
      }),
    assess: (cid, kind, uniformity) =>
      remember(`assess ${cid} ${kind} ${uniformity.t} ${uniformity.centred}`, () =>
        assess({ ...manifest, uniformity }, { targets: sharedMatrix(cid), kind }, referenceFeatures)
      ),
    fit: async (from, to, grid) =>
      await remember(`fit ${from} ${to} ${grid.join()}`, async () =>
        fitTransform({ from: sharedMatrix(from), to: sharedMatrix(to), grid, gemm: plainGemm })
      )
  }
}

/** Rows of a matrix over all images; absent rows keep their bits. */
export function takeImages(m: Matrix32, rows: Uint32Array): Matrix32 {
  const { columns } = m
  const data = new Float32Array(rows.length * columns)
  rows.forEach((from, to) => data.set(m.data.subarray(from * columns, (from + 1) * columns), to * columns))
  return matrix(rows.length, columns, data)
}

export function presentOf({ rows, columns, data }: Matrix32): number {
  let present = 0
  for (let i = 0; i < rows; i++) if (!isAbsentRow(data.subarray(i * columns, (i + 1) * columns))) present++
  return present
}

// --- internal ---

async function keepNothing(): Promise<void> {
  // only the CID is wanted
}

function digestsOf({ digests }: ImageSet, rows: Uint32Array): Uint8Array {
  const out = new Uint8Array(rows.length * DIGEST_BYTES)
  rows.forEach((from, to) =>
    out.set(digests.subarray(from * DIGEST_BYTES, (from + 1) * DIGEST_BYTES), to * DIGEST_BYTES)
  )
  return out
}

/** One computation per key. Promises are cached as well, so that a second caller waits for the first. */
function memoize(): <T>(key: string, compute: () => T) => T {
  const values = new Map<string, unknown>()
  return <T>(key: string, compute: () => T): T => {
    if (!values.has(key)) values.set(key, compute())
    return values.get(key) as T
  }
}
