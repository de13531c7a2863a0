/**
 * Fetches a bundle by its CID into a folder of this machine. The directory may be anyone's: only the names of the format become paths, anything
 * else in it is refused, and every size is known before a byte is fetched.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { CoOptError, InvalidPriorError } from '../../../src/errors.ts'
import { MAX_MODEL_BYTES } from '../../../src/optimize/onnx-model.ts'
import {
  BUNDLE_LIMITS,
  FACTS_FILE,
  GOLDEN_FILE,
  GOLDEN_FOLDER,
  GOLDEN_IMAGES,
  LICENSE_FILE,
  MAX_BUNDLE_BYTES,
  MODEL_FILE,
  PREPROCESSOR_FILE
} from '../../../src/publish/bundle.ts'
import type { ContentFetcher, FetchOptions } from '../../content/fetch-content.ts'
import type { LocalContent } from '../../content/local-content.ts'
import type { GetBlock } from '../../content/dag/blocks.ts'
import { entityOf } from '../../content/dag/entity.ts'
import { writeAll, writeNewFile } from '../../store/new-file.ts'

/** Seven names, or nine: some hundred bytes. */
const MAX_DIRECTORY_BYTES = 4096

export interface BundleEntry {
  /** In the bundle: a name of the format */
  readonly path: string
  readonly cid: CID
  readonly maxBytes: number
}

/**
 * The files of a bundle, by two directory nodes. `maxModelBytes`: the most that its model may have. Throws `InvalidPriorError` when it is not
 * a bundle, and what `get` throws.
 */
export async function bundleEntries(root: CID, maxModelBytes: number, get: GetBlock): Promise<BundleEntry[]> {
  const top = await entriesOf(root, get)
  const golden = take(top, GOLDEN_FOLDER)
  if (golden === undefined)
    throw new InvalidPriorError(`${root} is not a bundle of a prior: it has no ${GOLDEN_FOLDER}`)
  const inner = await entriesOf(golden, get)
  const images = [...Array(GOLDEN_IMAGES).keys()].flatMap(i => ['png', 'jpg', 'webp'].map(kind => `${i}.${kind}`))
  const limits: Array<[string, number]> = [
    [FACTS_FILE, BUNDLE_LIMITS.facts],
    [PREPROCESSOR_FILE, BUNDLE_LIMITS.preprocessor],
    [LICENSE_FILE, BUNDLE_LIMITS.license],
    [MODEL_FILE, Math.min(maxModelBytes, MAX_MODEL_BYTES)]
  ]
  const entries = [
    ...limits.map(([name, maxBytes]) => ({ path: name, cid: take(top, name), maxBytes })),
    ...[GOLDEN_FILE, ...images].map(name => ({
      path: `${GOLDEN_FOLDER}/${name}`,
      cid: take(inner, name),
      maxBytes: name === GOLDEN_FILE ? BUNDLE_LIMITS.golden : BUNDLE_LIMITS.image
    }))
  ]
  const extra = [...top.keys(), ...inner.keys()]
  if (extra.length > 0)
    throw new InvalidPriorError(
      `${root} is not a bundle of a prior: ${JSON.stringify(extra[0])} does not belong to one`
    )
  // a file that is missing is reported when the bundle is opened
  return entries.flatMap(({ path, cid, maxBytes }) => (cid === undefined ? [] : [{ path, cid, maxBytes }]))
}

/**
 * Write the bundle into `folder`, which must not exist. `maxModelBytes`: the limit on model files of this node. Throws `InvalidPriorError`
 * when it is not a bundle, `InvalidContentError` when a file of it is too large, `ContentUnavailableError`, or the signal's reason.
 */
export async function fetchBundle(
  root: CID,
  folder: string,
  {
    content,
    maxModelBytes,
    ...options
  }: FetchOptions & { content: Pick<ContentFetcher, 'block' | 'leaves'>; maxModelBytes: number }
): Promise<void> {
  const entries = await bundleEntries(root, maxModelBytes, async cid => await content.block(cid, options))
  await mkdir(join(folder, GOLDEN_FOLDER), { recursive: true, mode: 0o700 })
  for (const { path, cid, maxBytes } of entries) {
    const { leaves } = await content.leaves(cid, maxBytes, options)
    await writeNewFile(join(folder, path), async file => {
      for (const leaf of leaves) await writeAll(file, await content.block(leaf.cid, options))
    })
  }
}

/** Fetch all blocks of a bundle into the store, at most `dagBytes` of files: for nodes that keep what others publish. Errors as `fetchBundle`. */
export async function keepBundle(
  { cid: root, dagBytes }: { cid: CID; dagBytes: number },
  content: ContentFetcher,
  options: FetchOptions
): Promise<void> {
  const entries = await bundleEntries(root, dagBytes, async cid => await content.block(cid, options))
  let left = dagBytes
  for (const { cid, maxBytes } of entries) {
    const { bytes } = await content.leaves(cid, Math.min(maxBytes, left), options)
    await content.fetch(cid, bytes, options)
    left -= bytes
  }
}

/** The files of a bundle whose blocks are all in the store, else undefined. Never asks the network. */
export async function heldBundle(root: CID, content: LocalContent): Promise<CID[] | undefined> {
  let files: CID[]
  try {
    const entries = await bundleEntries(root, MAX_BUNDLE_BYTES, async cid => {
      const block = await content.peek(cid)
      if (block === undefined) throw new InvalidPriorError(`${cid} is not here`)
      return block
    })
    files = entries.map(({ cid }) => cid)
  } catch (error) {
    if (error instanceof CoOptError) return undefined
    throw error
  }
  const held = await content.holdsEach(files)
  return held.every(Boolean) ? files : undefined
}

// --- internal ---

async function entriesOf(cid: CID, get: GetBlock): Promise<Map<string, CID>> {
  const block = await get(cid)
  if (block.byteLength > MAX_DIRECTORY_BYTES)
    throw new InvalidPriorError(`${cid} is not the directory of a bundle: it has ${block.byteLength} bytes`)
  const entity = entityOf(cid, block)
  if (entity.kind !== 'directory') throw new InvalidPriorError(`${cid} is not the directory of a bundle`)
  return new Map(entity.links.map(link => [link.name, link.cid]))
}

function take(entries: Map<string, CID>, name: string): CID | undefined {
  const cid = entries.get(name)
  entries.delete(name)
  return cid
}
