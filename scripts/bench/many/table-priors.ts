/** Priors that cost nothing to run: tables of random nonlinear maps of one model's features, another map for each, so none equals another. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundledPrior } from '../../../node/priors/bundled.ts'
import { npyHeader } from '../../../node/export/npy.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'

/** Numbers of a vector: at most the swarm's dimension, so that W is an isometry */
export const DIMENSION = 32

export interface ImageFeatures {
  readonly hashes: readonly string[]
  readonly features: Matrix32
}

export async function featuresOf(folder: string): Promise<ImageFeatures> {
  const prior = await loadPrior(bundledPrior('resnet20'))
  try {
    const images = await Promise.all((await readdir(folder)).map(async name => await readFile(join(folder, name))))
    const hashes = images.map(bytes => createHash('sha256').update(bytes).digest('hex'))
    const { features } = await prior.embed(images.map((bytes, i) => ({ id: hashes[i] ?? '', bytes })))
    return { hashes, features }
  } finally {
    await prior.close()
  }
}

/** A table in a new folder: tanh of the features' random projection. Returns its path. */
export async function writeTable(folder: string, { hashes, features }: ImageFeatures, seed: number): Promise<string> {
  await mkdir(folder, { recursive: true })
  const random = createRandomStream(`coopt/bench/table-prior/${seed}`)
  const map = Float64Array.from({ length: DIMENSION * features.columns }, () => 2 * random.uniform() - 1)
  const rows = new Float32Array(features.rows * DIMENSION)
  for (let r = 0; r < features.rows; r++) {
    for (let k = 0; k < DIMENSION; k++) {
      let sum = 0
      for (let c = 0; c < features.columns; c++)
        sum += (map[k * features.columns + c] ?? 0) * (features.data[r * features.columns + c] ?? 0)
      rows[r * DIMENSION + k] = Math.tanh(sum)
    }
  }
  const path = join(folder, 'vectors.npy')
  await writeFile(path, Buffer.concat([npyHeader([features.rows, DIMENSION]), Buffer.from(rows.buffer)]))
  await writeFile(join(folder, 'ids.txt'), hashes.join('\n'))
  return path
}
