/** A real MLServer (Open Inference protocol) as a prior in a swarm: killed in the middle of a partition, started again, and work goes on. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { ApiEvent } from '../../node/api/events.ts'
import { joinReportSchema, mergeReportSchema, priorReportSchema, verifyReportSchema } from '../../node/api/reports.ts'
import { resultOf } from '../../scripts/coopt-process.ts'
import { createProcessNodes, loggedRecords, type ProcessNodes } from '../helpers/process-node.ts'
import { IMAGES, makeImages, publishSwarm } from '../helpers/sample-swarm.ts'
import { SCRIPTS } from './python.ts'

const MODEL = 'projection'
const FEATURES = 96
/** Characters of its log */
const KEPT = 100_000

describe.skipIf(inject('server') === '')('MLServer', () => {
  let nodes: ProcessNodes
  let folder: string
  let settings: string
  let server: ChildProcess
  let url: string

  beforeAll(async () => {
    nodes = await createProcessNodes()
    folder = join(nodes.root, 'models')
    const http = await freePort()
    url = `http://127.0.0.1:${http}/v2/models/${MODEL}`
    await mkdir(join(folder, MODEL), { recursive: true })
    await writeJson(join(folder, 'settings.json'), {
      host: '127.0.0.1',
      http_port: http,
      grpc_port: await freePort(),
      metrics_endpoint: null,
      parallel_workers: 0
    })
    await writeJson(join(folder, MODEL, 'model-settings.json'), {
      name: MODEL,
      implementation: 'projection_runtime.Projection',
      inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 3, 32, 32] }],
      outputs: [{ name: 'feature', datatype: 'FP32', shape: [-1, FEATURES] }]
    })
    settings = join(folder, 'preprocessor_config.json')
    await writeJson(settings, {
      do_resize: true,
      size: { height: 32, width: 32 },
      resample: 2,
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.25, 0.25, 0.25]
    })
    server = startServer(folder)
    await untilReady(server)
  })
  afterAll(async () => {
    await kill(server)
    await nodes[Symbol.asyncDispose]()
  })

  it('is described by prior check', async () => {
    const { path } = await nodes.home('check')
    const report = await nodes.run(path, priorReportSchema, 'prior', 'check', url, '--preprocessing', settings)
    expect(report).toMatchObject({ name: MODEL, dimension: FEATURES, refusals: [], server: { url } })
    expect(report.preprocessing.join()).not.toContain('assumed')
  })

  it('is waited for when it is killed in the middle of a partition, and no row is asked for twice', async () => {
    const publisher = (await nodes.home('publisher')).path
    const images = await makeImages(join(nodes.root, 'images'))
    await nodes.up(publisher)
    const { invite, manifest } = await publishSwarm(nodes, publisher, images, { partitions: 2 })
    const { path, peer } = await nodes.home('member')
    const member = nodes.start(path, ['join', invite, '--prior', url, '--preprocessing', settings, '--once'])
    await member.until(event => event.type === 'batch' && event.done < event.rows)
    await kill(server)
    await member.until(warned('waiting up to 30 min for the model'))
    server = startServer(folder)
    await member.until(warned('the model server answers again'))
    const report = joinReportSchema.parse(resultOf(await member.ended, 'coopt join'))
    expect(report).toMatchObject({ complete: true, partitions: 2, prior: MODEL })
    expect(report.assumed).toBeUndefined()

    const done = member.events.flatMap(event => (event.type === 'batch' ? [`${event.partition}: ${event.done}`] : []))
    expect(new Set(done).size).toBe(done.length)
    const scores = (await loggedRecords(path, manifest)).flatMap(({ body }) => (body.type === 'score' ? [body] : []))
    expect(scores).toMatchObject([
      { prior: { kind: 'onnx', dimension: FEATURES }, ext: { server: 'open-inference-v2' } }
    ])
    const merged = await nodes.run(path, mergeReportSchema, 'merge', invite)
    expect(merged).toMatchObject({ mergedCid: report.mergedCid, rows: IMAGES, reference: { prior: MODEL, peer } })
    expect(await nodes.run(path, verifyReportSchema, 'verify', report.mergedCid ?? '')).toMatchObject({ ok: true })
  })
})

/** Without --json it stands on stderr */
const warned =
  (text: string) =>
  (event: ApiEvent): boolean =>
    event.type === 'log' && event.level === 'warn' && event.message.includes(text)

/** Ended by `kill` */
function startServer(folder: string): ChildProcess {
  const bin = dirname(inject('server'))
  const server = spawn(join(bin, 'mlserver'), ['start', folder], {
    cwd: folder,
    env: {
      PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
      PYTHONPATH: join(SCRIPTS, 'interop'),
      PYTHONDONTWRITEBYTECODE: '1',
      HOME: folder
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  // a log that nobody reads would stop it
  server.stdout?.resume()
  server.stderr?.resume()
  return server
}

/** MLServer says when a model is loaded. Rejects with what it said when it ends before. */
async function untilReady(server: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let said = ''
  for (const stream of [server.stdout, server.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-KEPT)
      if (said.includes(`Loaded model '${MODEL}' successfully`) && said.includes('Uvicorn running')) resolve()
    })
  server.once('exit', () => reject(new Error(`MLServer ended: ${said}`)))
  await promise
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const writeJson = async (path: string, value: object): Promise<void> => await writeFile(path, JSON.stringify(value))
