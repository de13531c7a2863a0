import { expect, test } from 'vitest'
import { bundledPrior, pictures, startNode } from '../../helpers/test-node.ts'

/** Longer than any check takes on a busy machine: it ends with the last one. */
const PATIENT = { handoffMs: 120_000 }

test('two participants with different priors confirm each other, and leave with one complete dataset', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(), { quorum: 1 })
  const [a, b] = [await startNode({ timing: PATIENT }), await startNode({ timing: PATIENT })]
  const [first, second] = await Promise.all([
    a.join(invite, bundledPrior('resnet20')),
    b.join(invite, bundledPrior('superclass2'))
  ])
  expect(first).toMatchObject({ complete: true, checks: { waiting: [], unconfirmed: [] } })
  expect(second).toMatchObject({ complete: true })
  const { state } = publisher.membership(manifest)
  const opinions = state.set.byType('check').filter(({ body }) => body.opinion !== undefined)
  expect(opinions.length).toBeGreaterThan(0)
  // checks that were under way when one of them left are records as well: with all of them everybody has one dataset
  const merges = async () => await Promise.all([publisher, a, b].map(async ({ node }) => await node.merge(invite, {})))
  await expect
    .poll(async () => new Set((await merges()).map(({ mergedCid }) => mergedCid)).size, { timeout: 60_000 })
    .toBe(1)
  const merged = await publisher.node.merge(invite, {})
  expect(merged).toMatchObject({ provisional: false })
  const report = await publisher.node.verify(merged.mergedCid, {})
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([])
})

test('work that nobody else can check is published, unconfirmed, and reported as such', async () => {
  const publisher = await startNode()
  const { invite } = await publisher.publish(await pictures(), { quorum: 1, partitions: 2 })
  const alone = await startNode({ timing: { handoffMs: 500 } })
  const report = await alone.join(invite, bundledPrior('resnet20'))
  expect(report).toMatchObject({ complete: false, partitions: 2, unconfirmed: [0, 1] })
  const merged = await alone.node.merge(invite, {})
  expect(merged).toMatchObject({ mergedCid: report.mergedCid, provisional: true })
})
