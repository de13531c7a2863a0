/** How far a swarm is, as a report: from the view of this moment. */
import { peerIdOf } from '../src/peer-key.ts'
import type { SwarmStatus } from './api.ts'
import type { Content } from './content.ts'
import type { Membership } from './membership.ts'
import { mergeSwarm } from './merge-swarm.ts'
import { peerRows, referenceReport } from './reports.ts'

/** `peer` is this node. A complete dataset is merged for it. */
export async function swarmStatus(
  membership: Membership,
  { content, peer, invite }: { content: Content; peer: string; invite: string }
): Promise<SwarmStatus> {
  const { swarm, state } = membership
  const view = state.view()
  const reference = referenceReport(state, view.election)
  const peers = peerRows(state, view)
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
    ...(view.complete ? { mergedCid: (await mergeSwarm(membership, content)).root.toString() } : {})
  }
}
