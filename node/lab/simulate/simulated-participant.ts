/** One participant of a simulated swarm: its identity, what it publishes, and its progress in the current round. */
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import type { Checker } from './attack-names.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { TargetSource } from './target-source.ts'

export interface SimulatedParticipant {
  readonly name: string
  readonly peer: SimulatedPeer
  /** Rows per unit of virtual time; unused for human labels, which exist already */
  readonly speed: number
  /** Replaced when the prior is upgraded */
  source: TargetSource
  score: SignedRecord<Score> | undefined
  /** Partitions taken in the current round */
  taken: number
  /** How it checks the work of others. Default: honest */
  readonly checks?: Checker | undefined
  /** It leaves after so many published partitions */
  readonly leavesAfter?: number | undefined
  /** Partitions published in all rounds */
  published?: number
  /** How many finished partitions it may redo */
  budget: number
}
