/**
 * Checks one shard, as far as its blocks are available locally; nothing is fetched.
 *
 * Its tree and sizes are those of its record, every row has n finite numbers or none, as many as the result says, its weights are those that its
 * targets and the reference give, bit for bit, and its images are the partition's own blocks. Where the raw targets are available too, T is fitted
 * again and applied, and must give the published numbers; fast kernels differ between machines in the last bits, so that comparison has a tolerance.
 */
import type { CID } from 'multiformats/cid'
import { rowWeights } from '../../src/align/row-weight.ts'
import { presentRows } from '../../src/bytes.ts'
import { equalBytes } from '../../src/codec.ts'
import { readFooter, rowGroupOf, type ByteRanges, type Footer } from '../../src/distribute/parquet-footer.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import { UNPADDED_BYTES } from '../../src/distribute/partition-file.ts'
import { buildTree, IMPORT } from '../../src/distribute/unixfs-import.ts'
import type { FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import { InvalidContentError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import type { Choice } from '../../src/merge/views.ts'
import { alignmentDifference, alignmentTolerance } from '../../src/publish/recomputed.ts'
import { readTargets } from '../../src/publish/shard-rows.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import { fileRanges } from '../content/file-ranges.ts'
import type { LocalContent } from '../content/local-content.ts'
import type { ContentReader } from '../content/read-content.ts'

export interface ShardCheck {
  manifest: Manifest
  reference: CID
  content: Pick<LocalContent, 'tree' | 'holds'> & Pick<ContentFetcher, 'block'> & Pick<ContentReader, 'matrix'>
  /** With every chosen score assessed */
  exact: Pick<Exact, 'fit'>
  gemm: Gemm
  signal: AbortSignal
}

export interface CheckedShard {
  readonly rows: number
  /** Has it weights? */
  readonly isWeighted: boolean
  /** Were its images compared with the partition's blocks? */
  readonly hasImages: boolean
  /** Were its targets computed again from the raw targets? */
  readonly isRecomputed: boolean
}

/**
 * Undefined when some of its blocks are not here. `reference`: m x n, of the alignment. Throws `InvalidContentError` with the reason when the shard
 * is wrong.
 */
export async function checkShard(
  choice: Omit<Choice, 'standing'>,
  reference: Matrix32,
  check: ShardCheck
): Promise<CheckedShard | undefined> {
  const { content } = check
  const { body } = choice.alignment
  const tree = await content.tree(body.shard, body.bytes)
  if (tree === undefined || !(await content.holds(body.shard))) return undefined
  const { dagBytes } = await buildTree(tree.leaves, async () => {})
  if (tree.bytes !== body.bytes || dagBytes !== body.dagBytes)
    throw new InvalidContentError(
      `${tree.bytes} bytes, ${dagBytes} with its tree; its record says ${body.bytes}, ${body.dagBytes}`
    )
  const file = rangesOf(tree, check)
  const { targets, weights } = await read(file, choice, check)
  if (weights !== undefined) checkWeights(weights, targets, reference)
  const hasImages = await hasPartitionsImages(file, tree, choice, check)
  const isRecomputed = await equalsRecomputed(targets, choice, check)
  return { rows: targets.rows, isWeighted: weights !== undefined, hasImages, isRecomputed }
}

// --- internal ---

type Work = Omit<Choice, 'standing'>

function rangesOf(tree: FileLeaves, { content, signal }: ShardCheck): ByteRanges {
  return fileRanges(tree, async cid => await content.block(cid, { signal }))
}

/** All targets of the shard, as many and as finite as its records say, and its weights if it has any. */
async function read(
  file: ByteRanges,
  { partition, result }: Work,
  { manifest }: ShardCheck
): Promise<{ targets: Matrix32; weights: Float32Array | undefined }> {
  const rows = manifest.partitions[partition]?.rows ?? 0
  const n = manifest.dimension
  const data = new Float32Array(rows * n)
  let weights: Float32Array | undefined
  let done = 0
  for await (const { start, targets, weights: own } of readTargets(file, n, manifest.targetDtype)) {
    done = start + targets.rows
    if (done > rows) break
    data.set(targets.data, start * n)
    if (own !== undefined) (weights ??= new Float32Array(rows)).set(own, start)
  }
  if (done !== rows) throw new InvalidContentError(`targets for ${done} rows or more, the partition has ${rows}`)
  const all = matrix(rows, n, data)
  const present = presentRows(all)
  for (const i of present)
    if (!row(all, i).every(Number.isFinite)) throw new InvalidContentError(`the target of row ${i} is not finite`)
  if (present.length !== result.body.present)
    throw new InvalidContentError(`${present.length} rows have a target, the result says ${result.body.present}`)
  return { targets: all, weights }
}

/** What they are computed from is published, in plain arithmetic: there is no tolerance. */
function checkWeights(weights: Float32Array, targets: Matrix32, reference: Matrix32): void {
  for (const [i, expected] of rowWeights(targets, reference).entries())
    if (weights[i] !== expected)
      throw new InvalidContentError(
        `the weight of row ${i} is ${weights[i]}, its target and the reference give ${expected}`
      )
}

/** Do the shard's image columns lie in the partition's own blocks, at the same places? False if the partition's tree is not here. */
async function hasPartitionsImages(
  file: ByteRanges,
  tree: FileLeaves,
  { partition }: Work,
  check: ShardCheck
): Promise<boolean> {
  const known = check.manifest.partitions[partition]
  const source = known === undefined ? undefined : await check.content.tree(known.cid, known.bytes)
  if (known === undefined || source === undefined) return false
  const footer = await readFooter(file)
  const places = imagePlaces(footer)
  const end = places.reduce((last, { offset, byteLength }) => Math.max(last, offset + byteLength), 0)
  // little data in the last block is not padded to a whole one (partition-file.ts): what follows it in the two files differs
  const over = end % IMPORT.chunkBytes
  const whole = over <= UNPADDED_BYTES ? Math.floor(end / IMPORT.chunkBytes) : Math.ceil(end / IMPORT.chunkBytes)
  for (let i = 0; i < whole; i++) {
    const own = source.leaves[i]
    if (own === undefined || tree.leaves[i]?.cid.equals(own.cid) !== true)
      throw new InvalidContentError(`block ${i} of its images is not that of partition ${partition}`)
  }
  // the blocks are the same; that they are read in the same order is written in the partition's footer, if that is here
  if (!(await check.content.holds(known.cid))) return false
  const original = rangesOf(source, check)
  const own = imagePlaces(await readFooter(original))
  const same = own.length === places.length && own.every((p, i) => samePlace(p, places[i]))
  if (!same) throw new InvalidContentError(`its image columns are not laid out as those of partition ${partition}`)
  const rest = Math.min(end, whole * IMPORT.chunkBytes)
  if (!equalBytes(await file.slice(rest, end), await original.slice(rest, end)))
    throw new InvalidContentError(`the last of its images are not those of partition ${partition}`)
  return true
}

interface Place {
  readonly path: string
  readonly offset: number
  readonly byteLength: number
  readonly rows: number
}

const IMAGE_COLUMNS = ['id', 'image.bytes', 'image.path']

function imagePlaces(footer: Footer): Place[] {
  return footer.rowGroups.flatMap(encoded => {
    const { columns, rows } = rowGroupOf(encoded, footer)
    return columns
      .filter(({ path }) => IMAGE_COLUMNS.includes(path))
      .map(({ path, offset, byteLength }) => ({ path, offset, byteLength, rows }))
  })
}

function samePlace(a: Place, b: Place | undefined): boolean {
  return a.path === b?.path && a.offset === b.offset && a.byteLength === b.byteLength && a.rows === b.rows
}

/** Are these the raw targets under T? False if the raw targets are not here. */
async function equalsRecomputed(
  targets: Matrix32,
  { score, result }: Work,
  { manifest, reference, content, exact, gemm, signal }: ShardCheck
): Promise<boolean> {
  const bytes = targets.rows * manifest.dimension * 4
  if ((await content.tree(result.body.raw, bytes)) === undefined || !(await content.holds(result.body.raw)))
    return false
  const raw = await content.matrix(result.body.raw, targets.rows, manifest.dimension, { signal })
  const transform = await exact.fit(score.body.targets, reference, gemm)
  const worst = await alignmentDifference(targets, raw, { transform, gemm })
  if (worst === undefined || worst.off <= alignmentTolerance(manifest.targetDtype ?? 'float32')) return true
  throw new InvalidContentError(
    worst.off === Infinity
      ? `row ${worst.row} has a target only here, or only when computed again`
      : `the target of row ${worst.row} is not what the raw targets give: off by ${(100 * worst.off).toPrecision(3)} %`
  )
}
