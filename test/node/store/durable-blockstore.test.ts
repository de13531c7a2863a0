import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NotFoundError } from 'interface-store'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blockFileOf, MAX_BLOCK_BYTES, MAX_QUARANTINED } from '../../../node/store/block-files.ts'
import type { StoreFault } from '../../../node/store/block-reader.ts'
import { DurableBlockstore, type BlockstoreInit } from '../../../node/store/durable-blockstore.ts'
import { nodeFileSystem, type FileSystem } from '../../../node/store/file-system.ts'
import { cborCid, pbCid, rawCid } from '../../../src/codec.ts'
import { collect } from '../../helpers/collect.ts'
import { seeded } from '../../helpers/seeded.ts'
import { SimulatedDisk, type Fault } from '../../helpers/simulated-disk.ts'

const random = seeded(1)
const block = (length = 1000) => {
  const bytes = random.bytes(length)
  return { cid: rawCid(bytes), bytes }
}

async function read(store: DurableBlockstore, cid: CID): Promise<Uint8Array> {
  return Buffer.concat(await collect(store.get(cid)))
}

const pathOf = (root: string, cid: CID): string => blockFileOf(root, cid)?.path ?? ''

describe('on a real file system', () => {
  let root: string
  let faults: StoreFault[]
  const open = (init: Partial<BlockstoreInit> = {}) =>
    DurableBlockstore.open({ path: root, onFault: fault => faults.push(fault), ...init })

  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), 'coopt-blocks-')), 'blocks')
    faults = []
  })
  afterEach(async () => await rm(join(root, '..'), { recursive: true, force: true }))

  test('gives back what was put, after reopening too, whatever the codec', async () => {
    const store = await open()
    const { bytes, cid } = block()
    await store.put(cid, bytes)
    await store.close()
    const again = await open()
    expect(await read(again, pbCid(bytes))).toEqual(Buffer.from(bytes))
    expect(await again.has(cborCid(bytes))).toBe(true)
    expect(again.bytes).toBe(1000)
    await again.delete(cid)
    await again.delete(cid)
    expect(await again.has(cid)).toBe(false)
    expect(again.bytes).toBe(0)
    await expect(read(again, cid)).rejects.toThrow(NotFoundError)
    expect(faults).toEqual([])
  })

  test('puts 200 times at once as one write, and every reader meanwhile sees the whole block or none', async () => {
    let renames = 0
    const fs: FileSystem = { ...nodeFileSystem, rename: async (a, b) => (renames++, await nodeFileSystem.rename(a, b)) }
    const store = await open({ fs })
    const { bytes, cid } = block(262_144)
    const reads = Array.from({ length: 200 }, () => read(store, cid).catch((error: Error) => error.name))
    await Promise.all([
      ...Array.from({ length: 200 }, () => store.put(cid, bytes)),
      ...Array.from({ length: 200 }, () => store.put(pbCid(bytes), bytes))
    ])
    for (const seen of await Promise.all(reads)) expect(['NotFoundError', Buffer.from(bytes)]).toContainEqual(seen)
    expect(renames).toBe(1)
    expect(store.bytes).toBe(bytes.byteLength)
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('never serves a block with any bit flipped, sets it aside and takes it again', async () => {
    const store = await open()
    const { bytes, cid } = block(64)
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      await store.put(cid, bytes)
      const damaged = Uint8Array.from(bytes)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await writeFile(pathOf(root, cid), damaged)
      await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
      expect(await store.has(cid)).toBe(false)
    }
    expect(faults).toHaveLength(512)
    expect(faults[0]).toMatchObject({ kind: 'damaged', cid, path: pathOf(root, cid) })
    expect((await readdir(join(root, 'quarantine'))).length).toBe(MAX_QUARANTINED)
    expect(store.bytes).toBe(0)
  })

  test.each([0, 1, 999, MAX_BLOCK_BYTES + 1])('finds a block cut or grown to %i bytes damaged', async length => {
    const store = await open()
    const { bytes, cid } = block()
    await store.put(cid, bytes)
    await truncate(pathOf(root, cid), length)
    await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(faults.map(f => f.kind)).toEqual(['damaged'])
    await store.put(cid, bytes)
    expect(await read(store, cid)).toEqual(Buffer.from(bytes))
  })

  test('repairs a damaged file by a put of the right bytes, without a read in between', async () => {
    const store = await open()
    const { bytes, cid } = block()
    await store.put(cid, bytes)
    await writeFile(pathOf(root, cid), new Uint8Array(1000))
    await store.put(cid, bytes)
    expect(new Uint8Array(await readFile(pathOf(root, cid)))).toEqual(bytes)
    expect(store.bytes).toBe(1000)
  })

  test('refuses bytes that do not hash to the CID, other hashes and blocks above the limit', async () => {
    const store = await open()
    const { cid, bytes } = block()
    await expect(store.put(cid, block().bytes)).rejects.toMatchObject({ name: 'InvalidContentError' })
    const inline = CID.createV1(0x55, identity.digest(bytes.subarray(0, 32)))
    await expect(store.put(inline, bytes)).rejects.toMatchObject({ name: 'InvalidContentError' })
    await expect(read(store, inline)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await store.has(inline)).toBe(false)
    const large = new Uint8Array(MAX_BLOCK_BYTES + 1)
    await expect(store.put(rawCid(large), large)).rejects.toThrow(/at most 2097152/)
    await expect(store.put(rawCid(large), [large, large])).rejects.toThrow(/more than 2097152/)
    expect(store.bytes).toBe(0)
  })

  test('puts, gets and deletes many in order, and lists what is there', async () => {
    const store = await open()
    const blocks = Array.from({ length: 50 }, () => block(100))
    const cids = blocks.map(b => b.cid.toString())
    expect((await collect(store.putMany(blocks))).map(String)).toEqual(cids)
    expect((await collect(store.getMany(blocks.map(b => b.cid)))).map(p => String(p.cid))).toEqual(cids)
    await writeFile(join(root, 'quarantine', 'x'), 'not a block')
    await writeFile(join(root, (await readdir(root)).find(n => n.length === 2) ?? '', 'README'), 'not a block')
    const all = await collect(store.getAll())
    expect(all.map(p => String(p.cid)).sort()).toEqual([...cids].sort())
    for (const { cid, bytes } of all) expect(rawCid(Buffer.concat(await collect(bytes))).equals(cid)).toBe(true)
    await collect(store.deleteMany(blocks.map(b => b.cid)))
    expect(await collect(store.getAll())).toEqual([])
  })

  test('ends putMany with the error of a bad block, leaving no rejection behind', async () => {
    const store = await open()
    const source = [block(), { cid: block().cid, bytes: block().bytes }, block()]
    await expect(collect(store.putMany(source))).rejects.toMatchObject({ name: 'InvalidContentError' })
  })

  test('empties tmp/ at start and lets only the owner in', async () => {
    const store = await open()
    await store.put(...(Object.values(block()) as [CID, Uint8Array]))
    await writeFile(join(root, 'tmp', 'left-over'), 'x')
    await open()
    expect(await readdir(join(root, 'tmp'))).toEqual([])
    expect((await stat(root)).mode & 0o077).toBe(0)
  })

  test.skipIf(process.getuid?.() === 0)('reports what it may not read and says NotFoundError', async () => {
    const store = await open()
    const { bytes, cid } = block()
    await store.put(cid, bytes)
    await chmod(pathOf(root, cid), 0)
    await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(faults[0]).toMatchObject({ kind: 'io' })
  })

  test('stops at its quota, says so once, serves on, and goes on when there is room', async () => {
    const states: string[] = []
    const store = await open({ maxBytes: 2500, onDiskState: state => states.push(state) })
    const [a, b, c] = [block(), block(), block()]
    await store.put(a.cid, a.bytes)
    await store.put(b.cid, b.bytes)
    await expect(store.put(c.cid, c.bytes)).rejects.toMatchObject({ name: 'StoreFullError' })
    await expect(store.put(c.cid, c.bytes)).rejects.toThrow(/store\.maxBytes/)
    await store.put(a.cid, a.bytes) // held already: costs nothing
    expect(await read(store, a.cid)).toEqual(Buffer.from(a.bytes))
    expect(store.diskState).toBe('low')
    await store.delete(a.cid)
    await store.put(c.cid, c.bytes)
    expect(states).toEqual(['low', 'ok'])
  })
})

describe('on a failing disk', () => {
  const CODES = ['EIO', 'ENOSPC', 'EMFILE', 'short'] as const

  /** Put, put the same again, barrier, read; retried once per step, as its callers do. */
  async function scenario(disk: SimulatedDisk, blocks: Array<{ cid: CID; bytes: Uint8Array }>, errors: unknown[]) {
    const persist = async <T>(action: () => Promise<T>): Promise<T> => {
      for (let attempt = 0; attempt < 4; attempt++) {
        try {
          return await action()
        } catch (error) {
          errors.push(error)
        }
      }
      return await action()
    }
    const store = await persist(() => DurableBlockstore.open({ path: '/home/blocks', fs: disk }))
    await persist(async () => {
      for (const { cid, bytes } of blocks) await store.put(cid, bytes)
      await store.barrier()
    })
    return store
  }

  test.each(CODES)('fails the n-th call with %s, n = 1, 2, 3, ...: nothing acknowledged is ever lost', async code => {
    const blocks = Array.from({ length: 3 }, () => block(700))
    let n = 1
    for (let clean = false; !clean; n++) {
      const disk = new SimulatedDisk()
      let hit = false
      disk.fault = ({ index }): Fault => {
        if (index !== n) return undefined
        hit = true
        return code
      }
      const errors: unknown[] = []
      await scenario(disk, blocks, errors)
      for (const error of errors) {
        expect(error).toBeInstanceOf(Error)
        expect((error as Error).message, `call ${n}`).toMatch(/\/home|must be stored again/)
        expect((error as Error).message, `call ${n}`).toMatch(/;|stored again/) // says what to do
      }
      // the barrier resolved: the worst power cut may now happen
      const after = await DurableBlockstore.open({ path: '/home/blocks', fs: disk.afterPowerCut(() => 0) })
      for (const { cid, bytes } of blocks) expect(await read(after, cid), `call ${n}`).toEqual(Buffer.from(bytes))
      expect(disk.openHandles).toBe(0)
      clean = !hit
    }
    expect(n).toBeGreaterThan(40)
  })

  test.each(['EIO', 'ENOSPC', 'EMFILE'] as const)(
    'fails every call from the n-th on with %s, then recovers',
    async code => {
      const blocks = Array.from({ length: 3 }, () => block(700))
      for (let n = 1; n < 80; n++) {
        const disk = new SimulatedDisk()
        disk.fault = ({ index }) => (index >= n ? code : undefined)
        let store: DurableBlockstore | undefined
        let acknowledged = false
        try {
          store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
          for (const { cid, bytes } of blocks) await store.put(cid, bytes)
          await store.barrier()
          acknowledged = true
        } catch (error) {
          expect((error as Error).message).toContain('/home/blocks')
        }
        disk.fault = () => undefined
        if (!acknowledged) {
          store ??= await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
          for (const { cid, bytes } of blocks) await store.put(cid, bytes)
          await store.barrier().catch(async () => {
            for (const { cid, bytes } of blocks) await store?.put(cid, bytes)
            await store?.barrier()
          })
        }
        const after = await DurableBlockstore.open({ path: '/home/blocks', fs: disk.afterPowerCut(() => 0) })
        for (const { cid, bytes } of blocks) expect(await read(after, cid), `call ${n}`).toEqual(Buffer.from(bytes))
      }
    }
  )

  test('survives a power cut at every call: what passed a barrier is there, nothing else is ever wrong', async () => {
    const blocks = Array.from({ length: 6 }, (_, i) => block(300 + 400 * i))
    let cuts = 0
    for (let n = 1, clean = false; !clean; n++) {
      for (const seed of [0, 1, 2, 3]) {
        const disk = new SimulatedDisk()
        disk.fault = ({ index }) => (index === n ? 'power-cut' : undefined)
        let safe = 0
        try {
          const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
          for (let i = 0; i < blocks.length; i += 2) {
            for (const { cid, bytes } of blocks.slice(i, i + 2)) await store.put(cid, bytes)
            await store.barrier()
            safe = i + 2
          }
          clean = true
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          cuts++
        }
        const chance = seeded(n * 10 + seed)
        const after = await DurableBlockstore.open({
          path: '/home/blocks',
          fs: disk.afterPowerCut(seed === 0 ? () => 0 : k => chance.below(k + 1))
        })
        for (const [i, { cid, bytes }] of blocks.entries()) {
          const seen = await read(after, cid).catch((error: Error) => error.name)
          if (i < safe) expect(seen, `cut ${n}, seed ${seed}, block ${i}`).toEqual(Buffer.from(bytes))
          else expect(['NotFoundError', Buffer.from(bytes)]).toContainEqual(seen)
        }
      }
    }
    expect(cuts).toBeGreaterThan(200)
  })

  test('does not believe a second sync after a failed one', async () => {
    const disk = new SimulatedDisk()
    const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
    const { cid, bytes } = block()
    await store.put(cid, bytes)
    disk.fault = ({ operation }) => (operation === 'datasync' ? 'EIO' : undefined)
    await expect(store.barrier()).rejects.toThrow(/cannot sync .*EIO/)
    disk.fault = () => undefined
    await expect(store.barrier()).rejects.toMatchObject({ name: 'DamagedStoreError' })
    await store.put(cid, bytes)
    await store.barrier()
    expect(disk.afterPowerCut(() => 0).peek(pathOf('/home/blocks', cid))).toEqual(Buffer.from(bytes))
  })

  test('does not believe it after a restart either', async () => {
    const disk = new SimulatedDisk()
    const { cid, bytes } = block()
    const before = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
    await before.put(cid, bytes)
    disk.fault = ({ operation }) => (operation === 'datasync' ? 'EIO' : undefined)
    await expect(before.barrier()).rejects.toThrow(/EIO/)
    disk.fault = () => undefined
    const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
    await store.put(cid, bytes)
    await store.barrier()
    expect(disk.afterPowerCut(() => 0).peek(pathOf('/home/blocks', cid))).toEqual(Buffer.from(bytes))
  })

  test('tells the publisher when a block was damaged before the barrier', async () => {
    const disk = new SimulatedDisk()
    const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
    const { cid, bytes } = block()
    await store.put(cid, bytes)
    disk.damage(pathOf('/home/blocks', cid), () => Buffer.alloc(5))
    await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    await expect(store.barrier()).rejects.toMatchObject({ name: 'DamagedStoreError' })
    await store.put(cid, bytes)
    await store.barrier()
  })

  test('syncs each directory once for a round, and callers share rounds', async () => {
    const disk = new SimulatedDisk()
    const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk })
    const blocks = Array.from({ length: 40 }, () => block(10))
    await collect(store.putMany(blocks))
    const before = disk.trace.length
    await Promise.all(Array.from({ length: 20 }, () => store.barrier()))
    const calls = disk.trace.slice(before).map(c => c.operation)
    const shards = new Set(blocks.map(({ cid }) => pathOf('', cid).slice(0, 4))).size
    expect(calls.filter(o => o === 'datasync')).toHaveLength(40)
    expect(calls.filter(o => o === 'sync directory')).toHaveLength(shards + 1)
  })

  test('keeps its floor of free space and sees when there is space again', async () => {
    const disk = new SimulatedDisk()
    const states: string[] = []
    const store = await DurableBlockstore.open({
      path: '/home/blocks',
      fs: disk,
      minFreeBytes: 10_000,
      onDiskState: (state, reason) => states.push(`${state}: ${reason}`)
    })
    const [a, b] = [block(), block(1024 * 1024)]
    await store.put(a.cid, a.bytes)
    // the disk is looked at again after 16 MiB
    for (const full of Array.from({ length: 15 }, () => block(1024 * 1024))) await store.put(full.cid, full.bytes)
    expect(store.diskState).toBe('ok')
    disk.freeBytes = 9_999
    await expect(store.put(b.cid, b.bytes)).rejects.toMatchObject({ name: 'StoreFullError' })
    expect(store.diskState).toBe('low')
    expect(await read(store, a.cid)).toEqual(Buffer.from(a.bytes))
    disk.freeBytes = 2 ** 30
    await store.put(b.cid, b.bytes)
    expect(states).toEqual([
      expect.stringMatching(/^low: 9999 bytes are free at \/home\/blocks/),
      'ok: there is space again'
    ])
  })

  test('waits out a moment without file descriptors, and maps what lasts to NotFoundError', async () => {
    const disk = new SimulatedDisk()
    const faults: StoreFault[] = []
    const store = await DurableBlockstore.open({ path: '/home/blocks', fs: disk, onFault: f => faults.push(f) })
    const { cid, bytes } = block()
    await store.put(cid, bytes)
    let failures = 2
    disk.fault = () => (failures-- > 0 ? 'EMFILE' : undefined)
    expect(await read(store, cid)).toEqual(Buffer.from(bytes))
    expect(faults).toEqual([])
    disk.fault = () => 'EMFILE'
    await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await store.has(cid)).toBe(false)
    disk.fault = ({ operation }) => (operation === 'read' ? 'EIO' : undefined)
    await expect(read(store, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(faults.map(f => f.kind)).toEqual(['io', 'io', 'io'])
    expect(faults[0]?.error.message).toMatch(/ulimit -n/)
    await store.put(cid, bytes) // a put takes the place of what cannot be read
    disk.fault = () => undefined
    expect(await read(store, cid)).toEqual(Buffer.from(bytes))
  })
})
