import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CarReader } from '@ipld/car'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import tar from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'
import { createCoOptNode } from '../../../node/index.ts'
import { imageKind } from '../../../src/distribute/image-kind.ts'
import { rowWeights } from '../../../src/align/row-weight.ts'
import { decodeMatrix } from '../../../src/bytes.ts'
import { pbCid, rawCid } from '../../../src/codec.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { collect } from '../../helpers/collect.ts'
import {
  bundledPrior,
  IMAGES,
  openNode,
  PARTITIONS,
  pictures,
  SHARED,
  startNode,
  temporaryFolder
} from '../../helpers/test-node.ts'
import { gatewayOn } from '../../node/gateway/fixtures.ts'

const run = promisify(execFile)

/** A slice of a Buffer is no copy, as that of other arrays is. */
const matrixOf = (bytes: Buffer, rows: number, columns: number): Matrix32 =>
  decodeMatrix(Uint8Array.from(bytes), rows, columns)

test('a finished round is served, exported, and carried to a home without network', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures())
  const early = (await publisher.node.merge(invite, {})).mergedCid
  await publisher.join(invite, bundledPrior('resnet20'))
  const { mergedCid } = await publisher.node.merge(invite, {})
  const folder = await temporaryFolder()
  const { content, swarms } = publisher.runtime

  // --- served
  const gateway = await gatewayOn({ content, memberships: () => swarms.all(), hasNetwork: true })
  onTestFinished(async () => await gateway.close())
  const curl = async (...args: string[]) => (await run('curl', ['-sS', '--max-time', '20', ...args])).stdout
  const url = `${gateway.url}/ipfs/${mergedCid}`
  const shard = 'data/train-00000-of-00004.parquet'
  const status = async (path: string, ...args: string[]) =>
    Number(await curl('-o', '/dev/null', '-w', '%{http_code}', ...args, `${gateway.url}${path}`))

  const listing = JSON.parse(await curl('-H', 'Accept: application/json', url)) as {
    entries: Array<{ name: string; cid: string; type: string; bytes: number }>
  }
  expect(listing.entries.map(({ name, type }) => [name, type])).toEqual(
    expect.arrayContaining([
      ['data', 'directory'],
      ['evidence', 'directory'],
      ['README.md', 'file'],
      ['manifest.cbor', 'file'],
      ['records.car', 'file']
    ])
  )
  expect(await curl(`${url}/`)).toContain('Index of /ipfs/')
  expect(await curl('-r', '0-3', `${url}/${shard}`)).toBe('PAR1')
  expect(await curl('-r', '-4', `${url}/${shard}`)).toBe('PAR1')
  // every kind of content of the swarm by its own CID, and blocks below files
  const { state, swarm } = publisher.membership(manifest)
  const [score] = state.set.byType('score')
  const [result] = state.set.byType('result')
  const [alignment] = state.set.byType('alignment')
  const { leaves } = await content.leaves(swarm.manifest.partitions[0]!.cid, 2 ** 30, {
    signal: AbortSignal.timeout(5000)
  })
  const readme = listing.entries.find(({ name }) => name === 'README.md')?.cid
  for (const cid of [
    swarm.id,
    swarm.manifest.shared.cid,
    swarm.manifest.referenceFeatures.cid,
    score?.body.targets,
    result?.body.raw,
    alignment?.body.shard,
    leaves[0]?.cid,
    readme,
    mergedCid
  ])
    expect(await status(`/ipfs/${cid}?format=raw`), `${cid}`).toBe(200)

  // what lies in the store but belongs to no swarm is not served, unless that was asked for
  const foreign = new TextEncoder().encode('private notes')
  await content.put(rawCid(foreign), foreign)
  expect(await status(`/ipfs/${rawCid(foreign)}`)).toBe(404)
  const open = await gatewayOn({ content, memberships: () => swarms.all(), hasNetwork: true }, { any: true })
  expect(await curl(`${open.url}/ipfs/${rawCid(foreign)}`)).toBe('private notes')
  await open.close()

  // a directory merged earlier is; one that only looks like it and links something else is not
  expect(await status(`/ipfs/${early}/manifest.cbor`)).toBe(200)
  const directory = (links: Array<[string, CID]>) => {
    const Links = links.map(([Name, Hash]) => ({ Name, Hash, Tsize: 0 }))
    const bytes = dagPb.encode({ Data: new UnixFS({ type: 'directory' }).marshal(), Links })
    return { cid: pbCid(bytes), bytes }
  }
  const bait = directory([['secret', rawCid(foreign)]])
  const signed = CID.parse(listing.entries.find(({ name }) => name === 'manifest.cbor')?.cid ?? '')
  const trap = directory([
    ['data', bait.cid],
    ['manifest.cbor', signed]
  ])
  for (const { cid, bytes } of [bait, trap]) await content.put(cid, bytes)
  expect(await status(`/ipfs/${trap.cid}/data/secret`)).toBe(404)
  // nor is one that adds something to the whole dataset
  const top = await content.block(CID.parse(mergedCid), { signal: AbortSignal.timeout(5000) })
  const honest = dagPb.decode(top).Links.map(({ Name = '', Hash }): [string, CID] => [Name, Hash])
  const extended = directory([...honest, ['zzz', rawCid(foreign)]])
  await content.put(extended.cid, extended.bytes)
  expect(await status(`/ipfs/${extended.cid}/zzz`)).toBe(404)

  // --- exported
  const out = join(folder, 'files')
  const car = join(folder, 'round.car')
  const events: string[] = []
  const report = await publisher.node.export(
    mergedCid,
    { out, car, webdataset: join(folder, 'tars'), npy: join(folder, 'targets.npy') },
    { onEvent: event => event.type === 'exporting' && events.push(event.step) }
  )
  expect(report).toMatchObject({ cid: mergedCid, rows: IMAGES, withoutTarget: 0 })
  expect(new Set(events)).toEqual(new Set(['files', 'webdataset', 'npy']))
  expect(await readFile(join(out, shard), 'latin1')).toBe(
    Buffer.from(await (await fetch(`${url}/${shard}`)).arrayBuffer()).toString('latin1')
  )
  // the CAR of the gateway is the same file, and other implementations read it
  const carBytes = await readFile(car)
  expect(Buffer.from(await (await fetch(`${url}?format=car`)).arrayBuffer()).equals(carBytes)).toBe(true)
  const reader = await CarReader.fromBytes(carBytes)
  expect((await reader.getRoots()).map(String)).toEqual([mergedCid])

  const npy = await readFile(join(folder, 'targets.npy'))
  const ids = (await readFile(join(folder, 'targets.npy.ids.txt'), 'utf8')).trimEnd().split('\n')
  expect(npy.subarray(0, 128).toString('latin1')).toContain(`'shape': (${IMAGES}, 80)`)
  expect(npy.byteLength).toBe(128 + IMAGES * 80 * 4)
  const weights = await readFile(join(folder, 'targets.npy.weights.npy'))
  expect(weights.subarray(0, 128).toString('latin1')).toContain(`'shape': (${IMAGES},)`)
  const reference = matrixOf(await readFile(join(out, 'evidence', 'reference.f32')), SHARED, 80)
  const targets = matrixOf(npy.subarray(128), IMAGES, 80)
  expect(matrixOf(weights.subarray(128), IMAGES, 1).data).toEqual(rowWeights(targets, reference))
  const tars = await readdir(join(folder, 'tars'))
  expect(tars).toHaveLength(PARTITIONS)
  let rows = 0
  for (const name of tars.sort()) {
    const entries = new Map<string, Buffer>()
    const extract = tar.extract()
    extract.end(await readFile(join(folder, 'tars', name)))
    for await (const entry of extract)
      entries.set(entry.header.name, Buffer.concat(await collect(entry as AsyncIterable<Uint8Array>)))
    for (const [file, bytes] of entries) {
      const [key, extension] = file.split('.')
      if (extension !== 'npy' && extension !== 'json') {
        expect(extension).toBe(imageKind(bytes))
        expect(rawCid(bytes).toString()).toBe(key)
        expect(key).toBe(ids[rows])
        const target = entries.get(`${key}.npy`)?.subarray(128)
        expect(target?.equals(npy.subarray(128 + rows * 320, 128 + (rows + 1) * 320)), file).toBe(true)
        expect(JSON.parse(String(entries.get(`${key}.json`)))).toEqual({
          weight: weights.readFloatLE(128 + rows * 4)
        })
        rows++
      }
    }
  }
  expect(rows).toBe(IMAGES)

  // nothing is overwritten, nothing is left of what could not be finished
  await expect(publisher.node.export(mergedCid, { car })).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(publisher.node.export(mergedCid, { out })).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(publisher.node.export(mergedCid, {})).rejects.toMatchObject({ name: 'InvalidInputError' })
  const missing = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
  const never = join(folder, 'never.car')
  const offline = await openNode(await startNode().then(async n => (await n.node.close(), n.home)), { network: false })
  await expect(offline.node.export(missing, { car: never })).rejects.toMatchObject({ name: 'ContentUnavailableError' })
  await expect(stat(never)).rejects.toMatchObject({ code: 'ENOENT' })

  // --- carried
  await publisher.node.close()
  const taken = await offline.node.import(car)
  expect(taken.roots).toEqual([mergedCid])
  expect(taken.rounds).toEqual([
    { root: mergedCid, manifest, name: 'test', records: expect.any(Number) as number, mergedCid, missing: 0 }
  ])
  expect(await offline.node.import(car)).toEqual(taken)
  expect((await offline.node.merge(manifest, {})).mergedCid).toBe(mergedCid)
  const verified = await offline.node.verify(mergedCid)
  expect(verified.checks.filter(check => !check.ok)).toEqual([])
  expect((await offline.node.status(manifest)).swarms[0]).toMatchObject({ complete: true, role: 'observer', mergedCid })

  // it is there after a restart, and goes on from hand to hand
  await offline.node.close()
  const again = await createCoOptNode({ home: offline.home, network: false })
  onTestFinished(async () => await again.close())
  expect((await again.merge(manifest, {})).mergedCid).toBe(mergedCid)
  const second = join(folder, 'second.car')
  await again.export(mergedCid, { car: second })
  expect((await readFile(second)).equals(carBytes)).toBe(true)

  // a cut or altered file is refused
  await writeFile(join(folder, 'cut.car'), carBytes.subarray(0, -10))
  await expect(again.import(join(folder, 'cut.car'))).rejects.toThrow(/cut off/)
  const altered = Buffer.from(carBytes)
  altered[altered.byteLength - 1]! ^= 1
  await writeFile(join(folder, 'altered.car'), altered)
  await expect(again.import(join(folder, 'altered.car'))).rejects.toMatchObject({ name: 'InvalidContentError' })
  await mkdir(join(folder, 'dir.car'))
  await expect(again.import(join(folder, 'dir.car'))).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(again.import(join(folder, 'none.car'))).rejects.toMatchObject({ name: 'InvalidInputError' })
})
