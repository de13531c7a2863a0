/**
 * `coopt verify CID --rerun`: runs the priors that came as bundles again on rows drawn at random, and compares what they give with the targets
 * that were published. Finds what no other check can: an honest prior on the shared set with other targets on the partitions.
 *
 * Other people's models are run only on request: sizes are limited before a byte is fetched, the operators are scanned, the bundle must be
 * what it says, and the model runs in the same child process as own priors.
 */
import { randomInt } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { applyTransform } from '../../src/align/transform.ts'
import { isAbsentRow } from '../../src/bytes.ts'
import { imageLimitsOf, type Swarm } from '../../src/distribute/manifest.ts'
import { readSamples, type Sample } from '../../src/distribute/partition-file.ts'
import { ContentUnavailableError, InvalidContentError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { row } from '../../src/matrix.ts'
import { shardName } from '../../src/merge/shard-name.ts'
import type { Choice } from '../../src/merge/views.ts'
import { priorIdentity } from '../../src/optimize/prior.ts'
import { RERUN_TOLERANCE } from '../../src/publish/recomputed.ts'
import { readTargets } from '../../src/publish/shard-rows.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { fetchBundle } from '../priors/bundle/fetch-bundle.ts'
import { openBundle } from '../priors/bundle/open-bundle.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import type { Exact } from '../compute/exact/exact.ts'
import { decodeLimits, DEFAULT_LIMITS, type InferenceLimits } from '../compute/inference/limits.ts'
import type { Projector } from '../compute/projection/projector.ts'
import { createTargetComputer } from '../priors/compute-targets.ts'

export interface RerunInit {
  /** Rows of each prior */
  rows: number
  limits: Partial<InferenceLimits>
  projector: Projector
  /** Images per call of a prior */
  batchSize: number
  /** Folder for temporary files */
  spool: string
}

export interface RerunComponents {
  swarm: Swarm
  reference: CID
  content: Pick<ContentFetcher, 'block' | 'leaves'> & Pick<ContentReader, 'ranges'>
  /** With every chosen score assessed */
  exact: Exact
  gemm: Gemm
  signal: AbortSignal
}

export interface RerunGroup {
  readonly score: SignedRecord<Score>
  readonly choices: readonly Choice[]
}

export interface Rerun {
  readonly rows: number
  readonly shards: number
  /** Of these, those whose partition could not be fetched: whether their images are its images is unknown */
  readonly unmatched: number
  /** The largest distance found */
  readonly worst: number
  readonly license: string | undefined
}

/** Chosen work by prior, those that came as bundles. */
export function rerunGroups(chosen: Iterable<Choice>): RerunGroup[] {
  const groups = new Map<string, { score: SignedRecord<Score>; choices: Choice[] }>()
  for (const choice of chosen) {
    if (choice.score.body.prior.bundle === undefined) continue
    const group = groups.get(choice.score.key) ?? { score: choice.score, choices: [] }
    group.choices.push(choice)
    groups.set(choice.score.key, group)
  }
  return [...groups.values()]
}

/**
 * Throws `InvalidContentError` naming the first row that differs or a bundle that is not that of the prior, `InvalidPriorError` for a bundle that
 * is refused, `ContentUnavailableError` when bundle or rows cannot be fetched.
 */
export async function rerunPrior(
  { score, choices }: RerunGroup,
  components: RerunComponents,
  { rows, limits, projector, batchSize, spool }: RerunInit
): Promise<Rerun> {
  const { swarm, reference, content, exact, gemm, signal } = components
  const { prior: claimed, author, targets } = score.body
  if (claimed.bundle === undefined) throw new InvalidContentError(`prior "${claimed.name}" did not come as a bundle`)
  const { cid, dagBytes } = claimed.bundle
  await mkdir(spool, { recursive: true, mode: 0o700 })
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(spool, 'rerun-'))
  cleanup.defer(async () => await rm(folder, { recursive: true, force: true }))
  const maxModelBytes = Math.min(limits.modelBytes ?? DEFAULT_LIMITS.modelBytes, dagBytes)
  await fetchBundle(cid, folder, { content, maxModelBytes, signal, from: author })
  const { prior, facts, root } = await openBundle(folder, {
    limits: { ...limits, ...decodeLimits(imageLimitsOf(swarm.manifest)) },
    scratch: spool
  })
  cleanup.defer(async () => await prior.close())
  const identity = priorIdentity(prior.descriptor)
  if (!root.cid.equals(cid)) throw new InvalidContentError(`bundle ${cid} is not laid out as bundles are`)
  if (!identity.equals(claimed.id))
    throw new InvalidContentError(`bundle ${cid} holds prior ${identity}, the score is of ${claimed.id}`)

  const computer = createTargetComputer({ swarm, prior, projector, batchSize })
  const transform = await exact.fit(targets, reference, gemm)
  const drawn = draw(choices, rows, swarm)
  let [worst, unmatched] = [0, 0]
  for (const [choice, wanted] of drawn) {
    const name = `data/${shardName(choice.partition, swarm.manifest.partitions.length)}`
    const published = await readRows(choice, wanted, components)
    const ids = await partitionIds(choice, wanted, components)
    if (ids === undefined) unmatched++
    const other = published.find(({ sample }, i) => ids !== undefined && ids[i] !== sample.id)
    if (other !== undefined)
      throw new InvalidContentError(`${name}: the image of row ${other.index} is not that of the partition`)
    const samples = published.map(({ sample }) => sample)
    const computed = await applyTransform(
      transform,
      await computer.ofSamples(samples, published.length, { signal }),
      gemm
    )
    for (const [i, { index, target }] of published.entries()) {
      const off = isAbsentRow(target) ? 1 : distance(target, row(computed, i))
      worst = Math.max(worst, off)
      if (!(off <= RERUN_TOLERANCE))
        throw new InvalidContentError(
          `${name}: the target of row ${index} is not what prior "${claimed.name}" gives for its image: off by ${(100 * off).toPrecision(3)} % of its length`
        )
    }
  }
  return {
    rows: [...drawn.values()].reduce((sum, list) => sum + list.length, 0),
    shards: drawn.size,
    unmatched,
    worst,
    license: facts.license
  }
}

// --- internal ---

/** Different rows, all equally likely, in ascending order. Drawn now: no author could know them when the targets were made. */
function draw(choices: readonly Choice[], rows: number, { manifest }: Swarm): Map<Choice, number[]> {
  const sizes = choices.map(({ partition }) => manifest.partitions[partition]?.rows ?? 0)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const picked = new Set<number>()
  while (picked.size < Math.min(rows, total)) picked.add(randomInt(total))
  const out = new Map<Choice, number[]>()
  for (const at of [...picked].sort((a, b) => a - b)) {
    let index = at
    let which = 0
    for (; index >= (sizes[which] as number); which++) index -= sizes[which] as number
    const choice = choices[which] as Choice
    const list = out.get(choice)
    if (list === undefined) out.set(choice, [index])
    else list.push(index)
  }
  return out
}

interface PublishedRow {
  readonly index: number
  readonly sample: Sample
  readonly target: Float32Array
}

/** Images and targets of some rows (ascending) of a shard; its blocks are fetched where they are not here. */
async function readRows(
  { alignment }: Choice,
  wanted: readonly number[],
  { swarm, content, signal }: RerunComponents
): Promise<PublishedRow[]> {
  const { shard, bytes, author } = alignment.body
  const options = { signal, from: author }
  const file = await content.ranges(shard, bytes, options)
  const { dimension, targetDtype } = swarm.manifest
  const targets = new Map<number, Float32Array>()
  for await (const { start, targets: group } of readTargets(file, dimension, targetDtype)) {
    for (const index of wanted)
      if (index >= start && index < start + group.rows) targets.set(index, Float32Array.from(row(group, index - start)))
    if (targets.size === wanted.length) break
  }
  const out: PublishedRow[] = []
  for (const index of wanted) {
    const target = targets.get(index)
    for await (const sample of readSamples(file, { start: index })) {
      if (target !== undefined) out.push({ index, sample, target })
      break
    }
  }
  if (out.length !== wanted.length) throw new InvalidContentError(`shard ${shard} ends before row ${wanted.at(-1)}`)
  return out
}

/**
 * What the publisher has at some rows (ascending): a shard with other images, and the right targets of them, would come out again too. An
 * honest shard has the partition's own blocks, so little more than the tree is fetched. Undefined when the partition cannot be fetched.
 */
async function partitionIds(
  { partition, alignment }: Choice,
  wanted: readonly number[],
  { swarm, content, signal }: RerunComponents
): Promise<string[] | undefined> {
  const known = swarm.manifest.partitions[partition]
  if (known === undefined) return undefined
  const options = { signal, from: alignment.body.author }
  try {
    const file = await content.ranges(known.cid, known.bytes, options)
    const ids: string[] = []
    for (const index of wanted) {
      for await (const { id } of readSamples(file, { start: index })) {
        ids.push(id)
        break
      }
    }
    return ids
  } catch (error) {
    if (error instanceof ContentUnavailableError) return undefined
    throw error
  }
}

/** Of `a` from `b`, relative to the length of `b`. */
function distance(a: Float32Array, b: Float32Array): number {
  let [off, length] = [0, 0]
  for (const [i, v] of b.entries()) {
    off += ((a[i] as number) - v) ** 2
    length += v * v
  }
  return Math.sqrt(off / length)
}
