import { describe, expect, test } from 'vitest'
import { openProgress } from '../../../node/store/progress-journal.ts'
import { seeded } from '../../helpers/seeded.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const path = '/home/progress/work'
const columns = 3
const rows = 20

/** The rows [first, first + count) of the matrix that every test computes; some values are absent (NaN). */
function batch(first: number, count: number): Float32Array {
  return Float32Array.from({ length: count * columns }, (_, i) =>
    (first * columns + i) % 7 === 0 ? Number.NaN : first * columns + i
  )
}

test('goes on where it was, and gives back the same bytes', async () => {
  const fs = new SimulatedDisk()
  for (let done = 0; done < rows; done += 5) {
    const progress = await openProgress(path, { rows, columns, fs })
    expect(progress.done).toBe(done)
    await progress.append(batch(done, 2))
    await progress.append(batch(done + 2, 3))
    expect(await progress.read()).toEqual(batch(0, done + 5))
    await progress.close()
  }
  const progress = await openProgress(path, { rows, columns, fs })
  expect(progress.done).toBe(rows)
  expect(Buffer.from((await progress.read()).buffer)).toEqual(Buffer.from(batch(0, rows).buffer))
  await progress.remove()
  expect(fs.peek(path)).toBeUndefined()
  expect(fs.openHandles).toBe(0)
})

test('refuses rows that do not fit', async () => {
  const progress = await openProgress(path, { rows: 2, columns, fs: new SimulatedDisk() })
  await expect(progress.append(new Float32Array(0))).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(progress.append(new Float32Array(4))).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(progress.append(new Float32Array(9))).rejects.toMatchObject({ name: 'InvalidInputError' })
  await progress.append(batch(0, 2))
  await progress.close()
  await expect(progress.append(batch(0, 1))).rejects.toMatchObject({ name: 'InvalidInputError' })
})

test('begins anew for another shape', async () => {
  const fs = new SimulatedDisk()
  const progress = await openProgress(path, { rows, columns, fs })
  await progress.append(batch(0, 4))
  await progress.close()
  expect((await openProgress(path, { rows, columns: 4, fs })).done).toBe(0)
})

describe('damage', () => {
  test('anywhere costs the batch it is in and those behind it, and never gives wrong rows', async () => {
    const clean = new SimulatedDisk()
    const whole = await openProgress(path, { rows, columns, fs: clean })
    for (let first = 0; first < rows; first += 4) await whole.append(batch(first, 4))
    await whole.close()
    const size = clean.peek(path)?.byteLength ?? 0
    for (let at = 0; at < size; at++) {
      for (const kind of ['flip', 'cut'] as const) {
        const fs = new SimulatedDisk()
        const progress = await openProgress(path, { rows, columns, fs })
        await progress.close()
        fs.damage(path, () => {
          const bytes = Buffer.from(clean.peek(path) ?? [])
          if (kind === 'cut') return bytes.subarray(0, at)
          bytes[at] = (bytes[at] ?? 0) ^ 1
          return bytes
        })
        const again = await openProgress(path, { rows, columns, fs })
        expect(again.done % 4).toBe(0)
        const frame = 12 + 4 + 4 * columns * 4
        const start = size - 5 * frame
        expect(again.done, `${kind} at ${at}`).toBe(at < start ? 0 : 4 * Math.floor((at - start) / frame))
        expect(await again.read()).toEqual(batch(0, again.done))
        for (let first = again.done; first < rows; first += 4) await again.append(batch(first, 4))
        await again.close()
        const last = await openProgress(path, { rows, columns, fs })
        expect(await last.read()).toEqual(batch(0, rows))
        expect(last.discardedBytes).toBe(0)
        await last.close()
      }
    }
  })
})

test('survives a power cut or a failure at every call with a prefix of the rows', async () => {
  for (const fault of ['power-cut', 'EIO', 'ENOSPC', 'EMFILE', 'short'] as const) {
    for (let n = 1, clean = false; !clean; n++) {
      for (const seed of [0, 1, 2]) {
        const disk = new SimulatedDisk()
        let hit = false
        disk.fault = ({ index }) => (index === n ? ((hit = true), fault) : undefined)
        let appended = 0
        try {
          const progress = await openProgress(path, { rows, columns, fs: disk })
          for (; appended < rows; appended += 5) await progress.append(batch(appended, 5))
          await progress.close()
        } catch (error) {
          expect((error as Error).message).toContain('/home/progress')
        }
        disk.fault = () => undefined
        const chance = seeded(n * 10 + seed)
        const left = fault === 'power-cut' ? disk.afterPowerCut(seed === 0 ? () => 0 : k => chance.below(k + 1)) : disk
        const again = await openProgress(path, { rows, columns, fs: left })
        // without a power cut, what was appended is there
        if (fault !== 'power-cut') expect(again.done, `${fault} ${n}`).toBe(appended)
        expect(await again.read()).toEqual(batch(0, again.done))
        for (let first = again.done; first < rows; first += 5)
          await again.append(batch(first, Math.min(5, rows - first)))
        expect(await again.read()).toEqual(batch(0, rows))
        await again.close()
        clean = !hit
      }
    }
  }
})
