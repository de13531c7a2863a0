/**
 * A look into a merged dataset: some rows of the shards that are on this node, those that are nearest by target, and all of them in two dimensions.
 * Nothing is fetched. Shards are hostile until checked, which merged-rows.ts does; images are passed on as they are and never decoded here.
 */
import type { CID } from 'multiformats/cid'
import { imageKind, type ImageKind } from '../../src/distribute/image-kind.ts'
import { CoOptError } from '../../src/errors.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import type { Choice } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Content } from '../content/content.ts'
import { shardRows, type MergedRow } from '../merge/merged-rows.ts'
import { projectTwo, unit, type Projection } from './projection.ts'

export interface SampledRow {
  readonly id: string
  readonly partition: number
  readonly prior: string
  readonly peer: string
  /** Of length 1 */
  readonly target: Float32Array
}

export interface ShownImage {
  readonly bytes: Uint8Array
  /** Media type that browsers show; undefined for one they do not */
  readonly type: string | undefined
}

export interface Neighbour {
  /** Index among the rows */
  readonly row: number
  readonly cosine: number
}

export interface DatasetSample {
  readonly rows: readonly SampledRow[]
  /** Rows whose images are shown */
  readonly shown: readonly number[]
  /** Of the first of `shown`, in their order: the nearest other rows */
  readonly neighbours: ReadonlyArray<readonly Neighbour[]>
  readonly projection: Projection | undefined
  /** By id; one that is missing is too large to show */
  readonly images: ReadonlyMap<string, ShownImage>
  readonly shards: { readonly here: number; readonly all: number }
  /** Shards that could not be read, each with the reason */
  readonly faults: readonly string[]
}

/** Read from at most so many shards, the first row groups of each: partitions are random draws, so their first rows are, too. */
const MAX_SHARDS = 8
/** Enough to see the shape of a space; comparing all pairs of them is milliseconds. */
const MAX_ROWS = 480
const SHOWN = 24
/** Images with their neighbours, and how many of these */
export const COMPARED = 8
const NEIGHBOURS = 5
/** One image, and all that are kept for a page: photos of a camera are larger than what a page should load dozens of. */
const MAX_IMAGE_BYTES = 1024 * 1024
const MAX_IMAGES_BYTES = 16 * 1024 * 1024

const TYPES: Readonly<Partial<Record<ImageKind, string>>> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  avif: 'image/avif'
}

export type SampleSource = Pick<Content, 'holdsEach' | 'ranges'>

/** Memory: one row group, the targets of the rows, and the images that are shown. */
export async function sampleDataset(
  manifest: Manifest,
  chosen: Iterable<Choice>,
  content: SampleSource,
  signal: AbortSignal
): Promise<DatasetSample> {
  const all = [...chosen].sort((a, b) => a.partition - b.partition)
  const held = await content.holdsEach(all.map(({ alignment }) => alignment.body.shard))
  const here = all.filter((_, i) => held[i] === true)
  const looked = spread(here, MAX_SHARDS)
  const faults: string[] = []
  const quota = Math.ceil(MAX_ROWS / Math.max(1, looked.length))

  /** The first rows with targets of a shard. */
  const firstRows = async function* (choice: Choice): AsyncGenerator<MergedRow> {
    const cid: CID = choice.alignment.body.shard
    let taken = 0
    for await (const one of shardRows(cid, manifest, content, { signal })) {
      if (one.target === undefined) continue
      yield one
      if (++taken >= quota) return
    }
  }
  /** What is damaged is told on the page, and the rest is shown. */
  const throughAll = async (visit: (row: MergedRow, choice: Choice) => void): Promise<void> => {
    for (const choice of looked) {
      try {
        for await (const one of firstRows(choice)) visit(one, choice)
      } catch (error) {
        if (!(error instanceof CoOptError)) throw error
        faults.push(`partition ${choice.partition}: ${error.message}`)
      }
    }
  }

  const rows: SampledRow[] = []
  await throughAll(({ id, target }, { partition, result, score }) => {
    if (target === undefined) return
    const { author } = result.body
    rows.push({ id, partition, prior: score.body.prior.name, peer: peerIdOf(author), target: unit(target) })
  })
  const shown = spread([...rows.keys()], SHOWN)
  const neighbours = shown.slice(0, COMPARED).map(index => nearest(rows, index))
  const wanted = new Set(
    [...shown, ...neighbours.flatMap(list => list.map(({ row }) => row))].map(i => rows[i]?.id ?? '')
  )
  const images = new Map<string, ShownImage>()
  let kept = 0
  const seen = faults.length
  await throughAll(({ id, image }) => {
    if (!wanted.has(id) || images.has(id) || image.byteLength > MAX_IMAGE_BYTES) return
    if ((kept += image.byteLength) > MAX_IMAGES_BYTES) return
    const kind = imageKind(image)
    images.set(id, { bytes: image.slice(), type: kind === undefined ? undefined : TYPES[kind] })
  })
  faults.length = seen // the second pass fails where the first did
  const projection = await projectTwo(rows.map(({ target }) => target))
  return { rows, shown, neighbours, projection, images, shards: { here: here.length, all: all.length }, faults }
}

// --- internal ---

/** At most `most` of a list, evenly apart, the first among them. */
function spread<T>(list: readonly T[], most: number): T[] {
  const step = Math.max(1, list.length / most)
  return Array.from({ length: Math.min(most, list.length) }, (_, i) => list[Math.floor(i * step)] as T)
}

/** By cosine, the nearest first. */
function nearest(rows: readonly SampledRow[], index: number): Neighbour[] {
  const own = rows[index] as SampledRow
  return rows
    .map(({ target }, row) => ({ row, cosine: target.reduce((sum, v, i) => sum + v * (own.target[i] as number), 0) }))
    .filter(({ row }) => row !== index && rows[row]?.id !== own.id)
    .sort((a, b) => b.cosine - a.cosine || a.row - b.row)
    .slice(0, NEIGHBOURS)
}
