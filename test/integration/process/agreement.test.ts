import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  joinReportSchema,
  mergeReportSchema,
  peerReportSchema,
  statusReportSchema,
  verifyReportSchema,
  type JoinReport,
  type MergeReport,
  type PublishReport
} from '../../../node/api/reports.ts'
import { z } from 'zod'
import { createProcessNodes, type ProcessNode, type ProcessNodes } from '../../helpers/process-node.ts'
import { IMAGES, makeImages, priorPath, publishSwarm, type BundledPrior } from '../../helpers/sample-swarm.ts'

const PARTITIONS = 6
const PRIORS = ['superclass2', 'vgg_small', 'resnet20'] as const

let nodes: ProcessNodes
let publisher: string
let daemon: ProcessNode
let published: PublishReport
const homes = new Map<string, string>()
const joined = new Map<string, JoinReport>()

const join = async (prior: BundledPrior): Promise<JoinReport> => {
  const home = await nodes.home(prior)
  homes.set(prior, home.path)
  const report = await nodes.run(
    home.path,
    joinReportSchema,
    'join',
    published.invite,
    '--prior',
    priorPath(prior),
    '--once',
    '--threads',
    '1'
  )
  joined.set(prior, report)
  return report
}
const merge = async (home: string, ...options: string[]): Promise<MergeReport> =>
  await nodes.run(home, mergeReportSchema, 'merge', published.invite, ...options)

describe('a publisher and three participants, each a process', () => {
  beforeAll(async () => {
    nodes = await createProcessNodes()
    const images = await makeImages(`${nodes.root}/images`)
    publisher = (await nodes.home('publisher')).path
    daemon = await nodes.up(publisher)
    published = await publishSwarm(nodes, publisher, images, { partitions: PARTITIONS })
  })
  afterAll(async () => await nodes[Symbol.asyncDispose]())

  it('reach one merged CID', async () => {
    const reports = await Promise.all(PRIORS.map(join))
    for (const report of reports) expect(report).toMatchObject({ manifest: published.manifest, complete: true })
    const merged = await Promise.all([publisher, ...homes.values()].map(async home => await merge(home)))
    expect(new Set(merged.map(m => m.mergedCid)).size).toBe(1)
    for (const report of merged) {
      expect(report).toMatchObject({ provisional: false, coverage: 1, rows: IMAGES })
      expect(report.reference).toMatchObject({ prior: 'resnet20' })
      expect(report.peers.map(p => p.prior).sort()).toEqual([...PRIORS].sort())
      expect(report.peers.every(p => p.eligible === true)).toBe(true)
      expect(report.peers.reduce((sum, p) => sum + p.partitions, 0)).toBe(PARTITIONS)
    }
  })

  it('verify what they merged, each from its own home', async () => {
    for (const home of [publisher, homes.get('superclass2') ?? '']) {
      const { mergedCid } = await merge(home)
      const { ok, checks } = await nodes.run(home, verifyReportSchema, 'verify', mergedCid)
      expect(
        checks.filter(c => !c.ok),
        'failed checks'
      ).toEqual([])
      expect(ok).toBe(true)
    }
  })

  it('give the same merged CID to one who has nothing but the invite', async () => {
    const { path } = await nodes.home('visitor')
    const expected = await merge(publisher)
    const out = `${nodes.root}/dataset`
    const visitor = await merge(path, '--out', out)
    expect(visitor).toMatchObject({ mergedCid: expected.mergedCid, rows: IMAGES, provisional: false, out })
  })

  it('give the same merged CID to a participant who comes when all is done', async () => {
    const late = await join('simclr_conv')
    expect(late).toMatchObject({ complete: true, partitions: 0 })
    const [mine, theirs] = [await merge(homes.get('simclr_conv') ?? ''), await merge(publisher)]
    expect(mine.mergedCid).toBe(theirs.mergedCid)
    expect(late.mergedCid).toBe(theirs.mergedCid)
    expect(mine.reference).toMatchObject({ prior: 'resnet20' })
    expect((await merge(homes.get('resnet20') ?? '')).mergedCid, 'one who was gone meanwhile').toBe(theirs.mergedCid)
  })

  it('answer status and merge through the daemon as without it', async () => {
    const peers = z.object({ peers: z.array(peerReportSchema) })
    const online = {
      status: await nodes.run(publisher, statusReportSchema, 'status'),
      merge: await merge(publisher),
      peers: await nodes.run(publisher, peers, 'peers')
    }
    expect(online.status.addresses).toHaveLength(1)
    expect(online.status.swarms[0]).toMatchObject({ role: 'publisher', complete: true })
    daemon.kill('SIGINT')
    expect(await daemon.ended).toMatchObject({ code: 0, signal: null })
    const offline = {
      status: await nodes.run(publisher, statusReportSchema, 'status'),
      merge: await merge(publisher, '--offline'),
      peers: await nodes.run(publisher, peers, 'peers')
    }
    // with a network the invite tells the port it got, and others can be asked what they hold; without one it is the configured port
    expect(online.status.swarms[0]?.shards).toHaveLength(online.status.swarms[0]?.partitions.total ?? 0)
    const lasting = ({ peer, swarms }: typeof online.status) => ({
      peer,
      swarms: swarms.map(s => ({ ...s, invite: '', shards: undefined }))
    })
    expect(lasting(offline.status)).toEqual(lasting(online.status))
    expect(offline.merge).toEqual(online.merge)
    expect(online.peers.peers.every(p => p.connected || p.addresses.length > 0)).toBe(true)
    expect(offline.peers).toEqual({ peers: [] })
  })
})
