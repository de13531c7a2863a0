import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { createPins } from '../../../node/upkeep/pins.ts'
import { rawCid } from '../../../src/codec.ts'
import { InvalidContentError, InvalidInputError } from '../../../src/errors.ts'

let home: string
const cid = (i: number) => rawCid(Uint8Array.of(i % 256, i >> 8))

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-pins-'))
  onTestFinished(async () => await rm(home, { recursive: true, force: true }))
})

test('pins survive a restart, and each is listed once', async () => {
  const pins = createPins(home)
  expect(await pins.all()).toEqual([])
  await pins.add(cid(1))
  await pins.add(cid(2))
  await pins.add(cid(1))
  expect((await createPins(home).all()).map(String)).toEqual([`${cid(1)}`, `${cid(2)}`])
})

test('a pin is removed once', async () => {
  const pins = createPins(home)
  await pins.add(cid(1))
  expect(await pins.remove(cid(1))).toBe(true)
  expect(await pins.remove(cid(1))).toBe(false)
  expect(await pins.all()).toEqual([])
})

test('concurrent changes lose nothing', async () => {
  const pins = createPins(home)
  await pins.add(cid(0))
  await Promise.all([pins.remove(cid(0)), ...Array.from({ length: 20 }, async (_, i) => await pins.add(cid(i + 1)))])
  expect((await pins.all()).map(String)).toEqual(Array.from({ length: 20 }, (_, i) => `${cid(i + 1)}`))
})

test('a list that grows without end is refused, and what was pinned stays', async () => {
  await writeFile(join(home, 'pins.json'), JSON.stringify(Array.from({ length: 4096 }, (_, i) => `${cid(i)}`)))
  const pins = createPins(home)
  await expect(pins.add(cid(5000))).rejects.toBeInstanceOf(InvalidInputError)
  await pins.add(cid(7)) // pinned already
  expect(await pins.all()).toHaveLength(4096)
})

test('a damaged file is an error and stays as it is', async () => {
  const path = join(home, 'pins.json')
  await writeFile(path, '["bafy')
  await expect(createPins(home).add(cid(1))).rejects.toMatchObject({ name: 'DamagedStoreError' })
  expect(await readFile(path, 'utf8')).toBe('["bafy')
  await writeFile(path, '["../../etc"]')
  await expect(createPins(home).all()).rejects.toBeInstanceOf(InvalidContentError)
})
