import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProjector, type Projector } from '../../../node/compute/projection/projector.ts'
import { createTargetComputer, type TargetComputer } from '../../../node/priors/compute-targets.ts'
import { embedByEach, embedSamples } from '../../../node/priors/embed-samples.ts'
import { isAbsentRow } from '../../../src/bytes.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { matrix, row, type Matrix32 } from '../../../src/matrix.ts'
import type { EncodedImage, PriorModel } from '../../../src/optimize/prior.ts'
import { project, projection } from '../../../src/optimize/projection.ts'
import { makeSwarm, testCid } from '../../helpers/swarm-factory.ts'

const L = 6
const N = 8
const signal = new AbortController().signal

const samples = (count: number): EncodedImage[] =>
  Array.from({ length: count }, (_, i) => ({ id: `sample ${i}`, bytes: Uint8Array.of(i) }))

/** Features are multiples of the image's only byte; images from 100 up have no label. */
function prior(dimension = L): PriorModel & { readonly calls: number[] } {
  const calls: number[] = []
  return {
    calls,
    descriptor: { kind: 'human', id: testCid('prior'), name: 'a prior', dimension, feature: 'bytes' },
    embed: async images => {
      calls.push(images.length)
      const data = new Float32Array(images.length * dimension)
      for (const [i, { bytes }] of images.entries())
        for (let c = 0; c < dimension; c++) data[i * dimension + c] = (bytes[0] as number) * (c + 1)
      return {
        features: matrix(images.length, dimension, data),
        absent: images.map(({ bytes }) => Number(bytes[0]) >= 100)
      }
    },
    close: async () => {}
  }
}

let swarm: Swarm
let projector: Projector
let folder: string
beforeAll(async () => {
  swarm = await makeSwarm({ dimension: N })
  projector = createProjector()
  folder = await mkdtemp(join(tmpdir(), 'coopt-targets-'))
})
afterAll(async () => {
  await projector.close()
  await rm(folder, { recursive: true, force: true })
})
const computer = (model: PriorModel, batchSize = 4, of = swarm): TargetComputer =>
  createTargetComputer({ swarm: of, prior: model, projector, batchSize })

describe('targets of a prior', () => {
  test('leave the event loop free while a large projection is made and applied', async () => {
    const wide = await makeSwarm({ dimension: 320 })
    const order: string[] = []
    setTimeout(() => order.push('event loop'), 0)
    await computer(prior(256), 4, wide).ofImages(samples(2), signal)
    order.push('targets')
    expect(order).toEqual(['event loop', 'targets'])
  })

  test('are W psi(x), bit for bit, and absent where the prior says nothing', async () => {
    const model = prior()
    const images = [...samples(3), { id: 'unknown', bytes: Uint8Array.of(200) }]
    const targets = await computer(model).ofImages(images, signal)
    const { features } = await model.embed(images)
    const expected = project(projection(swarm.id, L, N), features)
    for (let i = 0; i < 3; i++) expect(row(targets, i)).toEqual(row(expected, i))
    expect(isAbsentRow(row(targets, 3))).toBe(true)
  })

  test('come out the same in memory, from a journal, and from a journal that was left half way', async () => {
    const all = samples(10)
    const inMemory = await computer(prior()).ofSamples(all, 10, { signal })
    const options = (name: string) => ({
      journal: join(folder, name),
      rows: 10,
      samples: async function* (start: number) {
        yield* all.slice(start)
      },
      signal
    })
    expect(await computer(prior()).ofFile(options('whole'))).toEqual({ targets: inMemory, present: 10 })

    // batches that overlap and end in any order: the same journal, byte for byte
    const inner = prior()
    let underWay = 0
    let most = 0
    const overlapping: PriorModel = {
      ...inner,
      callsAtOnce: 3,
      embed: async images => {
        most = Math.max(most, ++underWay)
        for (let i = 10 - Number(images[0]?.bytes[0]); i > 0; i--) await turn()
        underWay--
        return await inner.embed(images)
      }
    }
    expect(await computer(overlapping).ofFile(options('overlapping'))).toEqual({ targets: inMemory, present: 10 })
    expect(most).toBe(3)
    expect(await readFile(join(folder, 'overlapping'))).toEqual(await readFile(join(folder, 'whole')))

    const stop = new Error('stop here')
    const interrupted = computer(prior()).ofFile({
      ...options('half'),
      onBatch: done => {
        if (done === 8) throw stop
      }
    })
    await expect(interrupted).rejects.toBe(stop)
    const again = prior()
    expect(await computer(again).ofFile(options('half'))).toEqual({ targets: inMemory, present: 10 })
    expect(again.calls).toEqual([2])
  })

  test('that need a large projection are announced, once', async () => {
    const wide = await makeSwarm({ dimension: 800 })
    const told: string[] = []
    const one = createTargetComputer({
      swarm: wide,
      prior: prior(720),
      projector: {
        project: async (_, n, { rows }) => matrix(rows, n, new Float32Array(rows * n)),
        close: async () => {}
      },
      batchSize: 4,
      onLargeProjection: message => told.push(message)
    })
    for (let i = 0; i < 2; i++) await one.ofImages(samples(1), signal)
    expect(told).toEqual([expect.stringContaining('from 720 to 800 dimensions')])
  })

  test('of another number of samples than expected are refused', async () => {
    for (const rows of [9, 11])
      await expect(computer(prior()).ofSamples(samples(10), rows, { signal })).rejects.toMatchObject({
        name: 'InvalidContentError',
        message: expect.stringMatching(`10 samples, ${rows}`) as string
      })
  })

  test('of features that are too long for a projection are refused before any is computed', () => {
    expect(() => computer(prior(MANY))).toThrow(/prior "a prior".*choose a smaller feature/)
  })

  test('end with the signal while the projection is under way', async () => {
    const wide = await makeSwarm({ dimension: 256, name: 'another' })
    const controller = new AbortController()
    const targets = computer(prior(256), 4, wide).ofImages(samples(1), controller.signal)
    setImmediate(() => controller.abort(new Error('no longer wanted')))
    await expect(targets).rejects.toThrow('no longer wanted')
  })
})

/** One above what a projection onto N dimensions may take */
const MANY = 33_554_432 / N + 1

describe('samples', () => {
  const values = async (images: readonly EncodedImage[]): Promise<Matrix32> =>
    matrix(
      images.length,
      1,
      Float32Array.from(images, ({ bytes }) => bytes[0] as number)
    )

  test('are embedded in batches, in their order, with the rows done told after each', async () => {
    const told: number[] = []
    const rows = await embedSamples(samples(5), 5, values, { batchSize: 2, onBatch: done => told.push(done), signal })
    expect([...rows.data]).toEqual([0, 1, 2, 3, 4])
    expect(told).toEqual([2, 4, 5])
  })

  test('are read once for several embeddings, and their facts come back without the bytes', async () => {
    let read = 0
    const labelled = async function* () {
      for (const sample of samples(3)) {
        read++
        yield { ...sample, label: read }
      }
    }
    const { samples: seen, targets } = await embedByEach(labelled(), [values, values], { batchSize: 2, signal })
    expect(read).toBe(3)
    expect(seen.map(({ label }) => label)).toEqual([1, 2, 3])
    expect(seen.every(one => !('bytes' in one))).toBe(true)
    expect(targets[1]).toEqual(targets[0])
  })
})
