import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import { afterAll, expect, test } from 'vitest'
import { blockFileOf } from '../../node/store/block-files.ts'
import { openDatastore } from '../../node/store/datastore.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { HEADER_BYTES } from '../../node/store/frames.ts'
import { openRecordLog } from '../../node/store/record-log.ts'
import { rawCid } from '../../src/codec.ts'
import { CoOptError } from '../../src/errors.ts'
import { collect } from '../helpers/collect.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { seeded, type Seeded } from '../helpers/seeded.ts'

const DAMAGES = sizeOf('COOPT_DAMAGES', 10)
const BLOCKS = 40
const RECORDS = 30
const KEYS = 200

const root = await mkdtemp(join(tmpdir(), 'coopt-damage-'))
afterAll(async () => await rm(root, { recursive: true, force: true }))

/** Bits flipped, cut off, emptied, overwritten with noise or zeroes, longer, or gone. */
async function damage(path: string, chance: Seeded): Promise<void> {
  const bytes = new Uint8Array(await readFile(path))
  const at = chance.below(Math.max(1, bytes.byteLength))
  const kind = chance.below(7)
  if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8))
  if (kind === 1) bytes.fill(0, at, at + 512)
  if (kind === 2) bytes.set(chance.bytes(Math.min(512, bytes.byteLength - at)), at)
  if (kind <= 2) await writeFile(path, bytes)
  if (kind === 3) await writeFile(path, bytes.subarray(0, at))
  if (kind === 4) await writeFile(path, new Uint8Array())
  if (kind === 5) await writeFile(path, Buffer.concat([bytes, chance.bytes(100)]))
  if (kind === 6) await rm(path)
}

test(`of ${DAMAGES} stores with damaged blocks no wrong byte is read, and each block can be stored again`, async () => {
  let missing = 0
  let reported = 0
  for (let run = 0; run < DAMAGES; run++) {
    const chance = seeded(run)
    const path = join(root, `blocks-${run}`)
    const store = await DurableBlockstore.open({ path })
    const blocks: { cid: CID; bytes: Uint8Array }[] = Array.from({ length: BLOCKS }, () => {
      const bytes = chance.bytes(1 + chance.below(5000))
      return { bytes, cid: rawCid(bytes) }
    })
    await collect(store.putMany(blocks))
    await store.barrier()
    for (let i = 0; i < 4; i++) {
      const file = blockFileOf(path, (blocks[chance.below(BLOCKS)] as { cid: CID }).cid)?.path ?? ''
      if ((await stat(file).catch(() => undefined)) !== undefined) await damage(file, chance)
    }
    const again = await DurableBlockstore.open({ path, onFault: () => reported++ })
    for (const { cid, bytes } of blocks) {
      const read = await collect(again.get(cid)).catch((error: Error) => error.name)
      if (read === 'NotFoundError') missing++
      else expect(Buffer.concat(read as Uint8Array[]).equals(bytes), `run ${run}: ${cid}`).toBe(true)
      await again.put(cid, bytes)
      expect(Buffer.concat(await collect(again.get(cid))).equals(bytes)).toBe(true)
    }
    await rm(path, { recursive: true })
  }
  figure('damaged blocks', missing)
  figure('reported', reported)
  figure('wrong bytes served', 0)
  expect(missing).toBeGreaterThan(DAMAGES)
})

test(`of ${DAMAGES} damaged logs every whole record is kept, in order, and what is lost is said and saved`, async () => {
  let kept = 0
  for (let run = 0; run < DAMAGES; run++) {
    const chance = seeded(10_000 + run)
    const folder = await mkdtemp(join(root, 'log-'))
    const path = join(folder, 'records.log')
    const records = Array.from(
      { length: RECORDS },
      (_, i) => `${i} ${Buffer.from(chance.bytes(chance.below(300))).toString('hex')}`
    )
    const log = await openRecordLog(path)
    for (const record of records) await log.append(new TextEncoder().encode(record), { sync: false })
    await log.close()
    const before = (await stat(path)).size
    await damage(path, chance)
    const after = await stat(path).then(
      ({ size }) => size,
      () => undefined
    )
    const read: string[] = []
    const opened = await openRecordLog(path, { replay: bytes => void read.push(new TextDecoder().decode(bytes)) })
    await opened.append(new TextEncoder().encode('one more'), { sync: true })
    await opened.close()
    const places = read.map(record => records.indexOf(record))
    expect(places, `run ${run}`).toEqual(places.toSorted((a, b) => a - b))
    expect(places.includes(-1), `run ${run}: a record that was never written`).toBe(false)
    // a file that was cut at a record, or is gone, is a shorter log
    if (read.length < RECORDS && after === before) expect(opened.report.lostBytes, `run ${run}`).toBeGreaterThan(0)
    // of a file shorter than its header there is nothing to save
    if (opened.report.lostBytes > 0 && after !== undefined && after >= HEADER_BYTES)
      expect(await readdir(folder), `run ${run}`).toContain('records.log.damaged-1')
    kept += read.length
    await rm(folder, { recursive: true })
  }
  figure('records kept', `${kept} of ${DAMAGES * RECORDS}`)
})

test(`of ${DAMAGES} damaged databases each opens, or is refused with its path and what to do`, async () => {
  let opened = 0
  for (let run = 0; run < DAMAGES; run++) {
    const chance = seeded(20_000 + run)
    const path = await mkdtemp(join(root, 'level-'))
    const database = await openDatastore(path)
    for (let i = 0; i < KEYS; i++) await database.put(new Key(`/peers/${i}`), chance.bytes(100))
    await database.close()
    const names = (await readdir(path)).filter(name => name !== 'LOCK')
    await damage(join(path, names[chance.below(names.length)] as string), chance)
    try {
      const again = await openDatastore(path)
      opened++
      await again.close()
    } catch (error) {
      expect(error, `run ${run}`).toBeInstanceOf(CoOptError)
      expect((error as Error).message).toContain(path)
      expect((error as Error).message).toMatch(/delete the folder/)
    }
    await rm(path, { recursive: true })
    await (await openDatastore(path)).close() // as the message says
  }
  figure('databases that open', `${opened} of ${DAMAGES}`)
})
