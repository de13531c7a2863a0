/** The targets that a participant publishes for the shared set and for partitions: those of its prior, or an attacker's version of them. */
import type { CID } from 'multiformats/cid'
import type { Draw, Published } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import type { Attack } from './attack-names.ts'
import type { PriorKind } from '../../../src/optimize/prior-kind.ts'

export interface TargetSource {
  /** As in the record's `prior` */
  readonly prior: {
    readonly id: CID
    readonly kind: PriorKind
    readonly name: string
    readonly dimension: number
  }
  readonly attack?: Attack
  shared(): Promise<Published>
  partition(index: number): Promise<Published>
  /** Targets of the prior behind S_Y, with which the work of others is compared, where those of `partition` are something else */
  own?(index: number): Promise<Published>
  /** What is wrong with the targets of this partition: they belong to other images, or nobody can get them. Absent if nothing is. */
  falseWork?(index: number): 'ghost' | 'garbage'
}

export function honestSource(draw: Draw, prior: PriorFeatures): TargetSource {
  return {
    prior: { id: prior.id, kind: prior.kind, name: prior.name, dimension: prior.features.columns },
    shared: async () => await draw.sharedTargets(prior),
    partition: async index => await draw.partitionTargets(prior, index)
  }
}
