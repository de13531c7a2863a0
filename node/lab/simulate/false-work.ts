/** What attackers publish for partitions behind an honest S_Y: targets of other images, of none, or none at all. */
import { createHash } from 'node:crypto'
import { toFloat64, type Matrix64 } from '../../../src/matrix.ts'
import { MIXED, type WorkAttack } from './attack-names.ts'
import type { Draw } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'

/** The attack on one partition: `mixed` takes turns. */
export function attackOn(attack: WorkAttack, partition: number): Exclude<WorkAttack, 'mixed'> {
  return attack === 'mixed' ? (MIXED[partition % MIXED.length] ?? 'garbage') : attack
}

export interface FalseWork {
  readonly draw: Draw
  readonly attack: Exclude<WorkAttack, 'mixed'>
  readonly prior: PriorFeatures
  readonly partition: number
  /** Numbers that say nothing about these images */
  noise(rows: Uint32Array): Matrix64
}

/** One row for each image of the partition. Those of ghosts are noise that nobody ever gets. */
export function falseTargets({ draw, attack, prior, partition, noise }: FalseWork): Matrix64 {
  const rows = draw.partitions[partition]
  if (rows === undefined) throw new Error(`partition ${partition} does not exist`)
  const take = (list: Uint32Array): Matrix64 => toFloat64(draw.targets(prior, list))
  const other = draw.partitions[(partition + 1) % draw.partitions.length] ?? rows
  const elsewhere = rows.map((_, i) => other[i % other.length] ?? 0)
  switch (attack) {
    case 'garbage':
    case 'ghosts':
      return noise(rows)
    case 'permuted':
      return take(rows.map((_, i) => rows[(i + 1) % rows.length] ?? 0))
    case 'other-partition':
      return take(elsewhere)
    case 'first-rows':
      return take(rows.map((row, i) => (2 * i < rows.length ? row : (elsewhere[i] ?? 0))))
    case 'constant':
      return take(new Uint32Array(rows.length).fill(draw.shared[0] ?? 0))
    case 'shared-again':
      return take(rows.map(row => draw.shared[chanceOf(draw.digestOf(row), draw.shared.length)] ?? 0))
    default:
      throw new Error(`an unknown attack: ${String(attack satisfies never)}`)
  }
}

// --- internal ---

/** A row of S for this image. The bias of the remainder of 2^32 does not matter here. */
function chanceOf(digest: Uint8Array, below: number): number {
  return createHash('sha256').update(digest).digest().readUInt32LE(0) % below
}
