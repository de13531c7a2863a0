/** How far a swarm is, as a report: from the view of this moment. */
import { peerIdOf } from '../../src/peer-key.ts'
import type { SwarmStatus } from '../api/reports.ts'
import type { Content } from '../content/content.ts'
import type { Membership } from './membership.ts'
import { mergeSwarm, UNSTORED } from '../merge/merge-swarm.ts'
import { checksReport } from './check-report.ts'
import { peerRows, referenceReport } from './peer-rows.ts'

/** Members answer from their file system; those that do not within this are left out. */
const ASK_MS = 5000

type StatusSource = Pick<Membership, 'copies' | 'holders' | 'members' | 'state' | 'swarm'>

/** `peer` is this node. The CID of a complete dataset is computed, and nothing stored: asking works on a full disk. */
export async function swarmStatus(
  membership: StatusSource,
  { content, peer, invite, network }: { content: Content; peer: string; invite: string; network: boolean }
): Promise<SwarmStatus> {
  const { swarm, state } = membership
  const view = state.view()
  const reference = referenceReport(state, view.election)
  const peers = peerRows(state, view)
  const here = new Set([peer, ...membership.members().map(String)])
  const checks = checksReport(state, view, network ? here : undefined, membership.copies)
  const total = swarm.manifest.partitions.length
  const isMine = (key: Uint8Array): boolean => peerIdOf(key) === peer
  return {
    manifest: swarm.id.toString(),
    invite,
    name: swarm.manifest.name,
    role: isMine(swarm.manifest.publisher)
      ? 'publisher'
      : peers.some(row => row.peer === peer)
        ? 'participant'
        : 'observer',
    partitions: {
      total,
      done: view.chosen.size,
      mine: [...view.chosen.values()].filter(c => isMine(c.result.body.author)).length
    },
    ...(reference === undefined ? {} : { reference }),
    peers,
    coverage: view.chosen.size / total,
    complete: view.complete,
    ...(checks === undefined ? {} : { checks }),
    ...(network ? { shards: await shardCopies(membership, content) } : {}),
    ...(view.complete ? { mergedCid: (await mergeSwarm(membership, UNSTORED)).root.toString() } : {})
  }
}

// --- internal ---

async function shardCopies(membership: StatusSource, content: Content): Promise<NonNullable<SwarmStatus['shards']>> {
  const chosen = [...membership.state.view().chosen.values()].sort((a, b) => a.partition - b.partition)
  const cids = chosen.map(({ alignment }) => alignment.body.shard)
  const holders = await membership.holders(cids, AbortSignal.timeout(ASK_MS))
  const here = await Promise.all(cids.map(async cid => await content.holds(cid)))
  return chosen.map(({ partition }, i) => ({
    partition,
    cid: `${cids[i]}`,
    here: here[i] === true,
    holders: holders[i] ?? 0
  }))
}
