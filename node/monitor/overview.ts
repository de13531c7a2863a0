/** What a person who watches a node sees, as plain values: the contract between the monitor and the page, `/metrics` and `coopt doctor`. */
import type { ChecksReport } from '../api/checks.ts'
import type { ReferenceReport } from '../api/reports.ts'

/**
 * `missing`: nobody has published work. `refuted`: the work that is there does not count. `working`: somebody holds a lease. `waiting`: targets are
 * there, the alignment is not. `done`: not confirmed, or the swarm asks for no checks. `disputed`: done, and somebody objects.
 */
export const PARTITION_STATES = ['missing', 'refuted', 'working', 'waiting', 'done', 'disputed', 'confirmed'] as const
export type PartitionState = (typeof PARTITION_STATES)[number]

export interface PartitionOverview {
  readonly index: number
  readonly rows: number
  readonly state: PartitionState
  /** Who works on it, or whose targets were chosen */
  readonly peer?: string
  /** Of the chosen targets */
  readonly prior?: string
  /** While in work: rows so far, and for how long it has been held */
  readonly done?: number
  readonly heldMs?: number
  /** Chosen, but some of its rows lack targets */
  readonly isPartial?: boolean
}

export interface CandidateOverview {
  readonly peer: string
  readonly prior: string
  readonly kind: string
  /** Place among those that can be elected, from 1 */
  readonly rank?: number
  /** V, or what the policy measures */
  readonly figure?: number
  /** Of the gate: z and how far it is above the swarm's threshold; below 0 the prior is refused */
  readonly z?: number
  readonly gateMargin?: number
  readonly eligible?: boolean
  /** Why it is not elected, or its work not used */
  readonly refusals: readonly string[]
  /** How well its targets map onto the reference, leave-one-out */
  readonly looR2?: number
  readonly looCosine?: number
  readonly looZ?: number
  readonly partitions: number
  readonly isReference: boolean
}

export interface SwarmOverview {
  readonly manifest: string
  readonly name: string
  readonly role: 'publisher' | 'participant' | 'observer'
  readonly samples: number
  readonly dimension: number
  readonly partitions: readonly PartitionOverview[]
  /** Share of the rows that have aligned targets, 0 to 1 */
  readonly coverage: number
  readonly complete: boolean
  /** What members found in each other's work; left out where the manifest asks for no checks */
  readonly checks?: ChecksReport
  readonly mergedCid?: string
  readonly election: {
    readonly policy: string
    /** Lower figures are better */
    readonly isLowerBetter: boolean
    readonly reference?: ReferenceReport
    /** By how much the first is better than the second, and the margin at which finished work is replaced */
    readonly lead?: number
    readonly margin: number
    readonly minZ: number
    readonly minLooZ: number
    readonly candidates: readonly CandidateOverview[]
  }
  readonly records: {
    readonly score: number
    readonly result: number
    readonly alignment: number
    readonly check: number
    readonly bytes: number
  }
  readonly scores: { readonly judged: number; readonly unjudged: number }
  /** Connected members */
  readonly members: number
  /** Leases by who holds them */
  readonly leases: { readonly own: number; readonly others: number }
  readonly own: { readonly rowsPerSecond: number; readonly scoring?: { readonly done: number; readonly rows: number } }
  /** Rows a second of all members together while this node watched, and what is left at that pace */
  readonly pace?: { readonly rowsPerSecond: number; readonly secondsLeft?: number }
  /** Bytes that finishing may still take here */
  readonly needBytes: number
}

export interface ConnectionOverview {
  readonly peer: string
  readonly direction: 'inbound' | 'outbound'
  /** By way of another peer */
  readonly isRelayed: boolean
  readonly address: string
  readonly latencyMs?: number
  readonly agent?: string
  /** Manifest CIDs of swarms that both are in */
  readonly swarms: readonly string[]
}

export interface Warning {
  readonly level: 'warn' | 'fail'
  readonly text: string
  readonly remedy: string
  /** Manifest CID of the swarm it is about */
  readonly swarm?: string
}

export interface NodeOverview {
  readonly version: string
  readonly peer: string
  readonly startedAt: string
  readonly addresses: readonly string[]
  /** Swarms of the home that wait for content of other members */
  readonly opening: readonly string[]
  readonly swarms: readonly SwarmOverview[]
  readonly connections: readonly ConnectionOverview[]
  /** Has a peer from another machine connected to this node directly since it started? */
  readonly wasReached: boolean
  readonly relayReservations: number
  readonly disk: {
    /** Bytes of all blocks, and the most there may be */
    readonly storeBytes: number
    readonly maxBytes?: number
    readonly freeBytes: number
    readonly minFreeBytes: number
    readonly state: 'ok' | 'low'
  }
  readonly warnings: readonly Warning[]
}
