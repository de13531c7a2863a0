/** One participant of a simulated swarm: who it is, what it publishes, and how far it got in the present round. */
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { TargetSource } from './target-source.ts'

export interface SimulatedParticipant {
  readonly name: string
  readonly peer: SimulatedPeer
  /** Rows per unit of virtual time; people, whose labels are there already, need none */
  readonly speed: number
  /** Replaced when the prior is upgraded */
  source: TargetSource
  score: SignedRecord<Score> | undefined
  /** Partitions taken in the present round */
  taken: number
  /** May it take work that is done already, and how much? */
  budget: number
}
