/** Tells the other members of a swarm about own records and work, by gossip. Nothing depends on it: sync brings what gossip loses. */
import type { CID } from 'multiformats/cid'
import type { Gossip } from '../../../protocols/gossip/gossip.ts'
import type { PeerKey, Sign } from '../../../src/envelope.ts'
import { sealLease, type Lease } from '../../../src/publish/lease.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import { failpoint } from '../../process/failpoint.ts'

/** What a participant tells: without a network nobody hears it. */
export interface Announcer {
  announce(record: SignedRecord): Promise<void>
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>): Promise<void>
}

export interface AnnouncerComponents {
  swarm: CID
  self: PeerKey
  sign: Sign
  gossip: Pick<Gossip, 'publishLease' | 'publishRecord'> | undefined
}

export function createAnnouncer({ swarm, self, sign, gossip }: AnnouncerComponents): Announcer {
  let counter = 0
  return {
    announce: async record => {
      await gossip?.publishRecord(record)
      await failpoint('publish:announce')
    },
    announceLease: async lease => {
      // above every counter of an earlier process, whose last lease others may still remember
      counter = Math.max(counter + 1, Date.now())
      const envelope = await sealLease({ v: 1, swarm, author: self, type: 'lease', counter, ...lease }, sign)
      await gossip?.publishLease(envelope)
    }
  }
}
