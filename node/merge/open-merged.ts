/**
 * READ FIRST: the one way to open a merged dataset, by its root. Everything that reads one goes through here, because everything in it is
 * hostile until checked: the directory has the project's layout (merged-directory.ts), the manifest is signed, every record is opened by the
 * code that opens those of the network, ids of rows are the CIDs of their images, targets have the manifest's dimensions (merged-rows.ts).
 * Sizes are checked before anything is decoded.
 */
import type { CID } from 'multiformats/cid'
import { MAX_MANIFEST_BYTES, openManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import { MAX_RECORD_BYTES, openRecord } from '../../src/publish/record.ts'
import { readCar } from '../content/dag/car.ts'
import type { ContentFetcher, FetchOptions } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import { verify } from '../process/verify-signature.ts'
import { entryAt, openDirectory, type MergedDirectory } from './merged-directory.ts'
import { shardRows, type MergedShard } from './merged-rows.ts'

/** Blocks and files, from wherever the caller allows. */
export type MergedSource = Pick<ContentFetcher, 'block'> & Pick<ContentReader, 'read' | 'ranges'>

export interface OpenMerged {
  readonly directory: MergedDirectory
  readonly swarm: Swarm
  readonly manifest: Manifest
  /** In the order of their names, which is that of the partitions */
  readonly shards: readonly MergedShard[]
}

/** A set of records within the swarm's quota, each with its CID and its length (a quarter more at most), and the manifest. */
const recordsBytes = ({ quotas }: Manifest): number => 1.25 * quotas.recordBytes + MAX_MANIFEST_BYTES + MAX_RECORD_BYTES

/** Throws `InvalidContentError` when `root` is not a merged dataset, `InvalidManifestError`, `ContentUnavailableError`. */
export async function openMerged(root: CID, source: MergedSource, options: FetchOptions): Promise<OpenMerged> {
  const directory = await openDirectory(root, async cid => await source.block(cid, options))
  const swarm = await readManifest(directory, source, options)
  const shards = [...directory.entries]
    .filter(([path]) => path.startsWith('data/'))
    .map(([path, cid]) => ({ name: path.slice('data/'.length), cid }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, cid }): MergedShard => ({ name, cid, rows: () => shardRows(cid, swarm.manifest, source, options) }))
  return { directory, swarm, manifest: swarm.manifest, shards }
}

/** The signed manifest. Throws `InvalidContentError`, `InvalidManifestError`, `ContentUnavailableError`. */
export async function readManifest(
  directory: MergedDirectory,
  { read }: Pick<MergedSource, 'read'>,
  options: FetchOptions
): Promise<Swarm> {
  return openManifest(await read(entryAt(directory, 'manifest.cbor'), MAX_MANIFEST_BYTES, options), verify)
}

/** Every record. Throws `InvalidContentError`, `InvalidRecordError` for one that is not of this swarm, `ContentUnavailableError`. */
export async function readRecords(
  directory: MergedDirectory,
  swarm: Swarm,
  { read }: Pick<MergedSource, 'read'>,
  options: FetchOptions
): Promise<RecordSet> {
  const car = await read(entryAt(directory, 'records.car'), recordsBytes(swarm.manifest), options)
  const set = createRecordSet()
  const { blocks } = await readCar(
    (async function* () {
      yield car
    })()
  )
  for await (const { cid, bytes } of blocks) if (!cid.equals(swarm.id)) set.insert(openRecord(bytes, swarm, verify))
  return set
}
