/**
 * `coopt import FILE`: the blocks of a CAR into the store, and where a root of it is a merged dataset, its swarm and records into this
 * home: a round that was carried here on a disk continues, and merges to the same CID.
 *
 * The file may come from anyone. The store hashes every block; manifest and records pass the same checks as when they come from a peer.
 */
import { createReadStream } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { CoOptError, InvalidInputError } from '../../src/errors.ts'
import type { ApiEvent } from '../api/events.ts'
import type { ImportReport } from '../api/upkeep.ts'
import type { ContentWriter } from '../content/content.ts'
import type { ContentReader } from '../content/read-content.ts'
import { isInline } from '../content/dag/blocks.ts'
import { type CarBlock, readCar } from '../content/dag/car.ts'
import type { LocalContent } from '../content/local-content.ts'
import { mergeSwarm, type Mergeable } from '../merge/merge-swarm.ts'
import { findDirectory, type MergedDirectory } from '../merge/merged-directory.ts'
import { readManifest, readRecords } from '../merge/open-merged.ts'
import { heldBundle } from '../priors/bundle/fetch-bundle.ts'
import type { SwarmState } from '../state/swarm-state.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'

/** More than libuv's four threads, so that none of them waits for the file; 32 MiB at most. */
const PUTS = 16
const EVENT_STEP = 256
export interface ImportComponents {
  content: LocalContent & ContentWriter & Pick<ContentReader, 'read'>
  swarms: {
    open(
      swarm: Swarm,
      addresses: readonly string[]
    ): Promise<Mergeable & { state: Pick<SwarmState, 'add' | 'untilJudged'> }>
  }
  onEvent(event: ApiEvent): void
  signal: AbortSignal
}

/**
 * Throws `InvalidContentError` for a file that is not a CAR or a block that does not hash to its CID, `InvalidManifestError` and
 * `InvalidRecordError` for a dataset that was tampered with, `StoreFullError`, `InvalidInputError` when the file cannot be read. What
 * was stored until then stays, and importing again continues.
 */
export async function importCar(path: string, components: ImportComponents): Promise<ImportReport> {
  const { onEvent, signal } = components
  using writing = components.content.writing() // until the records are in their sets, nothing names the blocks
  const content = { ...components.content, put: writing.put }
  const stream = createReadStream(path)
  let roots: CID[]
  let count = 0
  let bytes = 0
  try {
    const car = await readCar(stream)
    roots = car.roots
    let batch: CarBlock[] = []
    for await (const block of car.blocks) {
      signal.throwIfAborted()
      if (isInline(block.cid)) continue
      count++
      bytes += block.bytes.byteLength
      if (count % EVENT_STEP === 0) onEvent({ type: 'exporting', step: 'import', done: count })
      if (batch.push(block) < PUTS) continue
      await putAll(batch, content)
      batch = []
    }
    await putAll(batch, content)
  } catch (error) {
    if (error instanceof CoOptError || !(error instanceof Error) || !('syscall' in error)) throw error
    throw new InvalidInputError(`${path} cannot be read: ${error.message}`, { cause: error })
  } finally {
    stream.destroy()
  }
  await content.barrier()
  const rounds: ImportReport['rounds'] = []
  for (const root of roots) {
    const round = await takeRound(root, { ...components, content })
    if (round !== undefined) rounds.push(round)
  }
  return { roots: roots.map(String), blocks: count, bytes, rounds }
}

// --- internal ---

/** All are over before the first failure is thrown: nothing runs on after a failed import. */
async function putAll(blocks: readonly CarBlock[], content: Pick<ContentWriter, 'put'>): Promise<void> {
  const puts = await Promise.allSettled(blocks.map(async ({ cid, bytes }) => await content.put(cid, bytes)))
  for (const outcome of puts) if (outcome.status === 'rejected') throw outcome.reason
}

/** Undefined when `root` is not a merged dataset. Throws as `importCar`. */
async function takeRound(
  root: CID,
  { content, swarms, signal }: ImportComponents
): Promise<ImportReport['rounds'][number] | undefined> {
  const directory = await findDirectory(root, content.peek)
  if (directory === undefined) return undefined
  const swarm = await readManifest(directory, content, { signal })
  const records = [...(await readRecords(directory, swarm, content, { signal })).records()]
  await content.put(swarm.id, swarm.bytes)
  await content.barrier()
  const membership = await swarms.open(swarm, [])
  for (const record of records) membership.state.add(record)
  await membership.state.untilJudged(signal)
  const merged = await mergeSwarm(membership, content)
  return {
    root: root.toString(),
    manifest: swarm.id.toString(),
    name: swarm.manifest.name,
    records: records.length,
    mergedCid: merged.root.toString(),
    missing: await missingFiles(directory, content)
  }
}

/** Files of the dataset that the CAR did not bring whole, and folders that it did not bring at all. */
async function missingFiles({ entries, missing }: MergedDirectory, content: LocalContent): Promise<number> {
  let count = missing.length
  for (const [path, cid] of entries) {
    const isHere = path.startsWith('priors/')
      ? (await heldBundle(cid, content)) !== undefined
      : await content.holds(cid)
    if (!isHere) count++
  }
  return count
}
