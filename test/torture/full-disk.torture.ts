import { execFile } from 'node:child_process'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CID } from 'multiformats/cid'
import { expect, onTestFinished, test } from 'vitest'
import type { DiskState } from '../../node/store/disk-space.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { rawCid } from '../../src/codec.ts'
import { collect } from '../helpers/collect.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { seeded } from '../helpers/seeded.ts'

const run = promisify(execFile)
const FILLS = sizeOf('COOPT_FILLS', 5)
const MIB = 2 ** 20
const DISK = 32 * MIB
const FLOOR = 2 * MIB
const BLOCK = 256 * 1024
/** Space comes back within so many milliseconds. */
const RESUME_MS = 10_000

interface Block {
  cid: CID
  bytes: Uint8Array
}

/** Write a file until nothing fits any more. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let bytes = MIB; bytes >= 1;) {
      const written = await file.write(new Uint8Array(bytes)).then(
        ({ bytesWritten }) => bytesWritten,
        (error: NodeJS.ErrnoException) => {
          expect(error.code).toBe('ENOSPC')
          return 0
        }
      )
      if (written === 0) bytes = Math.floor(bytes / 2)
    }
  } finally {
    await file.close()
  }
}

test(`a store goes on after its disk was full ${FILLS} times`, async ({ skip }) => {
  const mount = await mkdtemp(join(tmpdir(), 'coopt-full-'))
  const isMounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', mount]).then(
    () => true,
    () => false
  )
  onTestFinished(async () => {
    if (isMounted) await run('umount', [mount])
    await rm(mount, { recursive: true })
  })
  skip(!isMounted, 'mounting a file system is not permitted here')

  const path = join(mount, 'blocks')
  const filler = join(mount, 'filler')
  let state: DiskState = 'ok'
  const options = { path, minFreeBytes: FLOOR, onDiskState: (now: DiskState) => void (state = now) }
  const store = await DurableBlockstore.open(options)
  const chance = seeded(1)
  /** Acknowledged by a barrier */
  let kept: Block[] = []
  let refused = 0
  let slowest = 0
  const check = async (from: DurableBlockstore): Promise<void> => {
    for (const { cid, bytes } of kept) expect(Buffer.concat(await collect(from.get(cid))).equals(bytes)).toBe(true)
  }
  for (let time = 0; time < FILLS; time++) {
    // some whole rounds, then the disk fills up between or within one
    const calm = chance.below(4)
    let isFull = false
    for (let round = 0; !isFull; round++) {
      const blocks = Array.from({ length: 3 }, () => {
        const bytes = chance.bytes(1 + chance.below(BLOCK))
        return { bytes, cid: rawCid(bytes) }
      })
      const filling = round >= calm ? fill(filler) : Promise.resolve()
      try {
        for (const { cid, bytes } of blocks) await store.put(cid, bytes)
        await store.barrier()
        kept.push(...blocks)
      } catch (error) {
        expect(error).toMatchObject({ name: 'StoreFullError' })
        refused++
        isFull = true
      }
      await filling
    }
    expect(store.diskState, 'while it is full').toBe('low')
    await check(store)
    // space comes back: the filler goes, and half of the blocks
    await rm(filler)
    const gone = kept.filter((_, i) => i % 2 === 0)
    for (const { cid } of gone) await store.delete(cid)
    kept = kept.filter((_, i) => i % 2 === 1)
    const freedAt = performance.now()
    const bytes = chance.bytes(1000)
    const block = { bytes, cid: rawCid(bytes) }
    for (let isStored = false; !isStored;) {
      isStored = await store.put(block.cid, block.bytes).then(
        () => true,
        () => false
      )
      expect(performance.now() - freedAt, 'milliseconds until it stores again').toBeLessThan(RESUME_MS)
      if (!isStored) await new Promise(resolve => setTimeout(resolve, 50)) // a disk tells nobody when it has space
    }
    await store.barrier()
    kept.push(block)
    slowest = Math.max(slowest, performance.now() - freedAt)
  }
  expect(state).toBe('ok')
  const again = await DurableBlockstore.open(options)
  await check(again)
  const left = (await readdir(mount, { recursive: true })).filter(
    name => name.endsWith('.tmp') || name.includes('tmp/')
  )
  figure('times full', refused)
  figure('slowest to store again, ms', slowest)
  figure('temporary files left', left.length)
  expect(left).toEqual([])
})
