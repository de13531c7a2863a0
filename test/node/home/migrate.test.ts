import fc from 'fast-check'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { exitCodeOf } from '../../../node/api/exit-codes.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { migrateHome, MIGRATIONS, type Migration } from '../../../node/home/migrate.ts'
import { HOME_VERSION, readHomeVersion } from '../../../node/home/version.ts'
import { openRuntime } from '../../../node/runtime.ts'
import { writeFileAtomic } from '../../../node/store/atomic-file.ts'
import { removeIfPresent, syncDirectory, type FileSystem } from '../../../node/store/file-system.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const HOME = '/home'

/** Two steps that cannot simply be repeated: the first moves what it read, the second appends to it. */
const STEPS: readonly Migration[] = [
  {
    what: 'old.json becomes new.json',
    files: async () => ['old.json', 'new.json'],
    run: async (fs, root) => {
      const old = (fs as SimulatedDisk).peek(join(root, 'old.json'))
      if (old === undefined) throw new Error('run on a home that was changed already')
      await writeFileAtomic(join(root, 'new.json'), old, { fs })
      await removeIfPresent(fs, join(root, 'old.json'))
      await syncDirectory(fs, root)
    }
  },
  {
    what: 'new.json gets a second line',
    files: async () => ['new.json'],
    run: async (fs, root) => {
      const before = (fs as SimulatedDisk).peek(join(root, 'new.json')) ?? Buffer.alloc(0)
      await writeFileAtomic(join(root, 'new.json'), Buffer.concat([before, Buffer.from('second\n')]), { fs })
    }
  }
]

async function oldHome(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  await writeFileAtomic(`${HOME}/old.json`, text('first\n'), { fs: disk })
  await writeFileAtomic(`${HOME}/identity.key`, text('key'), { fs: disk })
  return disk
}

const migrate = async (fs: FileSystem): Promise<void> => await migrateHome(HOME, { fs, migrations: STEPS })

function expectMigrated(disk: SimulatedDisk): void {
  expect(disk.peek(`${HOME}/version`)?.toString()).toBe('2\n')
  expect(disk.peek(`${HOME}/new.json`)?.toString()).toBe('first\nsecond\n')
  expect(disk.peek(`${HOME}/old.json`)).toBeUndefined()
  expect(disk.peek(`${HOME}/identity.key`)?.toString()).toBe('key')
  expect(disk.peek(`${HOME}/backup-0/0-old.json`)?.toString()).toBe('first\n')
  expect(disk.peek(`${HOME}/backup-1/0-new.json`)?.toString()).toBe('first\n')
}

describe('migrating a home', () => {
  test('runs each step once, in order, and leaves a backup of what each changed', async () => {
    const disk = await oldHome()
    const told: string[] = []
    await migrateHome(HOME, { fs: disk, migrations: STEPS, onStep: message => void told.push(message) })
    expectMigrated(disk)
    expect(told).toHaveLength(2)
    expect(told[0]).toContain(`${HOME}/backup-0`)
    await migrate(disk)
    expectMigrated(disk)
  })

  test('is finished by the next start, wherever the power is cut, also when that one is cut as well', async () => {
    const whole = await oldHome()
    const start = whole.trace.length
    await migrate(whole)
    const calls = whole.trace.length - start
    const keep = (bits: number) => {
      let state = bits
      return (n: number): number => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31
        return state % (n + 1)
      }
    }
    const cutAt = async (disk: SimulatedDisk, call: number): Promise<void> => {
      const from = disk.trace.length
      disk.fault = ({ index }) => (index === from + call ? 'power-cut' : undefined)
      await migrate(disk).catch(() => undefined)
    }
    for (let first = 1; first <= calls; first++) {
      const disk = await oldHome()
      await cutAt(disk, first)
      const second = disk.afterPowerCut(keep(first))
      await cutAt(second, 1 + ((first * 7) % calls))
      const last = second.afterPowerCut(keep(first + 1))
      await migrate(last)
      expectMigrated(last)
    }
  })

  test('keeps what an older program did after a start that was cut before it changed anything', async () => {
    const whole = await oldHome()
    const noted = whole.trace.length
    await migrate(whole)
    const calls = whole.trace.length - noted
    let wentOn = 0
    for (let cut = 1; cut <= calls; cut++) {
      const cutDisk = await oldHome()
      const from = cutDisk.trace.length
      cutDisk.fault = ({ index }) => (index === from + cut ? 'power-cut' : undefined)
      await migrate(cutDisk).catch(() => undefined)
      const disk = cutDisk.afterPowerCut(n => n)
      // the program that knows version 0 alone
      const older = await readHomeVersion(HOME, { fs: disk, newest: 0 }).catch((error: unknown) => error)
      if (older instanceof Error) {
        expect(older.name).toBe('HomeVersionError')
        continue
      }
      wentOn++
      expect(disk.peek(`${HOME}/old.json`)?.toString(), `cut at ${cut}`).toBe('first\n')
      await writeFileAtomic(`${HOME}/old.json`, text('first, and more\n'), { fs: disk })
      await migrate(disk)
      expect(disk.peek(`${HOME}/new.json`)?.toString()).toBe('first, and more\nsecond\n')
    }
    expect(wentOn).toBeGreaterThan(5)
  })

  test('stops where the backup of an interrupted one is gone', async () => {
    const disk = await oldHome()
    await writeFileAtomic(`${HOME}/version`, text('1 from 0\n'), { fs: disk })
    await expect(migrate(disk)).rejects.toMatchObject({ name: 'DamagedStoreError' })
    expect(disk.peek(`${HOME}/old.json`)?.toString()).toBe('first\n')
  })

  test('leaves the home as it was when the disk is full, and works once there is space', async () => {
    const disk = await oldHome()
    disk.fault = ({ operation }) => (operation === 'write' ? 'ENOSPC' : undefined)
    await expect(migrate(disk)).rejects.toMatchObject({ name: 'StoreFullError' })
    expect(disk.peek(`${HOME}/old.json`)?.toString()).toBe('first\n')
    disk.fault = () => undefined
    await migrate(disk)
    expectMigrated(disk)
  })

  test('waits on a full disk where the older files can be read as well', async () => {
    const disk = await oldHome()
    disk.fault = ({ operation }) => (operation === 'write' ? 'ENOSPC' : undefined)
    const told: string[] = []
    await migrateHome(HOME, { fs: disk, onStep: message => void told.push(message) })
    expect(told).toEqual([expect.stringMatching(/stays at version 0 for now: .*no space left/)])
    disk.fault = () => undefined
    await migrateHome(HOME, { fs: disk })
    expect(disk.peek(`${HOME}/version`)?.toString()).toBe('1\n')
  })

  test('has one migration for each version', () => {
    expect(MIGRATIONS).toHaveLength(HOME_VERSION)
  })
})

describe('the version of a home', () => {
  let root: string
  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), 'coopt-version-')), 'home')
    await initHome(root, { network: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false } })
  })
  afterEach(async () => await rm(join(root, '..'), { recursive: true, force: true }))
  const open = async () => await openRuntime({ home: root, network: false, what: 'a test', onEvent: () => {} })

  test('is the newest in a new home', async () => {
    expect(await readHomeVersion(root)).toEqual({ version: HOME_VERSION, isMigrating: false })
  })

  test('that is newer is refused with both versions and what to do, before the configuration is read', async () => {
    await writeFile(join(root, 'version'), '7\n')
    await writeFile(join(root, 'config.json'), '{"keyOfTheFuture":1}')
    for (const refused of [open(), initHome(root)]) {
      const error: unknown = await refused.catch((cause: unknown) => cause)
      expect(error).toMatchObject({ name: 'HomeVersionError' })
      expect(String(error)).toMatch(/has version 7.*reads versions 0 to 1: update coopt/)
      expect(exitCodeOf(error)).toBe(10)
    }
    expect(await readFile(join(root, 'version'), 'utf8')).toBe('7\n')
  })

  test('that makes no sense is damage, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .oneof(fc.string(), fc.constantFrom('', '-1', '1.0', '01', '1 ', '1e3', '9'.repeat(20)))
          .filter(content => !/^(0|[1-9]\d{0,8})\n?$/.test(content)),
        async content => {
          await writeFile(join(root, 'version'), content)
          await expect(readHomeVersion(root)).rejects.toMatchObject({ name: 'DamagedStoreError' })
        }
      ),
      { numRuns: 50 }
    )
    await expect(open()).rejects.toMatchObject({ name: 'DamagedStoreError' })
  })
})
