/** What the members last said of each other's work, by whoever said it: the raw material of the choices in this folder. Who of them counts says merge/confirmation.ts. */
import type { RecordSet } from '../../src/merge/record-set.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Check } from '../../src/publish/record.ts'

export interface CheckWords {
  /** alignment -> peer -> its last word on the shard */
  readonly shards: ReadonlyMap<string, ReadonlyMap<string, Check>>
  /** result -> peer -> its last check with an opinion */
  readonly opinions: ReadonlyMap<string, ReadonlyMap<string, Check>>
}

export function wordsOf(set: Pick<RecordSet, 'byType'>): CheckWords {
  const shards = new Map<string, Map<string, Check>>()
  const opinions = new Map<string, Map<string, Check>>()
  for (const { body } of set.byType('check')) {
    const peer = peerIdOf(body.author)
    keepLater(shards, body.alignment.toString(), peer, body)
    if (body.opinion !== undefined) keepLater(opinions, body.result.toString(), peer, body)
  }
  return { shards, opinions }
}

// --- internal ---

function keepLater(to: Map<string, Map<string, Check>>, key: string, peer: string, check: Check): void {
  let byPeer = to.get(key)
  if (byPeer === undefined) to.set(key, (byPeer = new Map()))
  if (check.seq > (byPeer.get(peer)?.seq ?? -1)) byPeer.set(peer, check)
}
