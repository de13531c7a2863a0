import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { carHeader, carSection } from '../../../node/content/dag/car.ts'
import { importCar, type ImportComponents } from '../../../node/export/import-car.ts'
import { writeCar } from '../../../node/export/write-car.ts'
import { elect } from '../../../src/align/election.ts'
import { rawCid } from '../../../src/codec.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { InvalidContentError, InvalidInputError } from '../../../src/errors.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import { candidatesOf, viewOf } from '../../../src/merge/views.ts'
import { finishedRound, type FinishedRound } from '../../helpers/finished-round.ts'
import { memoryContent } from '../../helpers/memory-content.ts'

let folder: string
let round: FinishedRound
let root: CID
/** The dataset as one CAR */
let car: string
let target: Content
/** Swarms of the importing home, and the records that each has */
let swarms: Map<string, RecordSet>
const signal = new AbortController().signal

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-import-'))
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }))
  const content = memoryContent()
  round = await finishedRound(content)
  root = (await round.merge()).root
  car = join(folder, 'round.car')
  await writeCar(
    root,
    car,
    async cid => await content.block(cid, { signal }),
    () => {}
  )
  target = memoryContent()
  swarms = new Map()
})

/** A home that judges as the made-up evidence says. */
const components = (): ImportComponents => ({
  content: target,
  onEvent: () => {},
  signal,
  swarms: {
    open: async (swarm: Swarm) => {
      const set = swarms.get(swarm.id.toString()) ?? createRecordSet()
      swarms.set(swarm.id.toString(), set)
      const { evidence } = round
      const view = () => viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
      return {
        swarm,
        state: { set, evidence, view, untilJudged: async () => {}, add: record => set.insert(record) }
      }
    }
  }
})

test('a round that came as a CAR merges to the same CID', async () => {
  const report = await importCar(car, components())
  expect(report.roots).toEqual([`${root}`])
  expect(report.rounds).toEqual([
    {
      root: `${root}`,
      manifest: `${round.swarm.id}`,
      name: round.swarm.manifest.name,
      records: round.set.size,
      mergedCid: `${root}`,
      missing: 0
    }
  ])
  expect(await target.has(round.swarm.id), 'the manifest under its own CID').toBe(true)
  expect(await importCar(car, components()), 'again').toEqual(report)
})

test('files that did not come along are counted, and so are folders', async () => {
  const content = memoryContent()
  const whole = await finishedRound(content)
  const { root: top, blocks } = await whole.merge()
  expect(`${top}`).toBe(`${root}`)
  const write = async (parts: typeof blocks): Promise<string> => {
    const path = join(folder, `${parts.length}.car`)
    await writeFile(path, Buffer.concat([carHeader([top]), ...parts.flatMap(p => carSection(p.cid, p.bytes))]))
    return path
  }
  // directories and small files, none of the shards and matrices
  const some = await importCar(await write(blocks), components())
  expect(some.rounds[0]?.missing).toBe(2 + 5)
  target = memoryContent()
  const [data] = blocks.filter(({ cid }) => `${cid}` !== `${top}` && cid.code === 0x70)
  const less = await importCar(await write(blocks.filter(({ cid }) => !cid.equals(data!.cid))), components())
  expect(less.rounds[0]?.missing).toBe(1 + 5)
})

test('a root that is no dataset is stored and makes no round', async () => {
  const bytes = new TextEncoder().encode('test')
  const cid = rawCid(bytes)
  const path = join(folder, 'other.car')
  await writeFile(path, Buffer.concat([carHeader([cid]), ...carSection(cid, bytes)]))
  expect(await importCar(path, components())).toEqual({ roots: [`${cid}`], blocks: 1, bytes: 4, rounds: [] })
  expect(swarms.size).toBe(0)
})

test('a file that is cut off, missing or a folder is an error that says so', async () => {
  const bytes = await readFile(car)
  await writeFile(join(folder, 'cut.car'), bytes.subarray(0, -7))
  await expect(importCar(join(folder, 'cut.car'), components())).rejects.toBeInstanceOf(InvalidContentError)
  await expect(importCar(join(folder, 'none.car'), components())).rejects.toBeInstanceOf(InvalidInputError)
  await expect(importCar(folder, components())).rejects.toBeInstanceOf(InvalidInputError)
  expect(swarms.size).toBe(0)
})
