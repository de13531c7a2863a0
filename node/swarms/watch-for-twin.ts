/** The twin watch of one swarm (twin-watch.ts), with what it listens to: leases from gossip, records that enter the set. Runs until `stop`. */
import type { CID } from 'multiformats/cid'
import { equalBytes } from '../../src/codec.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { Installation } from '../home/installation.ts'
import type { Logger } from '../process/logger.ts'
import type { ReadableState } from '../state/swarm-state.ts'
import type { Sequence } from '../store/sequence.ts'
import type { Announcer, OwnLeases } from './exchange/announcer.ts'
import type { Exchange } from './exchange/exchange.ts'
import { createTwinWatch, type TwinWatch } from './twin-watch.ts'

export interface TwinWatchOwner {
  swarm: CID
  self: PeerKey
  state: Pick<ReadableState, 'events'>
  sequence: Pick<Sequence, 'unused'>
  installation: Installation
  logger: Logger
}

/** Why listen at the start */
const REASONS = {
  made: undefined,
  restored: 'the home was restored from a backup',
  copied: 'the home was copied or moved here'
}

export function watchForTwin(
  { gossip, antiEntropy }: Exchange,
  announcer: Announcer & OwnLeases,
  { swarm, self, state, sequence, installation, logger }: TwinWatchOwner,
  listenMs: number
): TwinWatch {
  const watch = createTwinWatch(
    {
      reason: installation.isAssured(swarm) ? undefined : REASONS[installation.origin],
      firstMember: antiEntropy.firstMember,
      sync: antiEntropy.syncAll,
      announce: announcer.announceLease,
      sent: announcer.sentLease,
      unused: () => sequence.unused,
      onAssured: async () => await installation.assure(swarm),
      logger: logger.component('identity')
    },
    { listenMs, startedAt: Date.now() }
  )
  gossip.addEventListener('lease', ({ detail }) => {
    if (equalBytes(detail.author, self)) watch.onLease(detail)
  })
  state.events.addEventListener('record', ({ detail: { record, own } }) => {
    if (!own && equalBytes(record.body.author, self)) watch.onRecord(record.body.seq)
  })
  watch.start()
  return watch
}
