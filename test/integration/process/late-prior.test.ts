import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  joinReportSchema,
  mergeReportSchema,
  verifyReportSchema,
  type MergeReport,
  type PublishReport
} from '../../../node/api/reports.ts'
import {
  createProcessNodes,
  isComplete,
  isPublished,
  loggedRecords,
  type ProcessNode,
  type ProcessNodes
} from '../../helpers/process-node.ts'
import { resultOf } from '../../../scripts/coopt-process.ts'
import { IMAGES, makeImages, priorPath, publishSwarm, type BundledPrior } from '../../helpers/sample-swarm.ts'

const PARTITIONS = 4

let nodes: ProcessNodes
let publisher: string
let published: PublishReport

const start = (home: string, prior: BundledPrior, ...more: string[]): ProcessNode =>
  nodes.start(home, ['join', published.invite, '--prior', priorPath(prior), '--threads', '1', ...more])
const partitionsBy = ({ peers }: MergeReport): Record<string, number> =>
  Object.fromEntries(peers.map(({ prior, partitions }) => [prior, partitions]))
const merge = async (home: string) => await nodes.run(home, mergeReportSchema, 'merge', published.invite)

describe('a better prior that joins late', () => {
  beforeAll(async () => {
    nodes = await createProcessNodes()
    const images = await makeImages(`${nodes.root}/images`)
    publisher = (await nodes.home('publisher')).path
    await nodes.up(publisher)
    published = await publishSwarm(nodes, publisher, images, { partitions: PARTITIONS })
  })
  afterAll(async () => await nodes[Symbol.asyncDispose]())

  it('becomes the reference and takes over clearly weaker work; the rest is aligned again without being computed again', async () => {
    const strong = (await nodes.home('strong')).path
    const weak = (await nodes.home('weak')).path
    // one partition: a strong prior with time would take over those of the weak one itself
    const staying = [start(strong, 'vgg_small', '--max-partitions', '1'), start(weak, 'superclass2')]
    await Promise.all([...staying.map(n => n.until(isComplete)), staying[0]?.until(isPublished('alignment'))])
    const before = await merge(publisher)
    expect(before).toMatchObject({ provisional: false, reference: { prior: 'vgg_small' } })
    expect((await merge(weak)).mergedCid).toBe(before.mergedCid)
    const known = await loggedRecords(publisher, published.manifest)
    const seen = staying.map(({ events }) => events.length)

    const late = (await nodes.home('late')).path
    const report = joinReportSchema.parse(resultOf(await start(late, 'resnet20', '--once').ended, 'coopt'))
    expect(report).toMatchObject({
      complete: true,
      partitions: PARTITIONS - 1,
      mayChange: { scoring: [], improving: [], weaker: 0, unjudged: 0 }
    })

    const after = []
    for (const home of [publisher, strong, weak, late]) after.push(await merge(home))
    expect(new Set(after.map(m => m.mergedCid))).toEqual(new Set([report.mergedCid]))
    expect(report.mergedCid).not.toBe(before.mergedCid)
    for (const merged of after) {
      expect(merged).toMatchObject({ provisional: false, rows: IMAGES, reference: { prior: 'resnet20' } })
      expect(partitionsBy(merged)).toEqual({ resnet20: PARTITIONS - 1, vgg_small: 1, superclass2: 0 })
    }
    for (const [i, { events }] of staying.entries()) {
      const since = events.slice(seen[i])
      expect(since.filter(e => e.type === 'batch' || e.type === 'scoring')).toEqual([])
      expect(since.filter(e => e.type === 'partition' && e.state === 'started')).toEqual([])
    }
    const again = staying[0]?.events.slice(seen[0]) ?? []
    expect(again.filter(isPublished('alignment')).length, 'aligned again').toBeGreaterThan(0)
    const fresh = (await loggedRecords(publisher, published.manifest)).filter(r => known.every(k => k.key !== r.key))
    const types = fresh.map(r => r.body.type)
    expect(types.filter(t => t === 'score')).toHaveLength(1)
    expect(types.filter(t => t === 'result')).toHaveLength(PARTITIONS - 1)
    expect(types.filter(t => t === 'alignment').length).toBeGreaterThanOrEqual(PARTITIONS)
    const verified = await nodes.run(late, verifyReportSchema, 'verify', report.mergedCid ?? '')
    expect(verified).toMatchObject({ ok: true })

    for (const node of staying) {
      node.kill('SIGINT')
      expect(await node.ended).toMatchObject({ code: 0, signal: null })
    }
  })

  it('does what weaker priors did, whoever is faster, when all leave at the end; all leave with one CID', async () => {
    const images = await makeImages(`${nodes.root}/other-images`)
    const { invite } = await publishSwarm(nodes, publisher, images, { name: 'together', partitions: PARTITIONS })
    const join = (home: string, prior: BundledPrior): ProcessNode =>
      nodes.start(home, ['join', invite, '--prior', priorPath(prior), '--threads', '1', '--once'])
    const strong = [(await nodes.home('strong-1')).path, (await nodes.home('strong-2')).path]
    const late = [join(strong[0] ?? '', 'resnet20'), join(strong[1] ?? '', 'vgg_small')]
    await Promise.all(late.map(async node => await node.until(event => event.type === 'scoring')))
    const weak = (await nodes.home('weak-fast')).path
    const all = [...late, join(weak, 'superclass2')]
    const reports = await Promise.all(
      all.map(async ({ ended }) => joinReportSchema.parse(resultOf(await ended, 'coopt join')))
    )
    const merged = []
    for (const home of [publisher, weak, ...strong])
      merged.push(await nodes.run(home, mergeReportSchema, 'merge', invite))
    expect(new Set([...reports, ...merged].map(({ mergedCid }) => mergedCid)).size).toBe(1)
    const [first] = merged
    if (first === undefined) throw new Error('nobody merged')
    const by = partitionsBy(first)
    expect(by.superclass2).toBe(0)
    expect((by.resnet20 ?? 0) + (by.vgg_small ?? 0)).toBe(PARTITIONS)
    for (const { mayChange } of reports) expect(mayChange).toMatchObject({ weaker: 0, unjudged: 0 })
  })
})
