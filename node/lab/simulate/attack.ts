/**
 * What attackers publish (listed in simulate.md; measured in src/align/gate.ts and src/align/predictivity.ts).
 *
 * All are derived from names and ids, so that runs are reproducible. An attacker's further identities publish the same targets up to a rotation,
 * because equal bytes would be recognised.
 */
import { createHash } from 'node:crypto'
import { rawCid } from '../../../src/codec.ts'
import { symmetricEigen } from '../../../src/align/eigen.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../../src/align/rows.ts'
import { multiplyByTranspose, transpose } from '../../../src/gemm.ts'
import { matrix, toFloat64, type Matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import { projection } from '../../../src/optimize/projection.ts'
import type { Draw } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import { isWorkAttack, type Attack, type CopyAttack } from './attack-names.ts'
import { attackOn, falseTargets } from './false-work.ts'
import type { Participant } from './plan.ts'
import type { TargetSource } from './target-source.ts'

/** Directions with a smaller share of the largest variance are rounding errors, which whitening would amplify. */
const LEAST_VARIANCE = 1e-6

const DEFAULT_WEIGHT = 0.5

export interface AttackerInit {
  readonly prior: PriorFeatures | undefined
  readonly untrained: PriorFeatures
  readonly name: string
  /** 1, 2, … of the same attacker */
  readonly identity: number
}

/** All attacks except those that need another participant's S_Y. */
export function attackerSource(
  draw: Draw,
  { attack, weight = DEFAULT_WEIGHT, of }: Participant & { attack: Exclude<Attack, CopyAttack> },
  { prior, untrained, name, identity }: AttackerInit
): TargetSource {
  const n = draw.swarm.manifest.dimension
  const basis = attack === 'blend' && of === 'reference' ? untrained : prior
  const rotation = identity === 1 ? undefined : projection(rawCid(new TextEncoder().encode(name)), n, n)
  const noise = (rows: Uint32Array): Matrix64 => noiseOf(draw, rows, name)
  const own = (rows: Uint32Array): Matrix64 => {
    if (basis === undefined) throw new Error(`attack ${attack} needs a prior`)
    return toFloat64(draw.targets(basis, rows))
  }
  let whitening: ((targets: Matrix64) => Matrix64) | undefined
  const make = (rows: Uint32Array): Matrix64 => {
    if (attack === 'noise') return noise(rows)
    if (isWorkAttack(attack)) return own(rows)
    if (attack === 'blend') return mixed(normaliseRows(own(rows)), normaliseRows(noise(rows)), weight)
    whitening ??= whiteningOf(own(draw.shared))
    return whitening(own(rows))
  }
  const turned = (targets: Matrix64): Matrix32 =>
    float32(rotation === undefined ? targets : multiplyByTranspose(targets, rotation))
  const key = ['attack', attack, weight, basis?.id, name, identity].join(' ')
  const identityOf = rawCid(new TextEncoder().encode(`${attack} of ${name}`))
  const rowsOf = (index: number): Uint32Array => draw.partitions[index] as Uint32Array
  const workOf = (index: number): Matrix64 =>
    isWorkAttack(attack) && prior !== undefined
      ? falseTargets({ draw, attack: attackOn(attack, index), prior, partition: index, noise })
      : make(rowsOf(index))
  return {
    attack,
    // the attacker may claim anything about its prior
    prior: { id: identityOf, kind: 'onnx', name: basis?.name ?? attack, dimension: basis?.features.columns ?? n },
    shared: async () => await draw.remember(`${key} shared`, async () => await draw.publish(turned(make(draw.shared)))),
    partition: async index =>
      await draw.remember(`${key} ${index}`, async () => await draw.publish(turned(workOf(index)))),
    ...(isWorkAttack(attack)
      ? {
          own: async index =>
            await draw.remember(`${key} own ${index}`, async () => await draw.publish(turned(make(rowsOf(index))))),
          falseWork: index => (attackOn(attack, index) === 'ghosts' ? 'ghost' : 'garbage')
        }
      : {})
  }
}

// --- internal ---

/**
 * Normal numbers derived from the digest of each image: they carry no information and do not depend on the image's position. SHAKE256 by OpenSSL (a stream of
 * src/random.ts costs as much as 8 KiB of it), 53 bits a number, pairs by Box and Muller.
 */
export function noiseOf(draw: Draw, rows: Uint32Array, name: string): Matrix64 {
  const n = draw.swarm.manifest.dimension
  const data = new Float64Array(rows.length * n)
  const pairs = Math.ceil(n / 2)
  rows.forEach((image, row) => {
    const hash = createHash('shake256', { outputLength: 16 * pairs })
    const bytes = hash.update(`coopt/1/simulate/noise ${name} `).update(draw.digestOf(image)).digest()
    for (let k = 0; k < pairs; k++) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(bytes, 16 * k)))
      const angle = 2 * Math.PI * uniformAt(bytes, 16 * k + 8)
      data[row * n + 2 * k] = radius * Math.cos(angle)
      if (2 * k + 1 < n) data[row * n + 2 * k + 1] = radius * Math.sin(angle)
    }
  })
  return { rows: rows.length, columns: n, data }
}

/** Eight bytes as a multiple of 2^-53 in [0, 1). */
function uniformAt(bytes: Buffer, at: number): number {
  return ((bytes.readUInt32LE(at) >>> 5) * 67_108_864 + (bytes.readUInt32LE(at + 4) >>> 6)) / 9_007_199_254_740_992
}

function mixed(a: Matrix64, b: Matrix64, weight: number): Matrix64 {
  return { ...a, data: a.data.map((value, at) => (1 - weight) * value + weight * (b.data[at] as number)) }
}

/** y -> (y - mean) V diag(1 / sqrt(variance)) with the statistics of S: all directions of S become equally strong. */
function whiteningOf(shared: Matrix64): (targets: Matrix64) => Matrix64 {
  const n = shared.columns
  const rows = takeRows(
    shared,
    Array.from({ length: shared.rows }, (_, i) => i)
  )
  const means = columnMeans(rows)
  const crossed = transpose(subtractRow(rows, means))
  const { values, vectors } = symmetricEigen(multiplyByTranspose(crossed, crossed))
  const largest = Math.max(...values)
  const map = { rows: n, columns: n, data: new Float64Array(n * n) }
  values.forEach((value, k) => {
    if (value <= LEAST_VARIANCE * largest) return
    const scale = Math.sqrt(shared.rows / value)
    for (let c = 0; c < n; c++) map.data[k * n + c] = scale * (vectors.data[k * n + c] as number)
  })
  return targets => multiplyByTranspose(subtractRow({ ...targets, data: targets.data.slice() }, means), map)
}

export function float32({ rows, columns, data }: Matrix): Matrix32 {
  return matrix(rows, columns, Float32Array.from(data))
}
