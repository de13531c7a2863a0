import { randomBytes } from 'node:crypto'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { shardName } from '../../../src/merge/shard-name.ts'
import { bundledPrior, IMAGES, PARTITIONS, pictures, startNode, temporaryFolder } from '../../helpers/test-node.ts'

test('a swarm with a list takes records of those on it only', async () => {
  const [publisher, invited, other] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures(), { allow: [invited.peer], partitions: 1 })
  await expect(other.join(invite, bundledPrior('superclass2'))).rejects.toMatchObject({
    name: 'InvalidInputError',
    message: expect.stringContaining(other.peer) as string
  })
  const report = await invited.join(invite, bundledPrior('superclass2'))
  expect(report).toMatchObject({ complete: true, partitions: 1 })
  const authors = (await publisher.node.status(invite)).swarms[0]?.peers.map(p => p.peer)
  expect(authors).toEqual([invited.peer])

  // a record that it signs in spite of that is refused by everybody, and costs its sender its standing
  const stubborn = other.membership(manifest)
  await stubborn.state.publish({
    type: 'score',
    prior: { id: rawCid(Uint8Array.of(1)), kind: 'onnx', name: 'other', dimension: 64 },
    targets: rawCid(Uint8Array.of(2)),
    present: stubborn.swarm.manifest.shared.rows,
    uniformValue: -1
  })
  await stubborn.sync()
  await stubborn.sync()
  expect(
    publisher
      .membership(manifest)
      .state.set.byType('score')
      .map(s => s.body.prior.name)
  ).toEqual(['superclass2'])
  expect(publisher.network.conduct.score(other.peer)).toBeLessThan(0)
})

test('a pre-shared key separates those who hold it from those who do not', async () => {
  const folder = await temporaryFolder()
  const keyFile = async (name: string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, `/key/swarm/psk/1.0.0/\n/base16/\n${randomBytes(32).toString('hex')}\n`)
    return path
  }
  const [ours, theirs] = [await keyFile('ours'), await keyFile('theirs')]
  const node = async (swarmKey?: string) => await startNode(swarmKey === undefined ? {} : { network: { swarmKey } })
  const [publisher, friend, stranger, open] = await Promise.all([node(ours), node(ours), node(theirs), node()])
  const { invite } = await publisher.publish(await pictures(40), { partitions: 2, shared: 16 })
  const status = await friend.node.status(invite)
  expect(status.swarms[0]?.partitions.total).toBe(2)
  for (const outsider of [stranger, open]) {
    await expect(outsider.node.status(invite)).rejects.toMatchObject({ name: 'ContentUnavailableError' })
    expect(outsider.network.libp2p.getPeers()).toEqual([])
  }
})

test('two nodes publish the same partitions at once: harmless, and one CID; the files written are the blocks', async () => {
  const [publisher, a, b] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures())
  // neither hears of the other's leases or results: both do everything
  const quiet = await Promise.all(
    [a, b].map(async n => {
      await n.node.status(invite)
      const membership = n.membership(manifest)
      const observe = membership.leases.observe
      membership.leases.observe = () => {}
      return () => {
        membership.leases.observe = observe
      }
    })
  )
  const reports = await Promise.all([a, b].map(async n => await n.join(invite, bundledPrior('superclass2'))))
  for (const speak of quiet) speak()
  expect(reports.map(r => r.complete)).toEqual([true, true])
  const nodes = [publisher, a, b]
  const total = (): number[] => nodes.map(n => n.membership(manifest).state.set.size)
  for (let round = 0; round < 2; round++) await Promise.all(nodes.map(async n => await n.membership(manifest).sync()))
  expect(new Set(total()).size).toBe(1)
  const { state } = publisher.membership(manifest)
  expect(state.set.equivocators().size).toBe(0)
  const merges = []
  for (const { node } of nodes) merges.push(await node.merge(invite, {}))
  expect(new Set(merges.map(m => m.mergedCid)).size).toBe(1)
  expect(merges[0]).toMatchObject({ rows: IMAGES, provisional: false })

  const out = join(await temporaryFolder(), 'dataset')
  const { signal } = new AbortController()
  expect((await publisher.node.merge(invite, { out })).out).toBe(out)
  expect((await readdir(join(out, 'data'))).length).toBe(PARTITIONS)
  for (const { partition, alignment } of state.view().chosen.values()) {
    const { shard, bytes } = alignment.body
    const blocks = await publisher.runtime.content.read(shard, bytes, { signal })
    const file = await readFile(join(out, 'data', shardName(partition, PARTITIONS)))
    expect(Buffer.compare(file, blocks), `partition ${partition}`).toBe(0)
  }
  await expect(publisher.node.merge(invite, { out }), 'files are never overwritten').rejects.toMatchObject({
    name: 'InvalidInputError'
  })
})
