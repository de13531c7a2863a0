import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  createFileAtomic,
  readJson,
  removeTemporaries,
  writeFileAtomic,
  writeJsonAtomic
} from '../../../node/store/atomic-file.ts'
import { seeded } from '../../helpers/seeded.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const path = '/home/file'
const [old, fresh] = [Buffer.alloc(1500, 'old '), Buffer.alloc(2000, 'new ')]

test('a file is the old or the new version whichever call fails or is the last before a power cut', async () => {
  for (const fault of ['EIO', 'ENOSPC', 'EMFILE', 'short', 'power-cut'] as const) {
    for (let n = 1, clean = false; !clean; n++) {
      for (const seed of [0, 1, 2, 3]) {
        const disk = new SimulatedDisk()
        await writeFileAtomic(path, old, { fs: disk })
        const from = disk.trace.length
        let hit = false
        disk.fault = ({ index }) => (index === from + n ? ((hit = true), fault) : undefined)
        let done = false
        try {
          await writeFileAtomic(path, fresh, { fs: disk })
          done = true
        } catch (error) {
          expect((error as Error).message).toMatch(/^cannot write \/home\/file/)
          if (fault === 'ENOSPC') expect(error).toMatchObject({ name: 'StoreFullError' })
        }
        disk.fault = () => undefined
        if (fault !== 'power-cut') expect(disk.openHandles).toBe(0)
        const chance = seeded(n * 10 + seed)
        const left = disk.afterPowerCut(seed === 0 ? () => 0 : k => chance.below(k + 1))
        expect(done ? [fresh] : [old, fresh], `${fault} at ${n}`).toContainEqual(left.peek(path))
        clean = !hit
      }
    }
  }
})

test('a temporary file is removed after a failure, or at the next start', async () => {
  const disk = new SimulatedDisk()
  disk.fault = ({ operation }) => (operation === 'rename' ? 'EIO' : undefined)
  await expect(writeFileAtomic(path, fresh, { fs: disk })).rejects.toThrow(/EIO/)
  expect(disk.files()).toEqual([])
  disk.fault = ({ operation }) => (operation === 'rename' || operation === 'unlink' ? 'EIO' : undefined)
  await expect(writeFileAtomic(path, fresh, { fs: disk })).rejects.toThrow(/\.tmp is left behind: EIO/)
  disk.fault = () => undefined
  await removeTemporaries('/home', disk)
  expect(disk.files()).toEqual([])
})

test('creating never replaces', async () => {
  const disk = new SimulatedDisk()
  const results = await Promise.allSettled([old, fresh].map(bytes => createFileAtomic(path, bytes, { fs: disk })))
  expect(results.map(r => r.status).sort()).toEqual(['fulfilled', 'rejected'])
  await expect(createFileAtomic(path, fresh, { fs: disk })).rejects.toMatchObject({ code: 'EEXIST' })
  expect(disk.files()).toEqual([path])
})

test('JSON comes back checked, or is refused with the place of the damage', async () => {
  const disk = new SimulatedDisk()
  const schema = z.strictObject({ list: z.array(z.number()) })
  expect(await readJson(path, schema, { fs: disk })).toBeUndefined()
  await writeJsonAtomic(path, { list: [1, 2] }, { fs: disk })
  expect(await readJson(path, schema, { fs: disk })).toEqual({ list: [1, 2] })
  await writeJsonAtomic(path, { list: [1, 'x'] }, { fs: disk })
  await expect(readJson(path, schema, { fs: disk })).rejects.toThrow(/\/home\/file: list\.1 /)
  disk.damage(path, () => Buffer.from([0xff, 0xfe]))
  await expect(readJson(path, schema, { fs: disk })).rejects.toMatchObject({ name: 'DamagedStoreError' })
  disk.damage(path, () => Buffer.alloc(2 * 1024 * 1024, ' '))
  await expect(readJson(path, schema, { fs: disk })).rejects.toThrow(/longer than/)
})
