import { describe, expect, test } from 'vitest'
import { batches, batchesOf } from '../../../../node/compute/inference/batches.ts'
import { png, syntheticPng } from '../../../../node/priors/synthetic-image.ts'

const MiB = 1024 * 1024
const images = (...sizes: number[]) => sizes.map(size => ({ bytes: new Uint8Array(size) }))
const sizesOf = async (...args: Parameters<typeof batchesOf>): Promise<number[][]> => {
  const cut: number[][] = []
  for await (const batch of batchesOf(...args)) cut.push(batch.map(({ bytes }) => bytes.byteLength))
  return cut
}

describe('batches', () => {
  test('have as many images as were asked for, the last one fewer', async () => {
    expect(await sizesOf(images(1, 2, 3, 4, 5), 2)).toEqual([[1, 2], [3, 4], [5]])
    expect(await sizesOf([], 2)).toEqual([])
  })

  test('have few large images, and one that is larger than a batch alone', async () => {
    expect(await sizesOf(images(10 * MiB, 5 * MiB, 2 * MiB, 20 * MiB, 1), 32)).toEqual([
      [10 * MiB, 5 * MiB],
      [2 * MiB],
      [20 * MiB],
      [1]
    ])
  })

  test('are given out when they are full, before the next image is read', async () => {
    let read = 0
    const source = async function* () {
      for (const image of images(1, 1, 1)) {
        read++
        yield image
      }
    }
    const cut = batchesOf(source(), 2)
    expect((await cut.next()).value).toHaveLength(2)
    expect(read).toBe(2)
  })

  test('of a list are cut alike', () => {
    expect([...batches([1, 2, 3], n => new Uint8Array(n * 6 * MiB), 32)]).toEqual([[1], [2], [3]])
    expect([...batches([1, 2, 3], n => new Uint8Array(n), 2)]).toEqual([[1, 2], [3]])
  })

  test('have as many pixels as are decoded in one go, and one image that has more alone', () => {
    const small = syntheticPng(10, 10)
    const large = png(8000, 7000, new Uint8Array(9))
    const huge = png(12_000, 10_000, new Uint8Array(9))
    const sizes = [...batches([small, large, small, large, huge, small, huge], image => image)].map(part => part.length)
    expect(sizes).toEqual([3, 1, 1, 1, 1])
  })
})
