/**
 * `coopt gc`: frees the blocks that neither a swarm of this home nor a pin needs.
 *
 * Mark and sweep. Needed is everything below a manifest, every file that a record of a swarm names as long as it may still count
 * (needed-roots.ts), the directory that the swarm merges to now, and everything below a pin. Works beside everything else a daemon does: the
 * store keeps what was put since the collection began and what an open `writing()` put (store/block-holds.ts).
 *
 * Mostly freed are replicas of shards aligned to a superseded reference, content of swarms that were left, what was fetched through the
 * gateway, and what an interrupted publication left behind. Memory: one short string for each block of about 1 MiB.
 */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { CoOptError, InvalidInputError } from '../../src/errors.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { GcReport } from '../api/upkeep.ts'
import type { Content } from '../content/content.ts'
import { inlineBlock } from '../content/dag/blocks.ts'
import { linksOf } from '../content/dag/entity.ts'
import { mergeSwarm, UNSTORED, type Mergeable } from '../merge/merge-swarm.ts'
import { blockName } from '../store/block-files.ts'
import type { DurableBlockstore } from '../store/durable-blockstore.ts'
import { neededRoots } from './needed-roots.ts'

/** An open swarm. */
export interface CollectedSwarm extends Mergeable {
  readonly state: Mergeable['state'] & {
    /** Resolves when every score is judged that can be */
    untilJudged(signal: AbortSignal): Promise<void>
  }
}

export interface GarbageComponents {
  /** Open swarms */
  memberships(): readonly CollectedSwarm[]
  /** Swarms that the home has a folder of, open or not */
  known(): Promise<readonly CID[]>
  /** Resolves when no swarm is being opened */
  settled(): Promise<void>
  pins(): Promise<readonly CID[]>
  self: PeerKey
  content: Pick<Content, 'peek' | 'put' | 'barrier' | 'distrust'>
  store: Pick<DurableBlockstore, 'collect' | 'bytes'>
}

/** Throws `InvalidInputError` when a swarm of the home is not open: what it needs is unknown. */
export async function collectGarbage(
  components: GarbageComponents,
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal }
): Promise<GcReport> {
  const { store, content, memberships } = components
  using collection = store.collect()
  const known = await components.known()
  await components.settled() // a swarm that is just being opened
  const open = memberships()
  const closed = known.filter(id => !open.some(({ swarm }) => swarm.id.equals(id)))
  if (closed.length > 0)
    throw new InvalidInputError(
      `swarm ${closed.join(', ')} of this home could not be opened, so what it needs is unknown: see the log, then join it again or remove its folder`
    )
  const needed = new Set<string>()
  for (const cid of await components.pins()) await mark(cid, needed, content, signal)
  for (const membership of open) {
    await membership.state.untilJudged(signal)
    for (const cid of neededRoots(membership, components.self)) await mark(cid, needed, content, signal)
    for (const { cid } of (await mergeSwarm(membership, UNSTORED)).blocks) need(cid, needed)
  }
  let blocks = 0
  let bytes = 0
  try {
    for await (const size of collection.sweep(needed, { dryRun })) {
      signal.throwIfAborted()
      blocks++
      bytes += size
    }
  } finally {
    if (!dryRun) content.distrust() // files that were whole may not be any more
  }
  return { dryRun, blocks, bytes, left: store.bytes - (dryRun ? bytes : 0) }
}

// --- internal ---

function need(cid: CID, needed: Set<string>): boolean {
  const name = blockName(cid)
  if (name === undefined || needed.has(name)) return false
  needed.add(name)
  return true
}

/** Mark a block and all below it, as far as it is here. */
async function mark(
  root: CID,
  needed: Set<string>,
  { peek }: Pick<Content, 'peek'>,
  signal: AbortSignal
): Promise<void> {
  const pending = [root]
  for (let cid = pending.pop(); cid !== undefined; cid = pending.pop()) {
    signal.throwIfAborted()
    const inline = inlineBlock(cid)
    // the leaves of files, which are most of all bytes, are not read
    if ((inline === undefined && !need(cid, needed)) || cid.code === raw.code) continue
    const block = inline ?? (await peek(cid))
    if (block === undefined) continue // what lies below cannot be reached from here, but may be fetched again
    try {
      for (const link of linksOf(cid, block)) pending.push(link)
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error // a record may name anything: an unreadable block has nothing below it
    }
  }
}
