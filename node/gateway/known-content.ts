/**
 * Which CIDs belong to the swarms of this node: what the gateway serves unless it is told to serve everything it holds.
 *
 * Manifests, partitions, shared sets, reference features, every file that a record names, merged directories, and all blocks below
 * these. Files are roots that may be fetched from members; the blocks below are learnt from tree nodes that are here, and only when
 * somebody asks for a CID that is no root.
 *
 * Memory: one short string for each block of about 1 MiB.
 */
import type { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import { cborCid } from '../../src/codec.ts'
import { MAX_MANIFEST_BYTES } from '../../src/distribute/manifest.ts'
import { CoOptError, InvalidContentError } from '../../src/errors.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import type { Content } from '../content/content.ts'
import type { GetBlock } from '../content/dag/blocks.ts'
import { type Entity, entityOrNothing, linksOf } from '../content/dag/entity.ts'
import { fileBytes } from '../content/dag/file-range.ts'
import { keyOf } from '../content/dag/walk.ts'
import type { Membership } from '../swarms/membership.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'

export interface KnownContentComponents {
  memberships(): readonly Membership[]
  content: Content
  /** A block if it is here */
  peek(cid: CID): Promise<Uint8Array | undefined>
}

export interface KnownContent {
  isKnown(cid: CID): Promise<boolean>
  /** Stop listening to the swarms. */
  close(): void
}

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

  /** Learn the blocks below every known file and directory whose tree nodes are here by now, and today's merged directories. */
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

  /** A directory merged earlier, or by somebody else: that of a swarm of ours, linking files of that swarm only. */
  const isMergedDirectory = async (cid: CID): Promise<boolean> => {
    const directory = await directoryAt(cid, peek)
    const manifest = directory?.links.find(({ name }) => name === 'manifest.cbor')
    if (directory === undefined || manifest === undefined) return false
    const bytes = await smallFile(manifest.cid, peek)
    if (bytes === undefined) return false
    const id = cborCid(bytes)
    if (!memberships().some(({ swarm }) => swarm.id.equals(id))) return false
    const inside: CID[] = [cid]
    for (const link of directory.links) {
      if (link.name !== 'data' && link.name !== 'evidence') {
        inside.push(link.cid)
        continue
      }
      const inner = await directoryAt(link.cid, peek)
      if (inner === undefined || inner.links.some(file => !known.has(keyOf(file.cid)))) return false
      inside.push(link.cid)
    }
    inside.forEach(add)
    return true
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
  return [body.shard, body.reference]
}

/** All blocks of a tree, without reading its leaves. Undefined when tree nodes are missing here. */
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
      continue // a record may name anything: nothing is below what cannot be read
    }
    if (found.length + links.length > MAX_TREE_BLOCKS) return found
    found.push(...links)
    pending.push(...links.filter(({ code }) => code === dagPb.code))
  }
  return found
}

async function directoryAt(
  cid: CID,
  peek: KnownContentComponents['peek']
): Promise<Extract<Entity, { kind: 'directory' }> | undefined> {
  if (cid.code !== dagPb.code) return undefined
  const block = await peek(cid)
  const entity = block === undefined ? undefined : entityOrNothing(cid, block)
  return entity?.kind === 'directory' ? entity : undefined
}

/** A file of at most the size of a manifest, if it is here. */
async function smallFile(cid: CID, peek: KnownContentComponents['peek']): Promise<Uint8Array | undefined> {
  const get: GetBlock = async child => {
    const block = await peek(child)
    if (block === undefined) throw new InvalidContentError(`${child} is not here`)
    return block
  }
  const parts: Uint8Array[] = []
  try {
    for await (const part of fileBytes(cid, get, 0, MAX_MANIFEST_BYTES)) parts.push(part)
  } catch (error) {
    if (error instanceof CoOptError) return undefined
    throw error
  }
  return Buffer.concat(parts)
}
