/** coopt evaluate on what two participants with priors of different worth made together. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EvaluateReport } from '../../../node/api/evaluate.ts'
import { parseCid } from '../../../src/codec.ts'
import {
  bundledPrior,
  closeShared,
  dial,
  folderOf,
  IMAGES,
  labelFile,
  labelledPictures,
  shared,
  SHARED,
  startNode,
  temporaryFolder,
  type Picture,
  type TestNode
} from '../../helpers/test-node.ts'

const FRESH = 40

let node: TestNode
let cid: string
let images: readonly Picture[]
/** Pictures that are not published */
let fresh: readonly Picture[]
let folder: string
let labels: string

beforeAll(async () => {
  await shared(async () => {
    const pictures = await labelledPictures(IMAGES + FRESH)
    images = pictures.slice(0, IMAGES)
    fresh = pictures.slice(IMAGES)
    folder = await folderOf(images)
    labels = await labelFile(images)
    const [publisher, other] = [await startNode(), await startNode()]
    node = publisher
    const { invite, manifest } = await publisher.publish(folder)
    await dial(other, publisher)
    // one more than there are: both may begin with the same partition, and either does some
    await Promise.all([
      publisher.join(invite, bundledPrior('resnet20'), { maxPartitions: 2 }),
      other.join(invite, bundledPrior('superclass2'), { maxPartitions: 3 })
    ])
    await publisher.membership(manifest).state.untilJudged(new AbortController().signal)
    cid = (await publisher.node.merge(invite, {})).mergedCid
  })
})
afterAll(closeShared)

test('figures are those of the dataset, and the same for a seed', async () => {
  const report = await node.node.evaluate(cid, { labels, seed: 3 })
  expect(report.rows).toEqual({ total: IMAGES, withTarget: IMAGES, labelled: IMAGES, used: IMAGES })
  expect(report.classes.reduce((sum, { rows }) => sum + rows, 0)).toBe(IMAGES)
  expect(report.participants.map(({ prior }) => prior).sort()).toEqual(['resnet20', 'superclass2'])
  expect(report.participants.reduce((sum, { rows }) => sum + rows, 0)).toBe(IMAGES)
  // the targets say something of the classes
  expect(report.probes.ridge.accuracy).toBeGreaterThan(report.probes.chance + 0.1)
  // own rows are test rows, each of one participant
  expect(report.participants.reduce((sum, { ownRows }) => sum + (ownRows?.tests ?? 0), 0)).toBe(report.probes.tests)

  const { pairs, rows, variation, cosine } = report.inconsistency
  expect([pairs, rows]).toEqual([1, SHARED])
  // different networks: raw targets have nothing in common, aligned ones do, and T of other rows is no better than that of these
  expect(variation.raw).toBeGreaterThan(0.9)
  expect(variation.aligned).toBeLessThan(variation.raw ?? 0)
  expect(cosine.aligned).toBeLessThan((cosine.raw ?? 0) - 0.3)
  expect(cosine.heldOut).toBeGreaterThanOrEqual(cosine.aligned ?? 1)
  expect(Math.abs(variation.calibration ?? 1)).toBeLessThan(0.25)

  // leave-one-out figures are those of the signed records
  const own = node.membership(report.manifest).state.set.byType('alignment')
  for (const { prior, looR2 } of report.participants)
    expect(
      own.some(({ body }) => Math.abs(body.looR2 - (looR2 ?? 9)) < 1e-3),
      prior
    ).toBe(true)

  expect(await node.node.evaluate(cid, { labels, seed: 3 })).toEqual(report)
})

test('names and ids give the same figures; test images get targets from priors or a linear student', async () => {
  const names = join(await temporaryFolder(), 'names.csv')
  await writeFile(names, `name,label\n${images.map(({ kind }, i) => `secret-image-${i}.jpg,${kind}`).join('\n')}\n`)
  // three that were published and one that is there twice are no test
  const mixed = [...fresh, ...images.slice(0, 3), ...fresh.slice(0, 1)]
  const test = { test: [await folderOf(mixed)], testLabels: await labelFile([...images, ...fresh]) }
  const report = await node.node.evaluate(cid, { labels: names, images: [folder], ...test })
  const plain = await node.node.evaluate(cid, { labels })
  expect(report.probes).toEqual(plain.probes)
  expect(report.test).toMatchObject({ by: 'linear student', images: FRESH, known: 4 })
  expect(report.notes.join()).toContain('4 test images')
  expect(report.notes.join()).toContain('linear student')
  const byPrior = await node.node.evaluate(cid, { labels, ...test, priors: [bundledPrior('resnet20')] })
  expect(byPrior.test).toMatchObject({ by: 'priors', results: [{ name: 'resnet20' }] })
  const accuracyOf = ({ test: tested }: EvaluateReport): number => tested?.results[0]?.probes.ridge.accuracy ?? 0
  expect(accuracyOf(byPrior)).toBeGreaterThan(byPrior.test?.results[0]?.probes.chance ?? 1)
})

test('a report is written, whole, and never over another file', async () => {
  const report = join(await temporaryFolder(), 'report.html')
  const options = { labels, report, rows: 200 }
  expect(await node.node.evaluate(cid, options)).toMatchObject({ report, rows: { used: 200 } })
  const page = await readFile(report, 'utf8')
  expect(page).toContain(cid)
  expect(page.split('<svg role="img"').length - 1).toBe(2 + 4)
  expect(page.trimEnd().endsWith('</html>')).toBe(true)
  await expect(node.node.evaluate(cid, options)).rejects.toThrow('exists already')
})

test('what cannot be used is an error that says what to do, and leaves no file behind', async () => {
  const evaluate = async (options: Partial<Parameters<typeof node.node.evaluate>[1]>, root = cid) =>
    await node.node.evaluate(root, { labels, ...options })
  const few = images.map(({ bytes, kind }, i) => ({ bytes, kind: i < 3 ? 'rare' : kind }))
  await expect(evaluate({ labels: await labelFile(few) })).rejects.toThrow('class "rare" has 3 rows')
  const foreign = [1, 2].map(i => ({ bytes: Uint8Array.of(i), kind: `k${i}` }))
  await expect(evaluate({ labels: await labelFile(foreign) })).rejects.toThrow('has a label in')
  const other = { labels: await labelFile(images), test: [folder], testLabels: await labelFile(few) }
  await expect(evaluate(other)).rejects.toThrow('has the class "rare"')
  await expect(evaluate({ test: [folder], testLabels: labels })).rejects.toThrow(
    'are rows of the dataset: use other test images'
  )
  await expect(evaluate({ test: [folder] })).rejects.toThrow('--test and --test-labels must be used together')
  await expect(evaluate({ priors: [bundledPrior('resnet20')] })).rejects.toThrow('name the images with --test')
  const report = join(await temporaryFolder(), 'report.html')
  const { shared: file } = node.runtime.swarms.all()[0]?.swarm.manifest ?? {}
  await expect(evaluate({ report }, file?.cid.toString())).rejects.toThrow('UnixFS directory')
  await expect(readFile(report)).rejects.toThrow('ENOENT')
  expect(await node.runtime.content.has(parseCid(cid))).toBe(true)
})
