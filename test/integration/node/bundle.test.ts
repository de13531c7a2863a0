import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetMetadata } from 'hyparquet'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import type { VerifyReport } from '../../../node/api/reports.ts'
import { heldBundle } from '../../../node/priors/bundle/fetch-bundle.ts'
import { storeBundle } from '../../../node/priors/bundle/bundle-files.ts'
import { openBundle } from '../../../node/priors/bundle/open-bundle.ts'
import { packBundle } from '../../../node/priors/bundle/pack-bundle.ts'
import { rerunGroups, rerunPrior } from '../../../node/verify/verify-rerun.ts'
import { directoryNode } from '../../../src/distribute/unixfs-directory.ts'
import type { Choice } from '../../../src/merge/views.ts'
import { honestOn, joinWith } from '../../helpers/own-prior.ts'
import {
  bundledPrior,
  dial,
  leftInSpool,
  openNode,
  PARTITIONS,
  pictures,
  startNode,
  temporaryFolder,
  type TestNode
} from '../../helpers/test-node.ts'

const signal = new AbortController().signal

async function pack(): Promise<{ folder: string; cid: CID }> {
  const folder = join(await temporaryFolder(), 'packed')
  const { cid } = await packBundle(bundledPrior('superclass2'), { out: folder, license: 'Apache-2.0' })
  return { folder, cid: CID.parse(cid) }
}

const failed = ({ checks }: VerifyReport): string[] =>
  checks.flatMap(({ name, ok, detail }) => (ok ? [] : [`${name}: ${detail}`]))

/** What the shard's own metadata says. */
async function trustOf(node: TestNode, { alignment }: Choice): Promise<string | undefined> {
  const { shard, bytes } = alignment.body
  const file = await node.runtime.content.read(shard, bytes, { signal })
  const metadata = parquetMetadata(Uint8Array.from(file).buffer).key_value_metadata ?? []
  return metadata.find(({ key }) => key === 'coopt.trust')?.value
}

async function fileOf(node: TestNode, root: string, path: string): Promise<string> {
  const out = join(await temporaryFolder(), 'dataset')
  await node.node.export(root, { out })
  return await readFile(join(out, path), 'utf8')
}

async function sharedIds(node: TestNode, manifest: string): Promise<Set<string>> {
  const { shared } = node.membership(manifest).swarm.manifest
  const ids = new Set<string>()
  for await (const { id } of node.runtime.content.samples(shared, 0, signal)) ids.add(id)
  return ids
}

test('a packed prior joins, its rows are reexecutable, others run it again from the merged dataset alone', async () => {
  const { folder, cid } = await pack()
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures())
  const { mergedCid } = await lab.join(invite, folder)
  if (mergedCid === undefined) throw new Error('not complete')

  const { state, swarm } = publisher.membership(manifest)
  const [score] = state.set.byType('score')
  expect(score?.body.prior).toMatchObject({ name: 'superclass2', license: 'Apache-2.0' })
  expect(score?.body.prior.bundle?.cid.equals(cid)).toBe(true)
  // the publisher keeps what others publish: the bundle too, before its author leaves
  expect(await heldBundle(cid, publisher.runtime.content)).toBeDefined()
  await lab.node.close()

  const chosen = publisher.membership(manifest).state.view().chosen.get(0)
  if (chosen === undefined) throw new Error('no shard')
  const { content } = publisher.runtime
  expect(await trustOf(publisher, chosen)).toBe('reexecutable')

  expect((await publisher.node.merge(invite, {})).mergedCid).toBe(mergedCid)
  expect(await fileOf(publisher, mergedCid, 'README.md')).toContain(`reexecutable: \`${cid}\``)
  expect(await fileOf(publisher, mergedCid, 'croissant.json')).toContain(
    `Targets of ${PARTITIONS} of ${PARTITIONS} partitions`
  )
  const out = join(await temporaryFolder(), 'merged')
  await publisher.node.merge(invite, { out })
  expect(await readdir(join(out, 'priors'))).toEqual([`${cid}`])
  const copy = await openBundle(join(out, 'priors', `${cid}`))
  await copy.prior.close()
  expect(copy.root.cid.equals(cid)).toBe(true)

  // garbage collection leaves it
  await publisher.node.gc({ dryRun: false })
  expect(await heldBundle(cid, content)).toBeDefined()

  // somebody with the dataset only
  const reader = await startNode()
  await dial(reader, publisher)
  await reader.node.pin(mergedCid, {})
  await reader.node.close()
  const offline = await openNode(reader.home, { network: false })
  const plain = await offline.node.verify(mergedCid)
  expect(failed(plain)).toEqual([])
  expect(plain.checks.some(({ name }) => name.startsWith('rerun'))).toBe(false)
  const report = await offline.node.verify(mergedCid, { rerun: 32 })
  expect(failed(report)).toEqual([])
  expect(report.checks.find(({ name }) => name === 'rerun of superclass2')?.detail).toMatch(
    // a merged dataset has no partitions: said, because another shard's images would do as well
    /^32 rows of ([1-4]) shards come out again, off by \d\.\de[+-]\d+ at most; \1 of the shards have no partition available to compare their images with; licence of the prior: Apache-2.0$/
  )
  expect(await leftInSpool(reader), 'no model is left behind').toEqual([])
  expect(swarm.manifest.partitions).toHaveLength(PARTITIONS)
})

test('a bundle is joined with by its CID, and the shards of a prior beside it stay claimed', async () => {
  const { folder, cid } = await pack()
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures(), { partitions: 2 })
  const opened = await openBundle(folder)
  await storeBundle(opened.files, publisher.runtime.content.put)
  await opened.prior.close()
  const claimed = publisher.join(invite, bundledPrior('vgg_small'), { maxPartitions: 1 })
  await publisher.until(event => event.type === 'partition' && event.state === 'started')
  const report = await lab.join(invite, `${cid}`)
  await claimed
  expect(report).toMatchObject({ prior: 'superclass2', complete: true })
  expect(lab.events).toContainEqual({
    type: 'log',
    level: 'info',
    message: 'prior "superclass2" is under the licence: Apache-2.0'
  })
  expect(await heldBundle(cid, lab.runtime.content)).toBeDefined()
  expect(await leftInSpool(lab)).toEqual([])
  const { chosen } = lab.membership(manifest).state.view()
  for (const choice of chosen.values()) {
    const isBundle = choice.score.body.prior.name === 'superclass2'
    expect(await trustOf(lab, choice)).toBe(isBundle ? 'reexecutable' : 'claimed')
  }
  expect(new Set([...chosen.values()].map(({ score }) => score.body.prior.name)).size).toBe(2)
  const verified = await lab.node.verify(report.mergedCid as string, { rerun: 8 })
  expect(failed(verified)).toEqual([])
  expect(verified.checks.find(({ name }) => name === 'rerun')?.detail).toContain('1 of 2 shards')

  // the right targets of images that are not those of the partition: here its neighbour's, as the manifest could have had it
  const { swarm, state, exact } = lab.membership(manifest)
  const [group] = rerunGroups(state.view().chosen.values())
  const { content, gemm, projector } = lab.runtime
  const partitions = swarm.manifest.partitions.toReversed()
  const reference = state.view().election.reference?.cid
  if (group === undefined || reference === undefined) throw new Error('nothing was chosen')
  const components = { content, exact, gemm, reference, signal: new AbortController().signal }
  const init = { rows: 8, limits: {}, projector, batchSize: 8, spool: join(lab.home, 'spool') }
  expect((await rerunPrior(group, { ...components, swarm }, init)).unmatched).toBe(0)
  const exchanged = { ...swarm, manifest: { ...swarm.manifest, partitions } }
  await expect(rerunPrior(group, { ...components, swarm: exchanged }, init)).rejects.toThrow(
    'is not that of the partition'
  )
})

test('a CID that is not a bundle, or a bundle that nobody serves, ends the join before anything is signed', async () => {
  const node = await startNode({ timing: { blockMs: 100, blockAttempts: 1 } })
  const { invite, manifest } = await node.publish(await pictures(40), { partitions: 1, shared: 16 })
  const { block } = directoryNode([])
  await expect(node.join(invite, `${block.cid}`)).rejects.toMatchObject({ name: 'ContentUnavailableError' })
  await node.runtime.content.put(block.cid, block.bytes)
  await expect(node.join(invite, `${block.cid}`)).rejects.toMatchObject({ name: 'InvalidPriorError' })
  expect(node.membership(manifest).state.set.size).toBe(0)
})

test('honest on the shared set, other images on the partitions: every check passes but the rerun', async () => {
  const { folder } = await pack()
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures())
  const opened = await openBundle(folder)
  await storeBundle(opened.files, publisher.runtime.content.put)
  const prior = honestOn(await sharedIds(publisher, manifest), opened.prior)
  const { done } = await joinWith(publisher, manifest, prior)
  await opened.prior.close()
  expect(done).toBe(true)
  const { mergedCid } = await publisher.node.merge(invite, {})
  expect(failed(await publisher.node.verify(mergedCid))).toEqual([])
  const report = await publisher.node.verify(mergedCid, { rerun: 320 })
  const faults = failed(report)
  expect(faults).toHaveLength(1)
  expect(faults[0]).toMatch(
    /^rerun of superclass2: data\/train-0000\d-of-00004.parquet: the target of row \d+ is not what prior/
  )
})
