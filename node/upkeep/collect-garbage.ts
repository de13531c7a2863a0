/**
 * `coopt gc`: frees the blocks that no swarm of this home and no pin needs.
 *
 * Mark and sweep. Needed is everything below a manifest, every file that a record of a swarm names as long as it may still count, the
 * directory that the swarm merges to now, and everything below a pin. What this process stored and nothing names yet is left alone by
 * the store itself (`DurableBlockstore.sweep`): a publication in progress loses nothing, without a lock.
 *
 * Freed are above all replicas of shards aligned to a reference that lost its place, content of swarms that were left, what somebody once fetched
 * through the gateway, and what an interrupted publication left behind.
 *
 * Memory: one short string for each block of about 1 MiB.
 */
import type { CID } from 'multiformats/cid'
import { CoOptError, InvalidInputError } from '../../src/errors.ts'
import { assessmentKey } from '../../src/merge/views.ts'
import { equalBytes } from '../../src/codec.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { GcReport } from '../api/upkeep.ts'
import type { Content } from '../content/content.ts'
import { inlineBlock } from '../content/dag/blocks.ts'
import { linksOf } from '../content/dag/entity.ts'
import type { Membership } from '../swarms/membership.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'
import { blockName } from '../store/block-files.ts'
import type { DurableBlockstore } from '../store/durable-blockstore.ts'

/** Tree nodes link others; the leaves of files, which are most of all bytes, are not read. */
const RAW = 0x55

export interface GarbageComponents {
  /** Open swarms */
  memberships(): readonly Membership[]
  /** Swarms that the home has a folder of, open or not */
  known(): Promise<readonly CID[]>
  /** Resolves when no swarm is being opened */
  settled(): Promise<void>
  pins(): Promise<readonly CID[]>
  self: PeerKey
  content: Content
  store: DurableBlockstore
  /** A block if it is here */
  peek(cid: CID): Promise<Uint8Array | undefined>
}

/** Throws `InvalidInputError` when a swarm of the home is not open: nobody can say what it needs. */
export async function collectGarbage(
  components: GarbageComponents,
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal }
): Promise<GcReport> {
  const { store, content, memberships } = components
  const known = await components.known()
  await components.settled() // a swarm that is just being opened
  const open = memberships()
  const closed = known.filter(id => !open.some(({ swarm }) => swarm.id.equals(id)))
  if (closed.length > 0)
    throw new InvalidInputError(
      `swarm ${closed.join(', ')} of this home could not be opened, so nobody knows what it needs: see the log, then join it again or remove its folder`
    )
  const needed = new Set<string>()
  for (const cid of await components.pins()) await mark(cid, needed, components, signal)
  for (const membership of open) {
    await membership.state.settled(signal)
    for (const cid of rootsOf(membership, components.self)) await mark(cid, needed, components, signal)
    for (const { cid } of (await mergeSwarm(membership, content)).blocks) need(cid, needed)
  }
  let blocks = 0
  let bytes = 0
  for await (const size of store.sweep(needed, { dryRun })) {
    signal.throwIfAborted()
    blocks++
    bytes += size
  }
  if (!dryRun) content.distrust() // files that were whole may not be any more
  return { dryRun, blocks, bytes, left: store.bytes - (dryRun ? bytes : 0) }
}

// --- internal ---

/** Files that a swarm needs. While scores wait to be judged every record may still count. */
function rootsOf({ swarm, state }: Membership, self: PeerKey): CID[] {
  const { manifest } = swarm
  const { set, evidence } = state
  const view = state.view()
  const roots = [swarm.id, manifest.shared.cid, manifest.referenceFeatures.cid, ...manifest.partitions.map(p => p.cid)]
  const scores = set.byType('score')
  roots.push(...scores.map(({ body }) => body.targets))
  // a bundle that came here stays: it is what makes rows of its prior worth more than a word
  roots.push(...scores.flatMap(({ body }) => body.prior.bundle?.cid ?? []))
  // raw targets stay: a better reference costs a product, doing them again costs inference
  roots.push(...set.byType('result').map(({ body }) => body.raw))
  const isJudged = scores.every(({ body }) => evidence.assessments.has(assessmentKey(body)))
  const reference = view.election.reference?.cid
  if (reference !== undefined) roots.push(reference) // a computed one is in no score
  for (const { body, key } of set.byType('alignment')) {
    const isChosen = view.chosen.get(body.partition)?.alignment.key === key
    const isPast = reference !== undefined && !equalBytes(body.reference.bytes, reference.bytes)
    // own shards stay whatever the reference: should it win again, the record counts again, and perhaps nobody else has the shard
    if (isChosen || !isJudged || !isPast || equalBytes(body.author, self)) roots.push(body.shard)
  }
  return roots
}

function need(cid: CID, needed: Set<string>): boolean {
  const name = blockName(cid)
  if (name === undefined || needed.has(name)) return false
  needed.add(name)
  return true
}

/** Mark a block and all below it, as far as it is here. */
async function mark(root: CID, needed: Set<string>, { peek }: GarbageComponents, signal: AbortSignal): Promise<void> {
  const pending = [root]
  for (let cid = pending.pop(); cid !== undefined; cid = pending.pop()) {
    signal.throwIfAborted()
    const inline = inlineBlock(cid)
    if ((inline === undefined && !need(cid, needed)) || cid.code === RAW) continue
    const block = inline ?? (await peek(cid))
    if (block === undefined) continue // what lies below cannot be reached from here, but may be fetched again
    try {
      pending.push(...linksOf(cid, block))
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error // a record may name anything: nothing is below what cannot be read
    }
  }
}
