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
import type { Draw, Published } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import type { Attack, Participant } from './plan.ts'
import { honestSource, type TargetSource } from './target-source.ts'

/** Directions with a smaller share of the largest variance are rounding errors, which whitening would amplify. */
const LEAST_VARIANCE = 1e-6

/** Noise of a copy's rows, relative to their length: enough to change every byte, too little to change neighbours */
const COPY_NOISE = 0.02

const DEFAULT_WEIGHT = 0.5

export interface AttackerInit {
  readonly prior: PriorFeatures | undefined
  readonly untrained: PriorFeatures
  readonly name: string
  /** 1, 2, … of the same attacker */
  readonly identity: number
}

/** All attacks except copies, which need another participant's S_Y. */
export function attackerSource(
  draw: Draw,
  { attack, weight = DEFAULT_WEIGHT, of }: Participant & { attack: Exclude<Attack, 'copy'> },
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
  const make = (rows: Uint32Array, shared: boolean): Matrix64 => {
    if (attack === 'noise' || (attack === 'garbage' && !shared)) return noise(rows)
    if (attack === 'garbage') return own(rows)
    if (attack === 'blend') return mixed(normaliseRows(own(rows)), normaliseRows(noise(rows)), weight)
    whitening ??= whiteningOf(own(draw.shared))
    return whitening(own(rows))
  }
  const turned = (targets: Matrix64): Matrix32 =>
    float32(rotation === undefined ? targets : multiplyByTranspose(targets, rotation))
  const key = ['attack', attack, weight, basis?.id, name, identity].join(' ')
  const identityOf = rawCid(new TextEncoder().encode(`${attack} of ${name}`))
  return {
    attack,
    // the attacker may claim anything about its prior
    prior: { id: identityOf, kind: 'onnx', name: basis?.name ?? attack, dimension: basis?.features.columns ?? n },
    shared: async () =>
      await draw.remember(`${key} shared`, async () => await draw.publish(turned(make(draw.shared, true)))),
    partition: async index =>
      await draw.remember(`${key} ${index}`, async () =>
        draw.publish(turned(make(draw.partitions[index] as Uint32Array, false)))
      )
  }
}

/** Publishes a rotated copy of another S_Y with a little noise, and partitions made with its own prior. */
export function copySource(
  draw: Draw,
  prior: PriorFeatures,
  name: string
): { source: TargetSource; from(victim: TargetSource): Promise<void> } {
  const n = draw.swarm.manifest.dimension
  const honest = honestSource(draw, prior)
  let taken: Published | undefined
  return {
    from: async victim => {
      const id = rawCid(new TextEncoder().encode(name))
      const { matrix: theirs } = await victim.shared()
      const targets = multiplyByTranspose(toFloat64(theirs), projection(id, n, n))
      const noise = normaliseRows(noiseOf(draw, draw.shared, name))
      for (let i = 0; i < targets.rows; i++) {
        const row = targets.data.subarray(i * n, (i + 1) * n)
        const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
        for (let c = 0; c < n; c++)
          row[c] = (row[c] as number) + COPY_NOISE * length * (noise.data[i * n + c] as number)
      }
      taken = await draw.publish(float32(targets))
    },
    source: {
      ...honest,
      attack: 'copy',
      prior: { ...honest.prior, id: rawCid(new TextEncoder().encode(`copy of ${name}`)) },
      shared: async () => {
        if (taken === undefined) throw new Error('no S_Y was copied yet')
        return taken
      }
    }
  }
}

// --- internal ---

/**
 * Normal numbers derived from the digest of each image: they carry no information and do not depend on the image's position. SHAKE256 by OpenSSL (a stream of
 * src/random.ts costs as much as 8 KiB of it), 53 bits a number, pairs by Box and Muller.
 */
function noiseOf(draw: Draw, rows: Uint32Array, name: string): Matrix64 {
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

function float32({ rows, columns, data }: Matrix): Matrix32 {
  return matrix(rows, columns, Float32Array.from(data))
}
