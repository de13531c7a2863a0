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
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>): Promise<void>
  /** Resolves to the number of members that it was sent to: nobody hears of it later. */
  announceIntent(intent: Pick<Intent, 'task' | 'released'>): Promise<number>
}

export interface AnnouncerComponents {
  swarm: CID
  self: PeerKey
  sign: Sign
  gossip: Pick<Gossip, 'publishIntent' | 'publishLease' | 'publishRecord'> | undefined
}

export function createAnnouncer({ swarm, self, sign, gossip }: AnnouncerComponents): Announcer {
  let counter = 0
  // above every counter of an earlier process, whose last lease others may still remember
  const next = (): number => (counter = Math.max(counter + 1, Date.now()))
  const head = { v: 1, swarm, author: self } as const
  return {
    announce: async record => {
      await gossip?.publishRecord(record)
      await failpoint('publish:announce')
    },
    announceLease: async lease => {
      const envelope = await sealLease({ ...head, type: 'lease', counter: next(), ...lease }, sign)
      await gossip?.publishLease(envelope)
    },
    announceIntent: async intent => {
      const envelope = await sealIntent({ ...head, type: 'intent', counter: next(), ...intent }, sign)
      return (await gossip?.publishIntent(envelope)) ?? 0
    }
  }
}
