import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeTargets } from '../../../../node/lab/simulate/write-targets.ts'
import { matrix } from '../../../../src/matrix.ts'

const merged = {
  targets: matrix(3, 2, Float32Array.of(1, 2, 3, 4, 5, 6)),
  images: Uint32Array.of(2, 0, 1),
  author: Uint16Array.of(1, 0, 1),
  authors: [
    { participant: 'a', prior: 'x' },
    { participant: 'b', prior: 'y' }
  ]
}

async function written(weights?: Float32Array) {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-targets-'))
  onTestFinished(async () => await rm(folder, { recursive: true }))
  const paths = await writeTargets(folder, 'set', { ...merged, weights }, ['zero', 'one', 'two'])
  expect(paths.toSorted()).toEqual((await readdir(folder)).toSorted().map(name => join(folder, name)))
  return async (name: string) => await readFile(join(folder, name))
}

/** Shape in the header, and the numbers behind it. */
function array(file: Buffer): { shape: string | undefined; data: number[] } {
  const shape = /'shape': \(([^)]*)\)/.exec(file.subarray(0, 128).toString('latin1'))?.[1]
  const data = Array.from({ length: (file.byteLength - 128) / 4 }, (_, i) => file.readFloatLE(128 + 4 * i))
  return { shape, data }
}

test('targets, weights, ids and provenance are in one order', async () => {
  const read = await written(Float32Array.of(0.5, 1, 0.25))
  expect(array(await read('set.npy'))).toEqual({ shape: '3, 2', data: [1, 2, 3, 4, 5, 6] })
  expect(array(await read('set.npy.weights.npy'))).toEqual({ shape: '3,', data: [0.5, 1, 0.25] })
  expect(String(await read('set.npy.ids.txt'))).toBe('two\nzero\none\n')
  expect(String(await read('set.provenance.csv'))).toBe('id,participant,prior\ntwo,b,y\nzero,a,x\none,b,y\n')
})

test('what is not aligned has no weights', async () => {
  const read = await written()
  await expect(read('set.npy.weights.npy')).rejects.toMatchObject({ code: 'ENOENT' })
  expect(array(await read('set.npy')).shape).toBe('3, 2')
})
