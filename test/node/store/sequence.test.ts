import { expect, test } from 'vitest'
import { writeFileAtomic } from '../../../node/store/atomic-file.ts'
import { openSequence } from '../../../node/store/sequence.ts'
import { seeded } from '../../helpers/seeded.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const path = '/home/sequence'

test('counts from 0, also when asked many times at once, and jumps over numbers known to be used', async () => {
  const sequence = await openSequence(path, { fs: new SimulatedDisk() })
  expect(await Promise.all([0, 0, 0].map(known => sequence.next(known)))).toEqual([0, 1, 2])
  expect(await sequence.next(7)).toBe(7)
  expect(await sequence.next(0)).toBe(8)
})

test('gives no number out twice, whichever call is cut off by a power cut', async () => {
  for (let n = 1, clean = false; !clean; n++) {
    for (const seed of [0, 1, 2, 3, 4, 5]) {
      const disk = new SimulatedDisk()
      disk.fault = ({ index }) => (index === n ? 'power-cut' : undefined)
      const given: number[] = []
      try {
        const sequence = await openSequence(path, { fs: disk })
        for (let i = 0; i < 4; i++) given.push(await sequence.next(0))
        clean = true
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
      const chance = seeded(n * 10 + seed)
      const after = disk.afterPowerCut(seed === 0 ? () => 0 : k => chance.below(k + 1))
      const again = await openSequence(path, { fs: after }) // the log may have lost its last records: nothing is known
      expect(await again.next(0), `cut ${n}, seed ${seed}`).toBeGreaterThan(Math.max(-1, ...given))
    }
  }
})

test.each(['EIO', 'ENOSPC', 'EMFILE', 'short'] as const)(
  'fails the n-th call with %s and gives out each number once',
  async code => {
    for (let n = 1, clean = false; !clean; n++) {
      const disk = new SimulatedDisk()
      let hit = false
      disk.fault = ({ index }) => (index === n ? ((hit = true), code) : undefined)
      const given: number[] = []
      for (let i = 0; i < 5; i++) {
        try {
          const sequence = await openSequence(path, { fs: disk })
          given.push(await sequence.next(0))
        } catch (error) {
          expect((error as Error).message, `call ${n}`).toMatch(/\/home\/sequence.*; /)
        }
      }
      expect(new Set(given).size).toBe(given.length)
      expect(given.length).toBeGreaterThanOrEqual(4)
      clean = !hit
    }
  }
)

test.each(['', '{', '{"v":1}', '{"v":1,"next":-1}', '{"v":2,"next":1}', '{"v":1,"next":1.5}'])(
  'refuses to guess when the file holds %j',
  async text => {
    const disk = new SimulatedDisk()
    await writeFileAtomic(path, new TextEncoder().encode(text), { fs: disk })
    await expect(openSequence(path, { fs: disk })).rejects.toMatchObject({
      name: 'DamagedStoreError',
      message: expect.stringMatching(/\/home\/sequence.*certainly higher/)
    })
  }
)
