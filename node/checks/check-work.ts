/**
 * One look at the work of somebody else: shard and raw targets are brought here and stay (vouching means keeping), the shard is checked against its
 * records and the raw targets, and with a prior the raw targets are compared with own ones on rows that are drawn now.
 *
 * What is found is the author's fault alone: when the partition or the reference cannot be had, there is no word.
 */
import { randomBytes } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { presentRows } from '../../src/bytes.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import { MAX_ROW_GROUP_ROWS, readSamples, type Sample } from '../../src/distribute/partition-file.ts'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import type { PutBlock } from '../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError, InvalidContentError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { row, type Matrix32 } from '../../src/matrix.ts'
import type { Transform } from '../../src/align/transform.ts'
import { qualityKey, type Choice } from '../../src/merge/views.ts'
import { CHECK_SEED_BYTES, drawnRows, drawRows, rowsToCheck, rowsToCheckAgain } from '../../src/publish/check-rows.ts'
import { MIN_EXPECTED_Z } from '../../src/publish/plausibility.ts'
import type { Check, Score, SignedRecord } from '../../src/publish/record.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Content } from '../content/content.ts'
import { checkShard } from '../merge/check-shard.ts'
import { storeMatrix, type TargetComputer } from '../priors/compute-targets.ts'
import type { DueCheck } from './due-checks.ts'

export interface CheckWorkComponents {
  manifest: Manifest
  content: Pick<Content, 'tree' | 'holds' | 'block' | 'matrix' | 'fetch' | 'ranges'>
  exact: Pick<Exact, 'fit' | 'expectedZ' | 'plausibility' | 'distribution'>
  gemm: Gemm
}

/** An own prior that gives opinions. */
export interface Judge {
  readonly score: SignedRecord<Score>
  readonly computer: Pick<TargetComputer, 'ofSamples'>
  /**
   * It leaves when the dataset is complete, and begins no second looks and no copies then: what it would vouch for leaves with it, and each check changes
   * the CID with which others have left.
   */
  readonly isLeaving?: boolean
}

/** What a check record says, and why where it blames. */
export interface Finding {
  readonly shard: Check['shard']
  readonly opinion?: NonNullable<Check['opinion']>
  readonly reason?: string
}

/** Rows of one check at most, where a pair of priors needs many to tell anything: four times the usual. */
const MAX_ROWS = 512

/** Shards of one author follow each other, mapped by one T: maps of 1,024 dimensions have 8 MiB. */
const MAX_TRANSFORMS = 8

export interface LookOptions {
  signal: AbortSignal
  deadline: AbortSignal
  put: PutBlock
}

export interface WorkChecker {
  /**
   * Throws `ContentUnavailableError` when partition or reference cannot be had, what the prior throws, and the signal's reason. `deadline` ends the
   * waiting for shard and raw targets, which then count as lost.
   */
  look(due: DueCheck, judge: Judge | undefined, options: LookOptions): Promise<Finding>
}

export function createWorkChecker({ manifest, content, exact, gemm }: CheckWorkComponents): WorkChecker {
  const transforms = new Map<string, Transform>()
  const fit = async (from: CID, to: CID, by: Gemm): Promise<Transform> => {
    const key = qualityKey(from, to)
    const known = transforms.get(key)
    if (known !== undefined) return known
    const transform = await exact.fit(from, to, by)
    transforms.set(key, transform)
    const [oldest] = transforms.keys()
    if (transforms.size > MAX_TRANSFORMS && oldest !== undefined) transforms.delete(oldest)
    return transform
  }

  /** Raw targets of the author; throws `InvalidContentError` unless they are what the result says. */
  const rawTargets = async ({ partition, result }: Choice, signal: AbortSignal): Promise<Matrix32> => {
    const rows = manifest.partitions[partition]?.rows ?? 0
    const { raw: cid, author, present } = result.body
    const raw = await content.matrix(cid, rows, manifest.dimension, { signal, from: author })
    const there = presentRows(raw)
    if (there.length !== present)
      throw new InvalidContentError(`raw targets of ${there.length} rows, the result says ${present}`)
    const broken = there.find(i => !row(raw, i).every(Number.isFinite))
    if (broken !== undefined) throw new InvalidContentError(`the raw target of row ${broken} is not finite`)
    return raw
  }

  const opinionOn = async (
    { partition, score }: Choice,
    raw: Matrix32,
    judge: Judge,
    { signal, put, again }: Pick<LookOptions, 'signal' | 'put'> & { again: boolean }
  ): Promise<Check['opinion']> => {
    const file = manifest.partitions[partition]
    if (file === undefined) return undefined
    const [own, their] = [judge.score.body.targets, score.body.targets]
    const present = presentRows(raw)
    const k = await enoughRows(
      again ? rowsToCheckAgain(present.length) : rowsToCheck(present.length),
      Math.min(MAX_ROWS, present.length),
      async rows => await exact.expectedZ(own, their, rows)
    )
    if (k === undefined) return undefined // the two priors have too little in common
    const seed = new Uint8Array(randomBytes(CHECK_SEED_BYTES))
    const drawn = drawRows(present.length, k, seed).map(i => present[i] as number)
    const samples = samplesAt(await content.ranges(file.cid, file.bytes, { signal }), drawn)
    const ownRows = await judge.computer.ofSamples(samples, drawn.length, { signal })
    if (presentRows(ownRows).length === 0) return undefined
    const theirRows = drawnRows(raw, drawn)
    const found = await exact.plausibility(own, their, { ownRows, theirRows })
    const isOther = found.verdict !== 'implausible' && (await exact.distribution(their, raw)) === true
    return {
      by: 'prior',
      score: judge.score.id,
      seed,
      rows: drawn.length,
      targets: await storeMatrix(ownRows, put),
      z: found.z,
      expected: found.expected,
      verdict: isOther ? 'implausible' : found.verdict
    }
  }

  return {
    look: async ({ work, opinion: isWanted, again = false }, judge, { signal, deadline, put }) => {
      const { partition, result, alignment } = work
      const file = manifest.partitions[partition]
      if (file === undefined) throw new InvalidContentError(`there is no partition ${partition}`)
      const { reference: cid, shard, bytes, author } = alignment.body
      const reference = await content.matrix(cid, manifest.shared.rows, manifest.dimension, { signal })
      const waiting = AbortSignal.any([signal, deadline])
      const theirs = { signal: waiting, from: author }
      let raw: Matrix32
      try {
        raw = await rawTargets(work, waiting)
        await content.fetch(shard, bytes, theirs)
      } catch (error) {
        signal.throwIfAborted()
        if (deadline.aborted) return { shard: 'lost', reason: 'nobody sent the shard and the raw targets in time' }
        return foundOf(error, signal)
      }
      // little more than its tree: the images are in the shard
      await content.fetch(file.cid, file.bytes, { signal, from: manifest.publisher })
      try {
        const checked = await checkShard(work, reference, {
          manifest,
          reference: cid,
          content,
          exact: { fit },
          gemm,
          signal
        })
        if (checked?.isRecomputed !== true || !checked.hasImages)
          throw new ContentUnavailableError(`shard ${shard} or raw targets ${result.body.raw} went away again`)
      } catch (error) {
        // all was here a moment ago: what the own store lost meanwhile is not the author's fault
        if (!(error instanceof InvalidContentError)) throw error
        return foundOf(error, signal)
      }
      const opinion =
        isWanted && judge !== undefined ? await opinionOn(work, raw, judge, { signal, put, again }) : undefined
      return { shard: 'sound', ...(opinion === undefined ? {} : { opinion }) }
    }
  }
}

// --- internal ---

/** What an error says about the author's files; others are thrown on. */
function foundOf(error: unknown, signal: AbortSignal): Finding {
  signal.throwIfAborted()
  if (error instanceof InvalidContentError) return { shard: 'wrong', reason: error.message }
  if (error instanceof ContentUnavailableError) return { shard: 'lost', reason: error.message }
  throw error
}

/** The fewest rows, doubling from `usual`, with which honest work is expected to be praised; undefined if `most` are not enough. */
async function enoughRows(
  usual: number,
  most: number,
  expected: (rows: number) => Promise<number>
): Promise<number | undefined> {
  for (let rows = Math.min(usual, most); ; rows = Math.min(2 * rows, most)) {
    if ((await expected(rows)) >= MIN_EXPECTED_Z) return rows
    if (rows >= most) return undefined
  }
}

/** Samples at these places, ascending. What lies between near places is read over, row groups between far ones are not. */
async function* samplesAt(file: ByteRanges, places: readonly number[]): AsyncGenerator<Sample> {
  let reading: AsyncGenerator<Sample> | undefined
  let next = 0
  for (const place of places) {
    if (reading === undefined || place - next > MAX_ROW_GROUP_ROWS) {
      await reading?.return(undefined)
      reading = readSamples(file, { start: place })
      next = place
    }
    for (; next <= place; next++) {
      const read = await reading.next()
      if (read.done === true) throw new InvalidContentError(`the file ends before row ${place}`)
      if (next === place) yield read.value
    }
  }
  await reading?.return(undefined)
}
