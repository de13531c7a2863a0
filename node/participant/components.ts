/** What a participant is given: shared by the loop (participant.ts) and its steps. */
import type { Gemm } from '../../src/gemm.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import type { Lease, SignedRecord } from '../../src/publish/record.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Content } from '../content/content.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { LeaseTable } from '../state/leases.ts'
import type { Logger } from '../process/logger.ts'
import type { Optimizer } from '../priors/compute-targets.ts'
import type { SwarmState } from '../state/swarm-state.ts'

export interface ParticipantComponents {
  self: PeerKey
  state: SwarmState
  exact: Exact
  content: Content
  prior: PriorModel
  optimizer: Optimizer
  /** Kernels for the heavy products of the alignment */
  gemm: Gemm
  leases: LeaseTable
  /** Tell the others about own work */
  announce(record: SignedRecord): Promise<void>
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>): Promise<void>
  /** Where the progress of a named piece of work is kept */
  journalPath(name: string): string
  removeJournal(name: string): Promise<void>
  onEvent(event: ApiEvent): void
  logger: Logger
}

export interface ParticipantInit {
  /** Leave when the dataset is complete */
  once: boolean
  /** Take at most this many partitions */
  maxPartitions: number
  /** How long the reference must have been the same before targets are aligned to it, ms: early scores trickle in */
  settleMs: number
  /** How often a lease is renewed, ms; three renewals missed and it is over */
  renewMs: number
}

export interface ParticipantSignals {
  /** Finish the batch in flight, then leave */
  signal: AbortSignal
  /** End the batch in flight as well */
  kill: AbortSignal
}
