/** What memberships share of the network: the stack, and the protocols that serve all swarms of the home. */
import type { ReferenceClient } from '../../protocols/reference/client.ts'
import type { Sync } from '../../protocols/sync/sync.ts'
import type { Network } from '../network/network.ts'

export interface MembershipNetwork {
  network: Network
  sync: Sync
  reference: ReferenceClient
}
