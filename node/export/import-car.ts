/**
 * `coopt import FILE`: the blocks of a CAR into the store, and where a root of it is a merged dataset, its swarm and records into this
 * home: a round that came on a stick goes on here, and merges to the same CID.
 *
 * The file is a stranger's. The store hashes every block; manifest and records pass the same checks as when they come from a peer.
 */
import { createReadStream } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { MAX_MANIFEST_BYTES, openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { CoOptError, InvalidInputError } from '../../src/errors.ts'
import { openRecord, type SignedRecord } from '../../src/publish/record.ts'
import type { ApiEvent } from '../api/events.ts'
import type { ImportReport } from '../api/upkeep.ts'
import type { Content } from '../content/content.ts'
import { isInline } from '../content/dag/blocks.ts'
import { type CarBlock, readCar } from '../content/dag/car.ts'
import { entityOrNothing, type Link } from '../content/dag/entity.ts'
import { verify } from '../process/verify-signature.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'
import type { Swarms } from '../swarms/swarms.ts'

/** More than libuv's four threads, so that none of them waits for the file; 32 MiB at most. */
const PUTS = 16
const EVENT_STEP = 256
/** Records of 2,048 partitions and 1,024 scores, each of at most 4 KiB, and the manifest. */
const MAX_RECORDS_BYTES = 64 * 1024 * 1024

/** Of a merged dataset; `priors/CID/golden` is the deepest. */
const FOLDERS: ReadonlySet<string> = new Set(['data', 'evidence', 'priors'])
const MAX_DEPTH = 3

export interface ImportComponents {
  content: Content
  swarms: Swarms
  onEvent(event: ApiEvent): void
  signal: AbortSignal
}

/**
 * Throws `InvalidContentError` for a file that is no CAR or a block that does not hash to its CID, `InvalidManifestError` and
 * `InvalidRecordError` for a dataset that was tampered with, `StoreFullError`, `InvalidInputError` when the file cannot be read. What
 * was stored until then stays; importing again goes on.
 */
export async function importCar(path: string, components: ImportComponents): Promise<ImportReport> {
  const { content, onEvent, signal } = components
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
    const round = await takeRound(root, components)
    if (round !== undefined) rounds.push(round)
  }
  return { roots: roots.map(String), blocks: count, bytes, rounds }
}

// --- internal ---

/** All are over before the first failure is thrown: nothing goes on behind a failed import. */
async function putAll(blocks: readonly CarBlock[], content: Content): Promise<void> {
  const puts = await Promise.allSettled(blocks.map(async ({ cid, bytes }) => await content.put(cid, bytes)))
  for (const outcome of puts) if (outcome.status === 'rejected') throw outcome.reason
}

/** Undefined when `root` is not a merged dataset. */
async function takeRound(
  root: CID,
  { content, swarms, signal }: ImportComponents
): Promise<ImportReport['rounds'][number] | undefined> {
  const links = await linksAt(root, content, signal)
  const at = (name: string): CID | undefined => links.find(link => link.name === name)?.cid
  const [signed, recordsCar] = [at('manifest.cbor'), at('records.car')]
  if (signed === undefined || recordsCar === undefined) return undefined
  const swarm = openManifest(await content.read(signed, MAX_MANIFEST_BYTES, { signal }), verify)
  const records = await openRecords(await content.read(recordsCar, MAX_RECORDS_BYTES, { signal }), swarm)
  await content.put(swarm.id, swarm.bytes)
  await content.barrier()
  const membership = await swarms.open(swarm, [])
  membership.accept(records)
  await membership.state.settled()
  const merged = await mergeSwarm(membership, content)
  return {
    root: root.toString(),
    manifest: swarm.id.toString(),
    name: swarm.manifest.name,
    records: records.length,
    mergedCid: merged.root.toString(),
    missing: await missingFiles(links, content, signal)
  }
}

async function linksAt(cid: CID, content: Content, signal: AbortSignal): Promise<readonly Link[]> {
  if (!(await content.has(cid))) return []
  const entity = entityOrNothing(cid, await content.block(cid, { signal }))
  return entity?.kind === 'directory' ? entity.links : []
}

/** Files and folders of the dataset that the CAR did not bring whole. */
async function missingFiles(links: readonly Link[], content: Content, signal: AbortSignal, depth = 0): Promise<number> {
  let missing = 0
  for (const { name, cid } of links) {
    const isFolder = depth > 0 ? (await linksAt(cid, content, signal)).length > 0 : FOLDERS.has(name)
    if (!isFolder) missing += (await content.holds(cid)) ? 0 : 1
    else if (!(await content.has(cid))) missing++
    else if (depth < MAX_DEPTH)
      missing += await missingFiles(await linksAt(cid, content, signal), content, signal, depth + 1)
  }
  return missing
}

async function openRecords(car: Uint8Array, swarm: Swarm): Promise<SignedRecord[]> {
  const { blocks } = await readCar(
    (async function* () {
      yield car
    })()
  )
  const records: SignedRecord[] = []
  for await (const { cid, bytes } of blocks) {
    if (cid.equals(swarm.id)) continue
    records.push(openRecord(bytes, swarm, verify))
  }
  return records
}
