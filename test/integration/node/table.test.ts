import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { npyHeader } from '../../../node/export/npy.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { rawCid } from '../../../src/codec.ts'
import {
  bundledPrior,
  folderOf,
  IMAGES,
  labelledPictures,
  PARTITIONS,
  SHARED,
  startNode,
  temporaryFolder
} from '../../helpers/test-node.ts'

/** What a lab has of these images: the features of a model that stays at home. */
async function tableOf(model: string, images: readonly { bytes: Uint8Array }[]): Promise<string> {
  const prior = await loadPrior(model)
  try {
    const distinct = [...new Map(images.map(({ bytes }) => [rawCid(bytes).toString(), { bytes }]))]
    const { features } = await prior.embed(distinct.map(([id, { bytes }]) => ({ id, bytes })))
    const folder = await temporaryFolder()
    const path = join(folder, 'embeddings.npy')
    await writeFile(
      path,
      Buffer.concat([npyHeader([features.rows, features.columns]), Buffer.from(features.data.buffer)])
    )
    await writeFile(join(folder, 'ids.txt'), distinct.map(([id]) => id).join('\n'))
    return path
  } finally {
    await prior.close()
  }
}

test('a table of vectors takes part as the model does that made them: checked, scored, elected, merged', async () => {
  const images = await labelledPictures()
  const [publisher, lab, other] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await folderOf(images))
  const table = await tableOf(bundledPrior('resnet20'), images)

  const seen = (await lab.node.priorCheck(table, { shared: invite })).shared
  const asModel = (await other.node.priorCheck(bundledPrior('resnet20'), { shared: invite })).shared
  expect(seen).toMatchObject({ rows: SHARED, present: SHARED, admitted: true })
  expect(seen?.gate).toEqual(asModel?.gate)
  expect(seen?.uniformValue).toBe(asModel?.uniformValue)

  const joined = await lab.join(invite, table, { name: 'vectors' })
  expect(joined).toMatchObject({ complete: true, partitions: PARTITIONS })
  expect(joined.assumed?.join()).toContain('the keys of embeddings.npy are the rows of ids.txt')
  const merged = await publisher.node.merge(invite, {})
  expect(merged).toMatchObject({ mergedCid: joined.mergedCid, rows: IMAGES, reference: { prior: 'vectors' } })
  const { state } = publisher.membership(manifest)
  expect([...state.view().chosen.values()].every(({ score }) => score.body.prior.kind === 'table')).toBe(true)
  expect((await publisher.node.verify(merged.mergedCid)).checks.filter(c => !c.ok)).toEqual([])
})

test('images without a vector are absent, and a table that lacks shared ones is not the reference', async () => {
  const images = await labelledPictures()
  const [publisher, machine, lab] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await folderOf(images))
  const table = await tableOf(
    bundledPrior('resnet20'),
    images.filter((_, i) => i % 7 !== 3)
  )
  const [, joined] = await Promise.all([
    machine.join(invite, bundledPrior('superclass2'), { maxPartitions: 1 }),
    lab.join(invite, table, { name: 'vectors' })
  ])
  expect(joined.complete).toBe(true)
  const merged = await publisher.node.merge(invite, {})
  expect(merged.reference?.prior).toBe('superclass2')
  expect(merged.peers.find(({ prior }) => prior === 'vectors')).toMatchObject({ eligible: true })
  expect(merged.rows).toBeLessThan(IMAGES)
  const { state } = publisher.membership(manifest)
  const own = state.view().election.ranking.find(({ author }) => author === lab.peer)
  expect(own).toMatchObject({
    electable: false,
    reason: expect.stringMatching(/vectors for \d+ of 300 shared/) as string
  })
  const byTable = [...state.view().chosen.values()].filter(({ score }) => score.body.prior.kind === 'table')
  expect(byTable.length).toBeGreaterThan(0)
  expect((await publisher.node.verify(merged.mergedCid)).checks.filter(c => !c.ok)).toEqual([])
})

test('a table of other images is refused before anything is published, and the message tells the coverage', async () => {
  const images = await labelledPictures()
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await folderOf(images))
  const strangers = images.map(({ bytes }) => ({ bytes: Buffer.concat([bytes, Uint8Array.of(0)]) }))
  const table = await tableOf(bundledPrior('superclass2'), strangers)
  const check = (await lab.node.priorCheck(table, { shared: invite })).shared
  expect(check).toMatchObject({ rows: SHARED, present: 0, admitted: false })
  await expect(lab.join(invite, table)).rejects.toThrow(/knows 0 of the 300 shared images/)
  expect(publisher.membership(manifest).state.set.size).toBe(0)
})
