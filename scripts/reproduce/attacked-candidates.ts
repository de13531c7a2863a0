/** Candidates of an election over one draw of a dataset, and what attackers would add to them. */
import { consensus } from '../../src/align/consensus.ts'
import type { Candidate } from '../../src/align/candidate.ts'
import { symmetricEigen } from '../../src/align/eigen.ts'
import { assess, DEFAULT_GATE } from '../../src/align/gate.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../src/align/rows.ts'
import { encodeMatrix } from '../../src/bytes.ts'
import { rawCid } from '../../src/codec.ts'
import { multiplyByTranspose, transpose } from '../../src/gemm.ts'
import { matrix, type Matrix, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { projection } from '../../src/optimize/projection.ts'
import { createRandomStream } from '../../src/random.ts'
import { gaussian } from '../../node/lab/simulate/gaussian.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { NOISE, targetsOf, type Dataset } from './datasets.ts'

export const UNIFORMITY = { t: 2, centred: false }

/** Directions with a smaller share of the largest variance are rounding errors, which whitening would amplify. */
const LEAST_VARIANCE = 1e-6

/** Noise of a copy's rows, relative to their length */
const COPY_NOISE = 0.02

/** The candidate as a node would see it after the gate. */
export function candidateOf(name: string, targets: Matrix32, reference: Matrix32): Candidate {
  const assessment = assess({ gate: DEFAULT_GATE, uniformity: UNIFORMITY }, { targets, kind: 'onnx' }, reference)
  return {
    key: name,
    author: name,
    kind: 'onnx',
    targetsCid: rawCid(encodeMatrix(targets)),
    claimed: assessment.uniformValue,
    assessment,
    targets
  }
}

/** Honest candidates of a dataset's swarm. */
export function honestCandidates(dataset: Dataset, rows: Uint32Array, n: number): Candidate[] {
  const reference = takeImages(dataset.reference, rows)
  return dataset.swarm.map(prior => candidateOf(prior, targetsOf(dataset, prior, rows, n), reference))
}

/** One candidate for each attack, named by it; `from` are priors that attackers build on. */
export function attackers(
  dataset: Dataset,
  rows: Uint32Array,
  n: number,
  honest: readonly Candidate[],
  from: readonly string[],
  seed: Uint8Array
): Candidate[] {
  const reference = takeImages(dataset.reference, rows)
  const made: Array<readonly [string, Matrix]> = [
    [NOISE, targetsOf(dataset, NOISE, rows, n)],
    ['Gaussian noise', gaussian(rows.length, n, stream('noise', seed))],
    ['consensus of the others, rotated', rotated(consensusOf(honest, seed), 'consensus')]
  ]
  for (const prior of from) {
    const own = targetsOf(dataset, prior, rows, n)
    made.push([`${prior}, whitened`, whitened(own, 0.5)], [`${prior}, half whitened`, whitened(own, 0.35)])
    made.push([`${prior}, whitened, half noise`, blended(whitened(own, 0.5), 0.5, stream(`${prior} w`, seed))])
    for (const weight of [0.1, 0.5])
      made.push([`${prior}, ${weight} noise`, blended(toMatrix64(own), weight, stream(`${prior} ${weight}`, seed))])
    made.push([`${prior}, rotated copy`, copied(own, prior, seed)])
  }
  return made.map(([name, targets]) =>
    // ids that sort before and after those of honest priors
    candidateOf(`attacker: ${name}`, float32(targets), reference)
  )
}

export function whitened(targets: Matrix32, power: number): Matrix64 {
  const x = toMatrix64(targets)
  subtractRow(x, columnMeans(x))
  const crossed = transpose(x)
  const { values, vectors } = symmetricEigen(multiplyByTranspose(crossed, crossed))
  const largest = Math.max(...values)
  const map = { ...vectors, data: vectors.data.slice() }
  for (let at = 0; at < map.data.length; at++) {
    const value = values[Math.floor(at / map.columns)] as number
    map.data[at] = value <= LEAST_VARIANCE * largest ? 0 : (map.data[at] as number) / value ** power
  }
  return multiplyByTranspose(x, map)
}

export function blended(targets: Matrix64, weight: number, random: ReturnType<typeof createRandomStream>): Matrix64 {
  const own = normaliseRows(targets)
  const noise = normaliseRows(gaussian(own.rows, own.columns, random))
  return { ...own, data: own.data.map((value, at) => (1 - weight) * value + weight * (noise.data[at] as number)) }
}

export function stream(name: string, seed: Uint8Array): ReturnType<typeof createRandomStream> {
  return createRandomStream('coopt/1/reproduce', seed, `attack ${name}`)
}

// --- internal ---

function consensusOf(honest: readonly Candidate[], seed: Uint8Array): Matrix32 {
  const members = honest.flatMap(({ targetsCid, targets }) =>
    targets === undefined ? [] : [{ id: targetsCid.toString(), targets }]
  )
  return float32(consensus(members, seed))
}

function rotated(m: Matrix32, name: string): Matrix64 {
  const turn = projection(rawCid(new TextEncoder().encode(name)), m.columns, m.columns)
  return multiplyByTranspose(toMatrix64(m), turn)
}

function copied(m: Matrix32, name: string, seed: Uint8Array): Matrix64 {
  const copy = rotated(m, name)
  const noise = normaliseRows(gaussian(m.rows, m.columns, stream(`copy of ${name}`, seed)))
  for (let i = 0; i < m.rows; i++) {
    const row = copy.data.subarray(i * m.columns, (i + 1) * m.columns)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    for (let c = 0; c < m.columns; c++)
      row[c] = (row[c] as number) + COPY_NOISE * length * (noise.data[i * m.columns + c] as number)
  }
  return copy
}

function toMatrix64(m: Matrix32): Matrix64 {
  return takeRows(
    m,
    Array.from({ length: m.rows }, (_, i) => i)
  )
}

function float32({ rows, columns, data }: Matrix): Matrix32 {
  return matrix(rows, columns, Float32Array.from(data))
}
