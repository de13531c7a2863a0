import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { joinReportSchema, statusReportSchema, type PublishReport } from '../../../node/api/reports.ts'
import { EXIT } from '../../../node/api/exit-codes.ts'
import { createProcessNodes, loggedRecords, recordsOf, type ProcessNodes } from '../../helpers/process-node.ts'
import { IMAGES, makeImages, priorPath, publishSwarm, SHARED } from '../../helpers/sample-swarm.ts'

let nodes: ProcessNodes
let published: PublishReport

const args = () => ['join', published.invite, '--prior', priorPath('resnet20'), '--once', '--threads', '1']
const unfinished = { code: EXIT.interrupted.code, signal: null, last: { complete: false } }

describe('Ctrl-C', () => {
  beforeAll(async () => {
    nodes = await createProcessNodes()
    const images = await makeImages(`${nodes.root}/images`)
    const publisher = (await nodes.home('publisher')).path
    await nodes.up(publisher)
    published = await publishSwarm(nodes, publisher, images, { partitions: 1 })
  })
  afterAll(async () => await nodes[Symbol.asyncDispose]())

  it('pressed twice stops in the middle of a batch', async () => {
    // one batch is the whole partition: seconds of inference
    const { path } = await nodes.home('hasty', { batchSize: IMAGES })
    const hasty = nodes.start(path, args())
    await hasty.until(e => e.type === 'score')
    await hasty.until(e => e.type === 'partition' && e.state === 'started')
    hasty.kill('SIGINT')
    await hasty.untilSaid('again to stop at once')
    hasty.kill('SIGINT')
    expect(await hasty.ended).toMatchObject({ code: EXIT.interrupted.code, signal: null })
    expect(hasty.events.filter(e => e.type === 'batch')).toEqual([])
  })

  it('ends a join that the daemon runs, not the daemon; a second daemon is told who has the home', async () => {
    const { path } = await nodes.home('served')
    const daemon = await nodes.up(path)
    const client = nodes.start(path, args())
    await client.until(e => e.type === 'scoring')
    client.kill('SIGINT')
    expect(await client.ended).toMatchObject({ code: EXIT.interrupted.code, signal: null })

    const second = await nodes.start(path, ['up']).ended
    expect(second).toMatchObject({ code: EXIT.locked.code, signal: null })
    expect(second.said).toContain(`${daemon.pid}`)

    const status = await nodes.run(path, statusReportSchema, 'status')
    expect(status.swarms.map(s => s.manifest)).toEqual([published.manifest])
    daemon.kill('SIGINT')
    expect(await daemon.ended).toMatchObject({ code: 0, signal: null })
  })

  it('is not needed to tidy up: a node that is killed leaves nothing behind once it has started again', async () => {
    const { path } = await nodes.home('killed')
    const temporary = join(nodes.root, 'temporary')
    await mkdir(temporary)
    const isWorkers = (name: string): boolean => name.startsWith('coopt-worker-')
    const left = async (): Promise<string[]> =>
      (await Promise.all([temporary, join(path, 'spool')].map(async folder => await readdir(folder).catch(() => []))))
        .flat()
        .filter(isWorkers)
    const killed = nodes.start(path, args(), { temporary })
    await killed.until(e => e.type === 'scoring')
    killed.kill('SIGKILL')
    await killed.ended
    expect(await left(), 'the working directory of its inference process').not.toEqual([])
    await nodes.run(path, statusReportSchema, 'status')
    expect(await left()).toEqual([])
  })

  it('ends a participant behind its batch, and the next start goes on from there', async () => {
    const { path, peer } = await nodes.home('careful')

    // while it scores its prior
    const first = nodes.start(path, args())
    const scored = await first.until(e => e.type === 'scoring')
    first.kill('SIGINT')
    expect(await first.ended).toMatchObject(unfinished)
    expect(first.events.findLast(e => e.type === 'scoring')).toMatchObject({ rows: SHARED })
    expect(recordsOf(await loggedRecords(path, published.manifest), peer)).toEqual([])

    // while it optimizes
    const second = nodes.start(path, args())
    const batch = await second.until(e => e.type === 'batch')
    second.kill('SIGINT')
    expect(await second.ended).toMatchObject(unfinished)
    expect(recordsOf(await loggedRecords(path, published.manifest), peer).map(r => r.body.type)).toEqual(['score'])

    const third = nodes.start(path, args())
    const { code, last, said } = await third.ended
    expect(code, said).toBe(0)
    expect(joinReportSchema.parse(last)).toMatchObject({ complete: true, partitions: 1 })

    const all = [...first.events, ...second.events, ...third.events]
    const scoring = all.flatMap(e => (e.type === 'scoring' ? [e.done] : []))
    const batches = all.flatMap(e => (e.type === 'batch' ? [e.done] : []))
    // every batch exactly once, in order, over all three
    expect(scoring).toEqual([...Array(Math.ceil(SHARED / 16)).keys()].map(i => Math.min(SHARED, (i + 1) * 16)))
    expect(batches).toEqual([...Array(Math.ceil(IMAGES / 16)).keys()].map(i => Math.min(IMAGES, (i + 1) * 16)))
    expect({ scored, batch }).toMatchObject({ scored: { done: 16 }, batch: { done: 16 } })
  })
})
