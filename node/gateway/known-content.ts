/**
 * Which CIDs belong to the swarms of this node: what the gateway serves unless it is configured to serve everything it holds.
 *
 * Manifests, partitions, shared sets, reference features, every file that a record names, merged directories, and all blocks below
 * these. Files are roots that may be fetched from members; the blocks below are learned from tree nodes in the store, and only when
 * a request is for a CID that is not a root.
 *
 * Memory: one short string for each block of about 1 MiB.
 */
import type { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import { CoOptError } from '../../src/errors.ts'
import { LOCAL_VIEW_FILE } from '../../src/merge/local-view.ts'
import { PARTITIONS_FILE } from '../../src/merge/partition-table.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { localFiles, type ContentWriter } from '../content/content.ts'
import { linksOf } from '../content/dag/entity.ts'
import { keyOf } from '../content/dag/walk.ts'
import type { Membership } from '../swarms/membership.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'
import { findDirectory } from '../merge/merged-directory.ts'
import { readManifest } from '../merge/open-merged.ts'

export interface KnownContentComponents {
  memberships(): readonly Membership[]
  content: Pick<ContentWriter, 'put' | 'barrier'>
  /** A block if it is in the store */
  peek(cid: CID): Promise<Uint8Array | undefined>
}

export interface KnownContent {
  isKnown(cid: CID): Promise<boolean>
  /** Stop listening to the swarms. */
  close(): void
}

/** Files of a merged directory that no record names. */
const MADE_BY_MERGING: ReadonlySet<string> = new Set([
  'README.md',
  'croissant.json',
  'manifest.cbor',
  'records.car',
  PARTITIONS_FILE,
  LOCAL_VIEW_FILE
])

/** Tree nodes of the largest file (64 GiB and more) are below this; a hostile one ends here. */
const MAX_TREE_BLOCKS = 2 ** 20

interface Followed {
  /** The view may have changed since the directory was merged */
  stale: boolean
  stop(): void
}

export function createKnownContent({ memberships, content, peek }: KnownContentComponents): KnownContent {
  const followed = new Map<Membership, Followed>()
  const known = new Set<string>()
  /** Files and directories whose blocks have not been looked through yet */
  const unread = new Map<string, CID>()
  let looking: Promise<void> | undefined

  const add = (cid: CID): void => {
    const key = keyOf(cid)
    if (known.has(key)) return
    known.add(key)
    if (cid.code === dagPb.code) unread.set(key, cid)
  }

  const follow = (membership: Membership): void => {
    if (followed.has(membership)) return
    const { swarm, state } = membership
    const { manifest } = swarm
    for (const cid of [swarm.id, manifest.shared.cid, manifest.referenceFeatures.cid]) add(cid)
    for (const { cid } of manifest.partitions) add(cid)
    for (const record of state.set.records()) for (const cid of filesOf(record)) add(cid)
    const onRecord = ({ detail }: { detail: { record: SignedRecord } }): void => filesOf(detail.record).forEach(add)
    const entry: Followed = {
      stale: true,
      stop: () => {
        state.events.removeEventListener('record', onRecord)
        state.events.removeEventListener('change', onChange)
      }
    }
    const onChange = (): void => {
      entry.stale = true
    }
    state.events.addEventListener('record', onRecord)
    state.events.addEventListener('change', onChange)
    followed.set(membership, entry)
  }

  /** Learn the blocks below every known file and directory whose tree nodes are in the store by now, and the current merged directories. */
  const look = async (): Promise<void> => {
    for (const membership of memberships()) {
      const entry = followed.get(membership)
      if (entry?.stale !== true) continue
      entry.stale = false
      const reference = membership.state.view().election.reference?.cid
      if (reference !== undefined) add(reference) // a computed one is in no score
      for (const { cid } of (await mergeSwarm(membership, content)).blocks) add(cid)
    }
    for (const [key, cid] of unread) {
      const below = await blocksBelow(cid, peek)
      if (below === undefined) continue
      unread.delete(key)
      for (const inner of below) known.add(keyOf(inner))
    }
  }

  const lookOnce = async (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    await looking
  }

  /** A directory merged earlier, or by another peer: of a swarm of this home, with files of that swarm only. */
  const isMergedDirectory = async (cid: CID): Promise<boolean> => {
    try {
      const directory = await findDirectory(cid, peek)
      if (directory === undefined || directory.missing.length > 0) return false
      const { id } = await readManifest(directory, localFiles({ peek }), { signal: new AbortController().signal })
      if (!memberships().some(({ swarm }) => swarm.id.equals(id))) return false
      const own: CID[] = [...directory.folders]
      for (const [path, file] of directory.entries) {
        // card, manifest, records and the table of partitions are made anew for every view; everything else is named by records
        if (MADE_BY_MERGING.has(path)) own.push(file)
        else if (!known.has(keyOf(file))) return false
      }
      own.forEach(add)
      return true
    } catch (error) {
      if (error instanceof CoOptError) return false
      throw error
    }
  }

  return {
    isKnown: async asked => {
      const cid = asked.toV1()
      memberships().forEach(follow)
      if (known.has(keyOf(cid))) return true
      await lookOnce()
      return known.has(keyOf(cid)) || (await isMergedDirectory(cid))
    },
    close: () => {
      for (const { stop } of followed.values()) stop()
      followed.clear()
    }
  }
}

// --- internal ---

function filesOf({ body }: SignedRecord): CID[] {
  if (body.type === 'score') return [body.targets, ...(body.prior.bundle === undefined ? [] : [body.prior.bundle.cid])]
  if (body.type === 'result') return [body.raw]
  if (body.type === 'unknown') return []
  if (body.type === 'check') return body.opinion === undefined ? [] : [body.opinion.targets]
  return [body.shard, body.reference]
}

/** All blocks of a tree, without reading its leaves. Undefined when tree nodes are missing in the store. */
async function blocksBelow(root: CID, peek: KnownContentComponents['peek']): Promise<readonly CID[] | undefined> {
  const found: CID[] = []
  const pending = [root]
  for (let cid = pending.pop(); cid !== undefined; cid = pending.pop()) {
    const block = await peek(cid)
    if (block === undefined) return undefined
    let links: CID[]
    try {
      links = linksOf(cid, block)
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error
      continue // a record may name anything: an unreadable block has nothing below it
    }
    if (found.length + links.length > MAX_TREE_BLOCKS) return found
    for (const link of links) {
      found.push(link)
      if (link.code === dagPb.code) pending.push(link)
    }
  }
  return found
}
