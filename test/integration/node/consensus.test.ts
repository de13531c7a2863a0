import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { createReferenceClient } from '../../../protocols/reference/client.ts'
import { decodeMatrix } from '../../../src/bytes.ts'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import { isAlignment } from '../../../src/merge/views.ts'
import { whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, IMAGES, PARTITIONS, pictures, startNode, type TestNode } from '../../helpers/test-node.ts'

test('several priors make the reference; one that joins late changes it, and all align again from raw targets', async () => {
  const [publisher, a, b, c, late] = await Promise.all([
    startNode(),
    startNode(),
    startNode(),
    startNode(),
    startNode()
  ])
  const { invite, manifest } = await publisher.publish(await pictures(), { election: 'consensus' })
  const staying: Array<[TestNode, 'resnet20' | 'superclass2' | 'vgg_small']> = [
    [a, 'resnet20'],
    [b, 'superclass2'],
    [c, 'vgg_small']
  ]
  const running = staying.map(
    async ([node, prior]) => await node.join(invite, bundledPrior(prior), { once: false, maxPartitions: 2 })
  )
  const all = [publisher, a, b, c]
  const agrees = (node: TestNode, priors: number): boolean => {
    const view = node.membership(manifest).state.view()
    return view.complete && view.election.reference?.provenance.from.length === priors
  }
  const { state } = publisher.membership(manifest)
  await whenState(publisher.membership(manifest), () => agrees(publisher, 3))
  for (const node of all) {
    await node.membership(manifest).sync()
    await whenState(node.membership(manifest), () => agrees(node, 3))
  }
  const before = await Promise.all(all.map(async ({ node }) => await node.merge(invite, {})))
  const [first] = before
  if (first === undefined) throw new Error('nothing merged')
  expect(new Set(before.map(({ mergedCid }) => mergedCid)).size).toBe(1)
  expect(first.reference).toEqual({ cid: first.reference?.cid, prior: 'consensus of 3 priors' })
  const [results, computed] = [state.set.byType('result').map(({ key }) => key), first.reference?.cid]
  expect(state.set.byType('score').some(({ body }) => body.targets.toString() === computed)).toBe(false)
  expect((await publisher.node.verify(first.mergedCid)).checks.filter(({ ok }) => !ok)).toEqual([])

  const report = await late.join(invite, bundledPrior('simclr_conv'), { maxPartitions: 0 })
  expect(report.complete).toBe(true)
  for (const node of [...all, late]) await whenState(node.membership(manifest), () => agrees(node, 4))
  for (const node of [...all, late]) await node.membership(manifest).sync()
  for (const node of [...all, late]) await node.membership(manifest).state.untilJudged()
  const after = await Promise.all([...all, late].map(async ({ node }) => await node.merge(invite, {})))
  expect(new Set(after.map(({ mergedCid }) => mergedCid)).size).toBe(1)
  const [second] = after
  if (second?.reference === undefined) throw new Error('nothing merged')
  expect(second).toMatchObject({ provisional: false, rows: IMAGES, reference: { prior: 'consensus of 4 priors' } })
  expect(second.reference.cid).not.toBe(computed)
  expect(second.mergedCid).not.toBe(first.mergedCid)

  // the same results are aligned anew (a prior that is the better one by now may have improved upon others beside)
  const records = [...state.set.records()]
  const anew = records.filter(isAlignment).filter(({ body }) => body.reference.toString() === second.reference?.cid)
  expect(results.some(key => anew.some(({ body }) => body.result.toString() === key))).toBe(true)
  expect(new Set(anew.map(({ body }) => body.partition)).size).toBe(PARTITIONS)
  expect(records.filter(isAlignment).some(({ body }) => body.reference.toString() === computed)).toBe(true)
  expect((await late.node.verify(second.mergedCid)).checks.filter(({ ok }) => !ok)).toEqual([])

  // whoever asks is served the matrix that no score names, and gc keeps it
  const cid = state.view().election.reference?.cid
  if (cid === undefined) throw new Error('no reference')
  const { shared, dimension } = late.membership(manifest).swarm.manifest
  const client = createReferenceClient({ libp2p: late.network.libp2p }, { onFault: () => {} })
  const bytes = await client.fetchMatrix([peerIdFromString(publisher.peer)], cid, shared.rows * dimension * 4)
  expect(matrixCid(decodeMatrix(bytes, shared.rows, dimension)).equals(cid)).toBe(true)
  await late.node.gc({ dryRun: false })
  expect(await late.runtime.content.holds(cid)).toBe(true)
  const status = (await late.node.status(invite)).swarms[0]
  expect(status?.reference?.prior).toBe('consensus of 4 priors')

  for (const [node] of staying) node.stop()
  await Promise.all(running)
})
