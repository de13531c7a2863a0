/**
 * Step 5: the merged dataset, a UnixFS directory that links what peers published. Pure: the same swarm and view give the same root CID.
 *
 * Nothing is rewritten and no shard is read: a link needs a CID and a size, and both are in the signed records.
 *
 *   README.md                              dataset card
 *   croissant.json                         the same for programs
 *   data/train-00000-of-00016.parquet      the chosen shard of each finished partition (missing ones are left out)
 *   manifest.cbor                          the signed manifest
 *   records.car                            what anyone needs to replay the view (replay-records.ts)
 *   partitions.csv                         by partition, who holds and checked it; only where work has to be confirmed
 *   local-view.json                        the rule of a local view (local-view.ts); the dataset of a swarm has none
 *   priors/<bundle CID>/                   the reexecutable ones of the priors behind targets or reference; no folder if there are none
 *   evidence/shared.parquet                the shared set S_X
 *   evidence/reference-features.f32        what the gate judges against
 *   evidence/reference.f32                 S*_Y
 *   evidence/targets-<CID>.f32             S_Y of every admissible prior
 */
import { CarBufferWriter } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import { cborCid, compareBytes, rawCid } from '../codec.ts'
import { directoryNode, type DirectoryEntry } from '../distribute/unixfs-directory.ts'
import { buildTree, IMPORT, importBytes, type ContentFile } from '../distribute/unixfs-import.ts'
import type { Swarm } from '../distribute/manifest.ts'
import type { Score, SignedRecord } from '../publish/record.ts'
import { datasetCard } from './card.ts'
import { croissant } from './croissant.ts'
import { isLocal, LOCAL_VIEW_FILE, localViewBytes } from './local-view.ts'
import { PARTITIONS_FILE, partitionTable } from './partition-table.ts'
import type { RecordSet } from './record-set.ts'
import { admissibleScores, replayRecords } from './replay-records.ts'
import { shardName, targetsName } from './shard-name.ts'
import type { Evidence, SwarmView } from './views.ts'

export interface MergedDataset {
  readonly root: CID
  /** Directory nodes and small files; the shards' own blocks are not among them */
  readonly blocks: ReadonlyArray<{ cid: CID; bytes: Uint8Array }>
  /** The small files of the top level, by name */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** True while partitions are missing or not confirmed: a later merge will have another root */
  readonly provisional: boolean
  /** Finished partitions / all partitions, 0 … 1 */
  readonly coverage: number
  /** Rows with a target */
  readonly rows: number
}

/** Build the merged directory of a view. */
export async function mergeDataset(
  swarm: Swarm,
  set: RecordSet,
  evidence: Evidence,
  view: SwarmView
): Promise<MergedDataset> {
  const { manifest } = swarm
  const blocks: Array<{ cid: CID; bytes: Uint8Array }> = []
  const put = async (cid: CID, bytes: Uint8Array): Promise<void> => {
    blocks.push({ cid, bytes })
  }
  const directory = (entries: DirectoryEntry[]): ContentFile => {
    const node = directoryNode(entries)
    blocks.push(node.block)
    return node.file
  }
  const files = new Map<string, Uint8Array>()
  const small = async (name: string, bytes: Uint8Array): Promise<DirectoryEntry> => {
    files.set(name, bytes)
    return { name, file: await importBytes([bytes], put) }
  }

  const chosen = [...view.chosen.values()].sort((a, b) => a.partition - b.partition)
  const scores = admissibleScores(set, evidence)
  const records = replayRecords(set, scores, view) // before anything else can enter the set

  const matrixBytes = manifest.shared.rows * manifest.dimension * 4
  const evidenceFiles: DirectoryEntry[] = [
    { name: 'shared.parquet', file: manifest.shared },
    { name: 'reference-features.f32', file: manifest.referenceFeatures }
  ]
  const targets = new Map(scores.map(({ body }) => [targetsName(body.targets), body.targets]))
  for (const [name, cid] of targets) evidenceFiles.push({ name, file: await matrixFile(cid, matrixBytes) })
  const reference = view.election.reference?.cid
  if (reference !== undefined)
    evidenceFiles.push({ name: 'reference.f32', file: await matrixFile(reference, matrixBytes) })

  const bundles = bundlesOf(scores, view)
  const priors = bundles.length === 0 ? [] : [{ name: 'priors', file: directory(bundles) }]

  const made = new Map([
    ['manifest.cbor', swarm.bytes],
    ['records.car', recordsCar(swarm, records)]
  ])
  const { acceptance, confirmation } = view
  if (confirmation !== undefined) made.set(PARTITIONS_FILE, new TextEncoder().encode(partitionTable(swarm, view)))
  if (isLocal(acceptance)) made.set(LOCAL_VIEW_FILE, localViewBytes(acceptance))
  const described = croissant(swarm, scores, view, made)
  const root = directory([
    {
      name: 'data',
      file: directory(
        chosen.map(({ partition, alignment: { body } }) => ({
          name: shardName(partition, manifest.partitions.length),
          file: { cid: body.shard, bytes: body.bytes, dagBytes: body.dagBytes }
        }))
      )
    },
    { name: 'evidence', file: directory(evidenceFiles) },
    ...priors,
    await small('README.md', new TextEncoder().encode(datasetCard(swarm, scores, evidence, view))),
    await small('croissant.json', new TextEncoder().encode(described)),
    ...(await Promise.all([...made].map(async ([name, bytes]) => await small(name, bytes))))
  ])
  return {
    root: root.cid,
    blocks,
    files,
    provisional: !view.complete,
    coverage: view.chosen.size / manifest.partitions.length,
    rows: view.rows
  }
}

// --- internal ---

/** Bundles of the priors in the dataset, each once, named by their CIDs: names given by people never become names of files. */
function bundlesOf(scores: ReadonlyArray<SignedRecord<Score>>, view: SwarmView): DirectoryEntry[] {
  const used = new Set([...view.chosen.values()].map(({ score }) => score.key))
  for (const key of view.election.reference?.provenance.from ?? []) used.add(key)
  const bundles = new Map<string, DirectoryEntry>()
  for (const { key, body } of scores) {
    const { bundle } = body.prior
    const name = bundle?.cid.toString() ?? ''
    // if scores state different sizes for one bundle, the first in the order of the record ids is used
    if (bundle === undefined || !used.has(key) || bundles.has(name)) continue
    bundles.set(name, { name, file: { cid: bundle.cid, bytes: 0, dagBytes: bundle.dagBytes } })
  }
  return [...bundles.values()]
}

/** A matrix as a file. Its record does not state the tree's size, but with the pinned settings that follows from the length. */
async function matrixFile(cid: CID, bytes: number): Promise<ContentFile> {
  const placeholder = rawCid(new Uint8Array(0))
  const leaves = Array.from({ length: Math.max(1, Math.ceil(bytes / IMPORT.chunkBytes)) }, (_, i) => ({
    cid: placeholder,
    bytes: Math.min(IMPORT.chunkBytes, bytes - i * IMPORT.chunkBytes)
  }))
  const { dagBytes } = await buildTree(leaves, async () => {})
  return { cid, bytes, dagBytes }
}

/** CAR v1: root is the manifest, then the manifest's block and every envelope in the order of its CID. */
function recordsCar(swarm: Swarm, records: readonly SignedRecord[]): Uint8Array {
  const blocks = [
    { cid: swarm.id, bytes: swarm.bytes },
    ...records
      .map(({ bytes }) => ({ cid: cborCid(bytes), bytes }))
      .sort((a, b) => compareBytes(a.cid.bytes, b.cid.bytes))
  ]
  const roots = [swarm.id]
  const size = CarBufferWriter.headerLength({ roots }) + sum(blocks.map(b => CarBufferWriter.blockLength(b)))
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(size), { roots })
  for (const block of blocks) writer.write(block)
  return writer.close()
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
