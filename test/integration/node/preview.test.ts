import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SharedReport } from '../../../node/api/reports.ts'
import { directoryNode } from '../../../src/distribute/unixfs-directory.ts'
import { assessmentKey } from '../../../src/merge/views.ts'
import { noiseModel } from '../../helpers/noise-model.ts'
import {
  bundledPrior,
  dial,
  openNode,
  pictures,
  priorFolder,
  SHARED,
  startNode,
  temporaryFolder,
  type TestNode
} from '../../helpers/test-node.ts'

async function check({ node }: TestNode, prior: string, shared: string): Promise<SharedReport> {
  const report = await node.priorCheck(prior, { shared })
  expect(report.refusals).toEqual([])
  if (report.shared === undefined) throw new Error('the report says nothing of the swarm')
  return report.shared
}

test('before anybody has joined a prior is the first of one, and nothing is published by looking', async () => {
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures())
  const first = await check(lab, bundledPrior('vgg_small'), invite)
  expect(first).toMatchObject({ manifest, rows: SHARED, present: SHARED, priors: 0, unjudged: 0, admitted: true })
  expect(first.ranks[0]).toMatchObject({ policy: 'uniformity', rank: 1, of: 1, elected: true })
  expect(first.reference).toBeUndefined()
  expect(first.alignment).toBeUndefined()
  expect(first.imagesPerSecond).toBeGreaterThan(0)
  expect(first.gate.ok).toBe(true)
  expect(first.gate.margin).toBeCloseTo(first.gate.z - first.gate.threshold, 5)
  expect(lab.membership(manifest).state.set.size).toBe(0)
  await lab.membership(manifest).sync()
  expect(publisher.membership(manifest).state.set.size).toBe(0)

  const noise = await check(lab, await priorFolder(noiseModel()), invite)
  expect(noise.admitted).toBe(false)
  expect(noise.gate.ok).toBe(false)
  expect(noise.ranks[0]).toMatchObject({ of: 0, elected: false, reason: 'not eligible' })
  expect(noise.refusals.join()).toContain('cannot be told from noise')
})

test('what is said before joining is what everybody finds after it, through the swarm and from the merged dataset alone', async () => {
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures(), { partitions: 1 })
  const { mergedCid } = await publisher.join(invite, bundledPrior('superclass2'))
  if (mergedCid === undefined) throw new Error('not complete')

  const better = bundledPrior('resnet20')
  const seen = await check(lab, better, invite)
  expect(seen).toMatchObject({ priors: 1, admitted: true, reference: { prior: 'superclass2', peer: publisher.peer } })
  expect(seen.alignment?.looZ).toBeGreaterThan(seen.alignment?.minLooZ as number)

  // a home that never merged and meets nobody any more has all that the root follows from
  const observer = await startNode()
  await check(observer, better, invite)
  await observer.node.close()
  const alone = await openNode(observer.home, { network: false })
  expect((await check(alone, better, mergedCid)).ranks).toEqual(seen.ranks)

  // offline: the dataset's files in a store without a network and without the swarm
  const empty = await startNode()
  await dial(empty, lab)
  await dial(empty, publisher)
  await empty.node.pin(mergedCid, {})
  await empty.node.close()
  const offline = await openNode(empty.home, { network: false })
  const { imagesPerSecond: _a, ...online } = seen
  const { imagesPerSecond: _b, ...replayed } = await check(offline, better, mergedCid)
  expect(replayed).toEqual(online)
  expect(offline.runtime.swarms.all()).toEqual([])

  await lab.join(invite, better, { maxPartitions: 1 })
  const { state } = lab.membership(manifest)
  const score = state.set.byType('score').find(({ body }) => body.prior.name === 'resnet20')
  if (score === undefined) throw new Error('it did not join')
  expect(score.body.uniformValue).toBe(seen.uniformValue)
  expect(state.evidence.assessments.get(assessmentKey(score.body))?.admissible).toBe(true)
  const place = state.view().election.ranking.findIndex(({ key }) => key === score.key)
  expect(seen.ranks[0]?.rank).toBe(place + 1)
  expect(state.view().election.reference?.provenance.from.includes(score.key)).toBe(seen.ranks[0]?.elected)

  // the same prior again would be a copy, whoever brings it
  const folder = join(await temporaryFolder(), 'copy')
  await mkdir(folder)
  for (const file of ['model.onnx', 'preprocessor_config.json']) await copyFile(join(better, file), join(folder, file))
  const copy = await check(lab, folder, manifest)
  expect(copy.ranks[0]).toMatchObject({ of: 2, elected: false, reason: `the same targets as ${score.key}` })
})

test('under consensus a prior is measured against the matrix that all make together, before and with it', async () => {
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures(), { partitions: 1, election: 'consensus' })
  const first = await check(lab, bundledPrior('resnet20'), invite)
  expect(first.ranks[0]).toMatchObject({ policy: 'consensus', rank: 1, of: 1, elected: true })
  await publisher.join(invite, bundledPrior('superclass2'))
  const second = await check(lab, bundledPrior('resnet20'), invite)
  expect(second).toMatchObject({ priors: 1, admitted: true, reference: { prior: 'superclass2' } })
  expect(second.ranks.map(({ policy }) => policy)).toEqual(['consensus', 'corroboration', 'predictivity', 'uniformity'])
  expect(second.ranks[0]).toMatchObject({ of: 2, elected: true })
  expect(second.alignment?.looZ).toBeGreaterThan(second.alignment?.minLooZ as number)
  expect(lab.membership(manifest).state.set.byType('score')).toHaveLength(1)
})

test('a root that is no merged dataset is refused by name', async () => {
  const lab = await startNode()
  const { block } = directoryNode([])
  await lab.runtime.content.put(block.cid, block.bytes)
  await expect(lab.node.priorCheck(bundledPrior('resnet20'), { shared: `${block.cid}` })).rejects.toMatchObject({
    name: 'InvalidContentError',
    message: expect.stringContaining('manifest.cbor') as string
  })
})
