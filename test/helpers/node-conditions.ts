/** What is done to running test nodes, and waited for in them: where blocks lie, networks that are split, states that are reached. */
import { join } from 'node:path'
import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { blockFileOf } from '../../node/store/block-files.ts'
import type { Membership } from '../../node/swarms/membership.ts'
import type { TestNode } from './test-node.ts'

/** Where the block lies in a home. */
export function blockPath(home: string, cid: CID): string {
  const file = blockFileOf(join(home, 'blocks'), cid)
  if (file === undefined) throw new Error(`${cid} is never stored`)
  return file.path
}

/** Let two groups neither keep nor make connections with each other. Returns what heals it. */
export function split(left: readonly TestNode[], right: readonly TestNode[]): () => void {
  const undo = [...left, ...right].map(one => {
    const others = new Set((left.includes(one) ? right : left).map(({ peer }) => peer))
    const { conduct, libp2p } = one.network
    const before = conduct.isDenied.bind(conduct)
    conduct.isDenied = peer => others.has(peer) || before(peer)
    return {
      heal: () => {
        conduct.isDenied = before
      },
      cut: () => {
        for (const peer of others)
          for (const c of libp2p.getConnections(peerIdFromString(peer))) c.abort(new Error('the network is split'))
      }
    }
  })
  for (const { cut } of undo) cut()
  return () => {
    for (const { heal } of undo) heal()
  }
}

/** Resolve when `test` holds for the state of a swarm, looking after each of its changes. */
export async function whenState(membership: Membership, test: () => boolean): Promise<void> {
  if (test()) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (test()) resolve()
  }
  membership.state.events.addEventListener('change', look)
  try {
    look()
    await promise
  } finally {
    membership.state.events.removeEventListener('change', look)
  }
}
