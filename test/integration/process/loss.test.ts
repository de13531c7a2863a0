/** Members that go and never come back, the publisher among them. */
import { access } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { joinReportSchema, mergeReportSchema, verifyReportSchema } from '../../../node/api/reports.ts'
import { homeAt } from '../../../node/home/home.ts'
import { blockFileOf } from '../../../node/store/block-files.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import {
  createProcessNodes,
  isComplete,
  isPublished,
  loggedRecords,
  recordsOf,
  type ProcessNode,
  type ProcessNodes
} from '../../helpers/process-node.ts'
import { resultOf } from '../../../scripts/coopt-process.ts'
import { IMAGES, makeImages, priorPath, publishSwarm, type BundledPrior } from '../../helpers/sample-swarm.ts'

let nodes: ProcessNodes
let images: string
let publisher: string
let daemon: ProcessNode

const start = (home: string, invite: string, prior: BundledPrior, ...more: string[]): ProcessNode =>
  nodes.start(home, ['join', invite, '--prior', priorPath(prior), '--threads', '1', ...more])

const rawOf = ({ body }: SignedRecord) => (body.type === 'result' ? [body.raw] : [])

describe('when members are lost', () => {
  beforeAll(async () => {
    nodes = await createProcessNodes()
    images = await makeImages(`${nodes.root}/images`)
    publisher = (await nodes.home('publisher')).path
    daemon = await nodes.up(publisher)
  })
  afterAll(async () => await nodes[Symbol.asyncDispose]())

  it('another takes over the partition of one killed for good, and its finished targets are used', async () => {
    const partitions = 8
    const { invite, manifest } = await publishSwarm(nodes, publisher, images, { partitions })
    // it never comes to aligning what it has made: this is left to the other one
    const lost = await nodes.home('lost', { batchSize: 4, timing: { settleMs: 600_000 } })
    const heir = await nodes.home('heir', { batchSize: 4 })
    const victim = start(lost.path, invite, 'resnet20', '--once')
    const other = start(heir.path, invite, 'vgg_small', '--once')

    await victim.until(isPublished('result'))
    const made = recordsOf(await loggedRecords(lost.path, manifest), lost.peer).flatMap(rawOf)
    // the publisher fetches targets as it hears of them
    await vi.waitFor(
      async () => {
        for (const raw of made) await access(blockFileOf(homeAt(publisher).blocks, raw)?.path ?? '')
      },
      { timeout: 20_000, interval: 20 }
    )
    await victim.until(e => e.type === 'batch' && e.done < e.rows, victim.events.length)
    victim.kill('SIGKILL')
    await victim.ended
    const last = victim.events.findLast(e => e.type === 'partition')
    const inFlight = last?.type === 'partition' ? last.partition : -1
    const before = other.events.length

    const report = joinReportSchema.parse(resultOf(await other.ended, 'coopt'))
    expect(report).toMatchObject({ complete: true })
    const started = other.events.map(e => (e.type === 'partition' && e.state === 'started' ? e.partition : -1))
    expect(started.slice(before), 'taken over').toContain(inFlight)
    expect(started.slice(0, before), 'respected while it lived').not.toContain(inFlight)

    const merged = await nodes.run(publisher, mergeReportSchema, 'merge', invite)
    expect(merged).toMatchObject({ mergedCid: report.mergedCid, rows: IMAGES, provisional: false })
    const share = merged.peers.find(p => p.peer === lost.peer)?.partitions ?? 0
    expect(share, 'partitions of the lost one').toBeGreaterThanOrEqual(made.length)
    const records = await loggedRecords(heir.path, manifest)
    const results = new Map(records.map(r => [r.key, r]))
    const adopted = records.filter(({ body }) => {
      if (body.type !== 'alignment' || peerIdOf(body.author) !== heir.peer) return false
      const result = results.get(body.result.toString())
      return result !== undefined && peerIdOf(result.body.author) === lost.peer
    })
    expect(adopted).toHaveLength(share)
    const verified = await nodes.run(heir.path, verifyReportSchema, 'verify', merged.mergedCid)
    expect(verified).toMatchObject({ ok: true })
  })

  it('the others finish and agree without the publisher, once they have its partitions', async () => {
    const { invite, manifest } = await publishSwarm(nodes, publisher, images, { name: 'orphan', partitions: 2 })
    // aligned well after the publisher is gone
    const config = { timing: { settleMs: 3000 }, replicate: 'always' } as const
    const [weak, strong] = [await nodes.home('weak', config), await nodes.home('strong', config)]
    const one = start(weak.path, invite, 'superclass2')
    const two = start(strong.path, invite, 'vgg_small', '--max-partitions', '1')
    await Promise.all([
      one.until(e => e.type === 'peer' && e.connected && e.peer === strong.peer),
      two.until(e => e.type === 'peer' && e.connected && e.peer === weak.peer)
    ])
    // each partition has been read by one of them
    const optimized = () =>
      [one, two].flatMap(n =>
        n.events.flatMap(e => (e.type === 'published' && e.kind === 'result' ? [e.partition] : []))
      )
    await vi.waitFor(() => expect(new Set(optimized()).size).toBe(2), { timeout: 30_000, interval: 20 })
    daemon.kill('SIGKILL')
    await daemon.ended
    expect(one.events.filter(isComplete), 'the publisher was lost before the end').toEqual([])

    await Promise.all([one.until(isComplete), two.until(isComplete), two.until(isPublished('alignment'))])
    const merged = []
    for (const { path } of [weak, strong]) merged.push(await nodes.run(path, mergeReportSchema, 'merge', invite))
    expect(merged[0]).toMatchObject({ rows: IMAGES, provisional: false, reference: { prior: 'vgg_small' } })
    expect(merged[1]?.mergedCid).toBe(merged[0]?.mergedCid)
    const [mine, theirs] = await Promise.all([weak, strong].map(async h => await loggedRecords(h.path, manifest)))
    expect(mine?.map(r => r.key).sort()).toEqual(theirs?.map(r => r.key).sort())
    for (const node of [one, two]) {
      node.kill('SIGINT')
      expect(await node.ended).toMatchObject({ code: 0, signal: null })
    }
  })
})
