/** Tells the other members of a swarm about own records and work, by gossip. Nothing depends on it: sync brings what gossip loses. */
import type { CID } from 'multiformats/cid'
import type { Gossip } from '../../../protocols/gossip/gossip.ts'
import type { PeerKey, Sign } from '../../../src/envelope.ts'
import { sealIntent, type Intent } from '../../../src/publish/intent.ts'
import { sealLease, type Lease } from '../../../src/publish/lease.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import { failpoint } from '../../process/failpoint.ts'

/** What a participant tells: without a network nobody hears it. */
export interface Announcer {
  announce(record: SignedRecord): Promise<void>
  /** `above`: a counter that it has to be above */
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>, above?: number): Promise<void>
  /** Resolves to the number of members that it was sent to: nobody hears of it later. */
  announceIntent(intent: Pick<Intent, 'task' | 'released'>): Promise<number>
}

/** Which leases were announced here: others with the same author come from another process. */
export interface OwnLeases {
  /** Did this process announce a lease with this counter? */
  sentLease(counter: number): boolean
}

/** Echoes come within seconds, and a participant renews a few times a minute. */
const MAX_COUNTERS = 1024

export interface AnnouncerComponents {
  swarm: CID
  self: PeerKey
  sign: Sign
  gossip: Pick<Gossip, 'publishIntent' | 'publishLease' | 'publishRecord'> | undefined
}

export function createAnnouncer({ swarm, self, sign, gossip }: AnnouncerComponents): Announcer & OwnLeases {
  let counter = 0
  const counters = new Set<number>()
  // above every counter of an earlier process, whose last lease others may still remember
  const next = (above = 0): number => (counter = Math.max(counter + 1, above + 1, Date.now()))
  const head = { v: 1, swarm, author: self } as const
  return {
    announce: async record => {
      await gossip?.publishRecord(record)
      await failpoint('publish:announce')
    },
    sentLease: one => counters.has(one),
    announceLease: async (lease, above) => {
      counters.add(next(above))
      if (counters.size > MAX_COUNTERS) counters.delete(counters.values().next().value as number)
      const envelope = await sealLease({ ...head, type: 'lease', counter, ...lease }, sign)
      await gossip?.publishLease(envelope)
    },
    announceIntent: async intent => {
      const envelope = await sealIntent({ ...head, type: 'intent', counter: next(), ...intent }, sign)
      return (await gossip?.publishIntent(envelope)) ?? 0
    }
  }
}
