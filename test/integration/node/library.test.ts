import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { expect, test } from 'vitest'
import { createCoOptNode, initHome, type ApiEvent } from '../../../node/index.ts'
import {
  bundledPrior,
  IMAGES,
  PARTITIONS,
  pictures,
  SHARED,
  startNode,
  temporaryFolder
} from '../../helpers/test-node.ts'

const LOOPBACK = {
  network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] },
  timing: { leaseMs: 3000, settleMs: 500, syncMs: 1000, discoveryMs: 2000, handoffMs: 20_000 }
}

test('a program publishes, joins, merges, verifies and closes with typed events', async () => {
  const events: ApiEvent[] = []
  const onEvent = (event: ApiEvent) => void events.push(event)
  const homes = [await temporaryFolder(), await temporaryFolder()] as const
  for (const home of homes) await initHome(home, LOOPBACK)
  const publisher = await createCoOptNode({ home: homes[0] })
  const participant = await createCoOptNode({ home: homes[1], onEvent })
  try {
    await expect(createCoOptNode({ home: homes[0] })).rejects.toMatchObject({ name: 'HomeLockedError' })

    const published = await publisher.publish(
      await pictures(),
      { name: 'library', partitions: PARTITIONS, shared: SHARED, dimension: 80, quorum: 0 },
      { onEvent }
    )
    expect(published).toMatchObject({ samples: IMAGES, partitions: PARTITIONS, shared: SHARED, dimension: 80 })
    expect(new Set(events.flatMap(e => (e.type === 'building' ? [e.step] : [])))).toEqual(
      new Set(['hash', 'partitions', 'shared', 'features'])
    )

    const joined = await participant.join(
      published.invite,
      { prior: bundledPrior('resnet20'), once: true, threads: 1, device: 'auto' },
      { onEvent }
    )
    expect(joined).toMatchObject({ complete: true, partitions: PARTITIONS, peer: participant.peer, prior: 'resnet20' })
    const told = events.flatMap(e => (e.type === 'log' ? [e.message] : [])).find(text => text.includes(' runs on '))
    expect(joined.device).toMatch(/^(cpu|cuda:0|coreml|dml:0)$/)
    expect(told).toContain(`prior "resnet20" runs on ${joined.device} (auto)`)
    const types = new Set(events.map(e => e.type))
    for (const type of [
      'scoring',
      'score',
      'election',
      'partition',
      'batch',
      'alignment',
      'published',
      'complete',
      'peer'
    ])
      expect(types, type).toContain(type)

    const out = join(await temporaryFolder(), 'dataset')
    const merged = await publisher.merge(published.invite, { out })
    expect(merged).toMatchObject({ mergedCid: joined.mergedCid, provisional: false, coverage: 1, rows: IMAGES, out })
    const file = await readFile(join(out, 'data', 'train-00000-of-00004.parquet'))
    const rows = await parquetReadObjects({
      file: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength)
    })
    expect(rows).toHaveLength(IMAGES / PARTITIONS)
    expect(rows[0]).toMatchObject({ target: { length: 80 } })

    const report = await publisher.verify(merged.mergedCid)
    expect(report.checks.filter(c => !c.ok)).toEqual([])
    expect(report.checks.find(c => c.name === 'targets')?.detail).toContain(
      `4 of 4 shards are in this store and have finite targets for ${IMAGES} rows; weights of 4 computed again, images of 4 compared with their partition, targets of 4`
    )

    const [swarm] = (await participant.status(published.invite)).swarms
    expect(swarm).toMatchObject({ role: 'participant', complete: true, mergedCid: merged.mergedCid })
    expect((await publisher.peers()).map(p => p.peer)).toContain(participant.peer)

    await Promise.all([publisher.close(), publisher.close()])
    await publisher.close()

    // what is on disk is enough for everything that asks nobody
    const offline = await createCoOptNode({ home: homes[0], network: false })
    try {
      expect(offline.addresses()).toEqual([])
      expect((await offline.status()).swarms[0]).toMatchObject({ role: 'publisher', complete: true })
      expect((await offline.merge(published.invite, {})).mergedCid).toBe(merged.mergedCid)
      expect(await offline.verify(merged.mergedCid)).toEqual(report)
      await expect(
        offline.verify('bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')
      ).resolves.toMatchObject({ ok: false, checks: [{ name: 'directory', ok: false }] })
    } finally {
      await offline.close()
    }
  } finally {
    await Promise.all([publisher.close(), participant.close()])
  }
})

test('two participants divide the work, and their nodes and the publisher come to one CID', async () => {
  const [publisher, a, b] = await Promise.all([startNode(), startNode(), startNode()])
  const { invite, manifest } = await publisher.publish(await pictures())
  const reports = await Promise.all([
    a.join(invite, bundledPrior('resnet20')),
    b.join(invite, bundledPrior('superclass2'))
  ])
  expect(reports.every(r => r.complete)).toBe(true)
  const cids = []
  for (const { node } of [publisher, a, b]) cids.push((await node.merge(invite, {})).mergedCid)
  expect(new Set(cids).size, cids.join()).toBe(1)
  expect(publisher.membership(manifest).state.view().complete).toBe(true)
})
