import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeFrame, encodeHeader, HEADER_BYTES, scanFrames } from '../../../node/store/frames.ts'
import {
  MAX_LOGGED_BYTES,
  openRecordLog,
  type RecordLog,
  type RecordLogOptions
} from '../../../node/store/record-log.ts'
import { seeded } from '../../helpers/seeded.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const WRITER = fileURLToPath(new URL('../../helpers/log-writer.ts', import.meta.url))
const record = (text: string): Uint8Array => new TextEncoder().encode(text)

async function replayed(path: string, options: RecordLogOptions = {}): Promise<{ log: RecordLog; records: string[] }> {
  const records: string[] = []
  const log = await openRecordLog(path, { ...options, replay: bytes => records.push(new TextDecoder().decode(bytes)) })
  return { log, records }
}

describe('frames', () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 12 })
  const file = (list: Uint8Array[]) => Buffer.concat([encodeHeader('testtest', 1), ...list.map(encodeFrame)])

  test('come back as they were written', () => {
    fc.assert(
      fc.property(payloads, list => {
        const scan = scanFrames(file(list), 'testtest', 1, 200)
        expect(scan).toEqual({ header: 'ok', frames: list.map(p => Buffer.from(p)), damage: [] })
      })
    )
  })

  test('are all found again but those that a damaged stretch touches', () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 60 }), (list, at, garbage) => {
        const bytes = file(list)
        const start = HEADER_BYTES + (at % Math.max(1, bytes.byteLength - HEADER_BYTES))
        const damaged = Uint8Array.from(bytes)
        for (let i = 0; i < garbage.length && start + i < damaged.length; i++)
          damaged[start + i] = (damaged[start + i] ?? 0) ^ (garbage[i] ?? 0)
        let offset = HEADER_BYTES
        const untouched = list.filter(p => {
          const [from, to] = [offset, (offset += p.byteLength + 12)]
          return Buffer.from(damaged.subarray(from, to)).equals(bytes.subarray(from, to))
        })
        const { frames } = scanFrames(damaged, 'testtest', 1, 200)
        expect(frames.map(f => Buffer.from(f))).toEqual(untouched.map(p => Buffer.from(p)))
      }),
      { numRuns: 500 }
    )
  })

  test('are never read out of arbitrary bytes, and never crash the reader', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), bytes => {
        const { frames, damage } = scanFrames(Buffer.concat([encodeHeader('testtest', 1), bytes]), 'testtest', 1, 200)
        expect(frames).toEqual([])
        expect(damage.reduce((sum, d) => sum + d.end - d.start, 0)).toBe(bytes.byteLength)
      })
    )
  })
})

describe('on a real file system', () => {
  let directory: string
  let path: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coopt-log-'))
    path = join(directory, 'records.log')
  })
  afterEach(async () => await rm(directory, { recursive: true, force: true }))

  const written = async (count: number): Promise<void> => {
    const log = await openRecordLog(path)
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(record(`record ${i}`), { sync: i % 3 === 0 })))
    await log.close()
  }

  test('replays what was appended, in order, across openings', async () => {
    await written(20)
    const { log, records } = await replayed(path)
    expect(records).toEqual(Array.from({ length: 20 }, (_, i) => `record ${i}`))
    expect(log.report).toEqual({ recovered: 20, lostBytes: 0 })
    await log.append(record('one more'), { sync: true })
    await log.close()
    await log.close()
    await expect(log.append(record('late'), { sync: true })).rejects.toMatchObject({ name: 'InvalidInputError' })
    const again = await replayed(path)
    expect(again.records).toHaveLength(21)
    await again.log.close()
    expect(await readdir(directory)).toEqual(['records.log'])
  })

  test('refuses empty and oversized records', async () => {
    const { log } = await replayed(path)
    for (const size of [0, MAX_LOGGED_BYTES + 1])
      await expect(log.append(new Uint8Array(size), { sync: true })).rejects.toMatchObject({
        name: 'InvalidInputError'
      })
    await log.append(new Uint8Array(MAX_LOGGED_BYTES), { sync: true })
    await log.close()
  })

  test('keeps what follows a damaged stretch, and the stretch itself in a file beside it', async () => {
    await written(10)
    const bytes = await readFile(path)
    bytes.fill(0xaa, 60, 90)
    await writeFile(path, bytes)
    await appendFile(path, 'torn tail')
    const { log, records } = await replayed(path)
    expect(records).toEqual([0, 1, 4, 5, 6, 7, 8, 9].map(i => `record ${i}`))
    expect(log.report).toEqual({ recovered: 8, lostBytes: 40 + 9, damagedFile: `${path}.damaged-1` })
    expect(await readFile(`${path}.damaged-1`)).toEqual(Buffer.concat([bytes.subarray(56, 96), record('torn tail')]))
    await log.close()
    await appendFile(path, 'again')
    const again = await replayed(path)
    expect(again.log.report).toEqual({ recovered: 8, lostBytes: 5, damagedFile: `${path}.damaged-2` })
    await again.log.close()
  })

  test('finds the records of a log whose header is damaged, and leaves a newer format alone', async () => {
    await written(3)
    const bytes = await readFile(path)
    bytes[3] = 0
    await writeFile(path, bytes)
    const { log, records } = await replayed(path)
    expect(records).toHaveLength(3)
    expect(log.report.lostBytes).toBe(HEADER_BYTES)
    await log.close()
    const newer = Buffer.concat([encodeHeader('cooptlog', 2), Buffer.from('whatever')])
    await writeFile(path, newer)
    await expect(openRecordLog(path)).rejects.toThrow(/format version 2.*update/)
    expect(await readFile(path)).toEqual(newer)
  })

  test('has every record that was acknowledged, however often its writer is killed with -9', async () => {
    const acknowledged = new Set<number>()
    let next = 0
    for (let kill = 0; kill < 8; kill++) {
      const child = spawn(process.execPath, [WRITER, path, String(next)])
      const enough = 20 + 37 * kill
      let count = 0
      let text = ''
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        const lines = text.split('\n')
        text = lines.pop() ?? ''
        for (const line of lines) acknowledged.add(Number(line))
        count += lines.length
        if (count >= enough) child.kill('SIGKILL')
      })
      let stderr = ''
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
      const [, signal] = (await once(child, 'close')) as [number | null, string | null]
      expect(signal, stderr).toBe('SIGKILL')
      next = Math.max(...acknowledged) + 100
      next += 4 - (next % 4)
    }
    const { log, records } = await replayed(path)
    const found = new Set(records.map(text => Number(text.split(' ')[1])))
    for (const n of acknowledged) expect(found).toContain(n)
    for (const text of records) expect(text).toMatch(/^record \d+ x*$/)
    expect(acknowledged.size).toBeGreaterThan(1000)
    await log.close()
  })
})

describe('on a failing disk', () => {
  const path = '/home/records.log'

  test.each(['EIO', 'ENOSPC', 'EMFILE', 'short'] as const)(
    'fails the n-th call with %s, n = 1, 2, 3, ...: acknowledged means logged, rejected means absent',
    async code => {
      let n = 1
      for (let clean = false; !clean; n++) {
        const disk = new SimulatedDisk()
        let hit = false
        disk.fault = ({ index }) => (index === n ? ((hit = true), code) : undefined)
        const acknowledged: string[] = []
        const rejected: string[] = []
        try {
          const log = await openRecordLog(path, { fs: disk })
          for (let i = 0; i < 6; i++) {
            const text = `record ${i}`
            await log.append(record(text), { sync: i % 2 === 1 }).then(
              () => acknowledged.push(text),
              (error: Error) => {
                rejected.push(text)
                expect(error.message, `call ${n}`).toMatch(/\/home\/records\.log.*; /)
                if (code === 'ENOSPC') expect(error.name).toBe('StoreFullError')
              }
            )
          }
          await log.close()
        } catch (error) {
          expect((error as Error).message, `call ${n}`).toMatch(/\/home\/records\.log.*; /)
        }
        disk.fault = () => undefined
        const { log, records } = await replayed(path, { fs: disk })
        expect(records, `call ${n}`).toEqual(acknowledged)
        expect(log.report.lostBytes, `call ${n}`).toBe(0)
        await log.append(record('afterwards'), { sync: true })
        const afterCut = await replayed(path, { fs: disk.afterPowerCut(() => 0) })
        expect(afterCut.records).toEqual([...acknowledged, 'afterwards'])
        expect(rejected.length).toBeLessThanOrEqual(1)
        await log.close()
        expect(disk.openHandles).toBe(0)
        clean = !hit
      }
      expect(n).toBeGreaterThan(20)
    }
  )

  test('cut at every length keeps the whole records before the cut and reports the rest', async () => {
    const disk = new SimulatedDisk()
    const first = await openRecordLog(path, { fs: disk })
    for (let i = 0; i < 4; i++) await first.append(record(`record ${i}`), { sync: true })
    await first.close()
    const whole = Buffer.from(disk.peek(path) ?? [])
    const ends = [0, 1, 2, 3, 4].map(n => HEADER_BYTES + n * (12 + 'record 0'.length))
    for (let length = 0; length < whole.byteLength; length++) {
      disk.damage(path, () => whole.subarray(0, length))
      const { log, records } = await replayed(path, { fs: disk })
      const kept = Math.max(
        0,
        ends.findLastIndex(end => end <= length)
      )
      expect(records, `cut at ${length}`).toEqual(Array.from({ length: kept }, (_, i) => `record ${i}`))
      const lost = length < HEADER_BYTES ? HEADER_BYTES : length - (ends[kept] ?? 0)
      expect(log.report.lostBytes, `cut at ${length}`).toBe(lost)
      await log.append(record('record 9'), { sync: true })
      await log.close()
      const again = await replayed(path, { fs: disk })
      expect(again.records).toEqual([...records, 'record 9'])
      expect(again.log.report.lostBytes).toBe(0)
      await again.log.close()
    }
  })

  test('goes on after the disk was full for a while', async () => {
    const disk = new SimulatedDisk()
    const log = await openRecordLog(path, { fs: disk })
    await log.append(record('before'), { sync: true })
    disk.fault = ({ operation }) => (operation === 'close' ? undefined : 'ENOSPC')
    for (let i = 0; i < 3; i++)
      await expect(log.append(record(`refused ${'z'.repeat(900)}`), { sync: true })).rejects.toThrow(
        /free disk space and try again/
      )
    disk.fault = () => undefined
    await log.append(record('after'), { sync: true })
    await log.close()
    const { log: again, records } = await replayed(path, { fs: disk })
    expect(records).toEqual(['before', 'after'])
    expect(again.report).toEqual({ recovered: 2, lostBytes: 0 }) // nothing of the refused ones is left behind the last
  })

  test('survives a power cut at every call: every synced record is there, in order, and nothing that was not appended', async () => {
    let cuts = 0
    for (let n = 1, clean = false; !clean; n++) {
      for (const seed of [0, 1, 2, 3, 4]) {
        const disk = new SimulatedDisk()
        disk.fault = ({ index }) => (index === n ? 'power-cut' : undefined)
        const chance = seeded(n * 10 + seed)
        const keep = seed === 0 ? () => 0 : (k: number) => chance.below(k + 1)
        const all: string[] = []
        const safe: string[] = []
        try {
          const log = await openRecordLog(path, { fs: disk })
          for (let i = 0; i < 8; i++) {
            const text = `record ${i} ${'y'.repeat(300)}`
            all.push(text)
            await log.append(record(text), { sync: i % 2 === 1 })
            if (i % 2 === 1) safe.push(...all.slice(safe.length))
          }
          await log.close()
          clean = true
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          cuts++
        }
        const { log, records } = await replayed(path, { fs: disk.afterPowerCut(keep) })
        expect(records.slice(0, safe.length), `cut ${n}, seed ${seed}`).toEqual(safe)
        expect(all).toEqual(expect.arrayContaining(records))
        await log.append(record('afterwards'), { sync: true })
        await log.close()
      }
    }
    expect(cuts).toBeGreaterThan(100)
  })

  test('shares one sync among those that wait for it', async () => {
    const disk = new SimulatedDisk()
    const log = await openRecordLog(path, { fs: disk })
    const before = disk.trace.length
    await Promise.all(Array.from({ length: 100 }, (_, i) => log.append(record(`record ${i}`), { sync: true })))
    expect(disk.trace.slice(before).filter(c => c.operation === 'datasync')).toHaveLength(2)
    await log.close()
  })
})
