import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { blockName } from '../../../node/store/block-files.ts'
import { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { rawCid } from '../../../src/codec.ts'
import { collect } from '../../helpers/collect.ts'

let store: DurableBlockstore

const block = (i: number) => {
  const bytes = new Uint8Array(100).fill(i)
  return { cid: rawCid(bytes), bytes }
}
const put = async (i: number) => await store.put(block(i).cid, block(i).bytes)
const sweepAll = async (needed: readonly number[] = [], dryRun = false): Promise<number> => {
  using collection = store.collect()
  return (await collect(collection.sweep(new Set(needed.map(i => blockName(block(i).cid) ?? '')), { dryRun }))).length
}

beforeEach(async () => {
  const path = await mkdtemp(join(tmpdir(), 'coopt-holds-'))
  onTestFinished(async () => await rm(path, { recursive: true, force: true }))
  store = await DurableBlockstore.open({ path })
})

test('what this process stored is collected once nothing needs it', async () => {
  await put(1)
  await put(2)
  expect(await sweepAll([1], true)).toBe(1)
  expect(await store.has(block(2).cid)).toBe(true)
  expect(await sweepAll([1])).toBe(1)
  expect(await store.has(block(1).cid)).toBe(true)
  expect(await store.has(block(2).cid)).toBe(false)
  expect(await sweepAll()).toBe(1)
  expect(store.bytes).toBe(0)
})

test('an open writing keeps its blocks from every collection, and only its own', async () => {
  await put(1)
  {
    using writing = store.writing()
    await writing.put(block(2).cid, block(2).bytes)
    expect(await sweepAll()).toBe(1)
    expect(await sweepAll()).toBe(0)
  }
  expect(await store.has(block(2).cid)).toBe(true)
  expect(await sweepAll()).toBe(1)
})

test('a block of two writings is kept until both are over, and a released writing can be used again', async () => {
  const [one, two] = [store.writing(), store.writing()]
  await one.put(block(1).cid, block(1).bytes)
  await two.put(block(1).cid, block(1).bytes)
  one.release()
  expect(await sweepAll()).toBe(0)
  await one.put(block(2).cid, block(2).bytes)
  two.release()
  expect(await sweepAll()).toBe(1)
  one.release()
  expect(await sweepAll()).toBe(1)
})

test('what is put or released while a collection looks at roots survives it', async () => {
  const writing = store.writing()
  await writing.put(block(1).cid, block(1).bytes)
  await put(2)
  await put(3)
  using collection = store.collect()
  await put(2) // again: somebody counts on it from now on
  await put(4)
  writing.release() // the record that names it came after the collection looked
  expect(await collect(collection.sweep(new Set(), { dryRun: false }))).toHaveLength(1)
  for (const [i, kept] of [1, 2, 3, 4].map(i => [i, i !== 3] as const))
    expect(await store.has(block(i).cid), `block ${i}`).toBe(kept)
})

test('a put that begins while its block is being deleted stores it again', async () => {
  for (let i = 0; i < 50; i++) await put(i)
  using collection = store.collect()
  const swept = collection.sweep(new Set(), { dryRun: false })
  await swept.next()
  const puts = Promise.all(Array.from({ length: 50 }, async (_, i) => await put(i)))
  await collect(swept)
  await puts
  for (let i = 0; i < 50; i++) expect(await store.has(block(i).cid), `block ${i}`).toBe(true)
})
