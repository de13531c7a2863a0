/**
 * The files of a merged dataset (src/merge/dataset.ts) that a replay begins with, found by path and opened.
 *
 * A root may come from anybody: names only ever look something up here, and sizes are checked before anything is decoded.
 */
import * as dagPb from '@ipld/dag-pb'
import { CarReader } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import { MAX_MANIFEST_BYTES, openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import { openRecord } from '../../src/publish/record.ts'
import type { Content } from '../content/content.ts'
import { verify } from '../process/verify-signature.ts'

/** Records of 2,048 partitions and 1,024 scores, each of at most 4 KiB, and the manifest. */
const MAX_RECORDS_BYTES = 64 * 1024 * 1024

/** Directory nodes of this project stay below the size at which UnixFS directories are sharded. */
const MAX_DIRECTORY_BYTES = 256 * 1024

/** Throws `InvalidContentError` when the directory does not link it. */
export function entry(entries: ReadonlyMap<string, CID>, path: string): CID {
  const cid = entries.get(path)
  if (cid === undefined) throw new InvalidContentError(`the directory has no ${path}`)
  return cid
}

/** Paths of all files, one directory level deep, as this project lays a merged dataset out. */
export async function listDirectory(root: CID, content: Content, signal: AbortSignal): Promise<Map<string, CID>> {
  const out = new Map<string, CID>()
  const links = async (cid: CID): Promise<dagPb.PBLink[]> => {
    if (cid.code !== dagPb.code) throw new InvalidContentError(`${cid} is not a UnixFS directory`)
    const block = await content.block(cid, { signal })
    if (block.byteLength > MAX_DIRECTORY_BYTES)
      throw new InvalidContentError(`${cid} is too large for a directory of ours`)
    try {
      return dagPb.decode(block).Links
    } catch (cause) {
      throw new InvalidContentError(`${cid} is not dag-pb`, { cause })
    }
  }
  for (const link of await links(root)) {
    const name = link.Name ?? ''
    if (name !== 'data' && name !== 'evidence') out.set(name, link.Hash)
    else for (const inner of await links(link.Hash)) out.set(`${name}/${inner.Name ?? ''}`, inner.Hash)
  }
  return out
}

/** The signed manifest. Throws `InvalidContentError`, `InvalidManifestError`, `ContentUnavailableError`. */
export async function readManifest(
  entries: ReadonlyMap<string, CID>,
  content: Content,
  signal: AbortSignal
): Promise<Swarm> {
  return openManifest(await content.read(entry(entries, 'manifest.cbor'), MAX_MANIFEST_BYTES, { signal }), verify)
}

/** Every record, each opened by the code that opens those of the network. Throws `InvalidContentError`, `InvalidRecordError`. */
export async function readRecords(
  entries: ReadonlyMap<string, CID>,
  swarm: Swarm,
  content: Content,
  signal: AbortSignal
): Promise<RecordSet> {
  const car = await content.read(entry(entries, 'records.car'), MAX_RECORDS_BYTES, { signal })
  const set = createRecordSet()
  let reader: CarReader
  try {
    reader = await CarReader.fromBytes(car)
  } catch (cause) {
    throw new InvalidContentError('records.car is not a CAR file', { cause })
  }
  for await (const { cid, bytes } of reader.blocks()) {
    if (!cid.equals(swarm.id)) set.insert(openRecord(bytes, swarm, verify))
  }
  return set
}
