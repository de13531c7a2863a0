import { expect, test } from 'vitest'
import { dial, pictures, startNode, type TestNode } from '../../helpers/test-node.ts'

const SMALL = { partitions: 2, shared: 16, dimension: 16 }
const never = new AbortController().signal

const membersOf = (node: TestNode, manifest: string): string[] => node.membership(manifest).members().map(String)

test('connected peers of another swarm are no members: they are not listed, counted or waited for', async () => {
  const [publisher, member, stranger] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures(32), SMALL)
  const other = await stranger.publish(await pictures(40), SMALL)
  await dial(stranger, publisher)
  await member.node.status(invite)
  await member.membership(manifest).catchUp(10_000, never)
  await dial(stranger, member)
  // asks everybody who may be a member, and hears what they are
  for (const node of [publisher, member]) await node.membership(manifest).sync()

  expect(membersOf(publisher, manifest)).toEqual([member.peer])
  expect(membersOf(member, manifest)).toEqual([publisher.peer])
  expect(membersOf(stranger, other.manifest)).toEqual([])
  const seen = await publisher.node.peers()
  expect(seen.find(({ peer }) => peer === member.peer)?.swarms).toEqual([manifest])
  expect(seen.find(({ peer }) => peer === stranger.peer)).toMatchObject({ connected: true, swarms: [] })
  // nobody else is in the other swarm, so nobody is asked what they hold
  const { partitions } = stranger.membership(other.manifest).swarm.manifest
  const cids = partitions.map(({ cid }) => cid)
  expect(await stranger.membership(other.manifest).heldByOthers(cids, never)).toEqual(cids.map(() => false))

  // a stranger that joins is a member
  await stranger.node.status(invite)
  await stranger.membership(manifest).catchUp(10_000, never)
  expect(membersOf(publisher, manifest).sort()).toEqual([member.peer, stranger.peer].sort())
})
