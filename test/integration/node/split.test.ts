import { expect, test } from 'vitest'
import { split, whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, dial, IMAGES, pictures, startNode, type TestNode } from '../../helpers/test-node.ts'
import { peerIdOf } from '../../../src/peer-key.ts'

test('a network split during the work heals to one set of records and one CID', async () => {
  const [publisher, a, b] = await Promise.all([startNode(), startNode(), startNode()])
  const nodes = [publisher, a, b]
  const { invite, manifest } = await publisher.publish(await pictures())
  // b has the images before the network is cut, as somebody has who has been at work for a while
  await b.node.status(invite)
  const { partitions, shared } = b.membership(manifest).swarm.manifest
  const { signal } = new AbortController()
  for (const { cid, bytes } of [...partitions, shared]) await b.runtime.content.fetch(cid, bytes, { signal })

  const joinA = a.join(invite, bundledPrior('superclass2'))
  const joinB = b.join(invite, bundledPrior('resnet20'))
  await Promise.race([a, b].map(async n => await n.until(e => e.type === 'partition' && e.state === 'started')))
  const heal = split([publisher, a], [b])
  const reports = await Promise.all([joinA, joinB])
  expect(
    reports.map(r => r.complete),
    'each side finishes the dataset by itself'
  ).toEqual([true, true])
  const keys = (n: TestNode): string[] =>
    n
      .membership(manifest)
      .state.set.records()
      .map(r => r.key)
  expect(keys(b)).not.toEqual(keys(publisher))
  const mine = (n: TestNode): number =>
    n
      .membership(manifest)
      .state.set.records()
      .filter(r => peerIdOf(r.body.author) === b.peer && r.body.type === 'alignment').length
  expect([mine(b) > 0, mine(publisher)]).toEqual([true, 0])

  heal()
  await dial(b, publisher)
  await dial(b, a)
  for (let round = 0; round < 2; round++) await Promise.all(nodes.map(async n => await n.membership(manifest).sync()))
  expect(keys(a)).toEqual(keys(publisher))
  expect(keys(b)).toEqual(keys(publisher))
  // a merge made now would say that it is provisional: S_Y of the other side's scores is still to be fetched and judged
  for (const member of nodes.map(n => n.membership(manifest)))
    await whenState(member, () => member.state.unjudged() === 0)
  const cids = []
  for (const { node } of nodes) {
    const merged = await node.merge(invite, {})
    expect(merged).toMatchObject({ provisional: false, rows: IMAGES })
    cids.push(merged.mergedCid)
  }
  expect(new Set(cids).size, cids.join(' ')).toBe(1)
  expect((await publisher.node.verify(cids[0] as string)).checks.filter(c => !c.ok)).toEqual([])
})
