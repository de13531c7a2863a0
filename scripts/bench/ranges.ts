/**
 * The gateway against a static file server, both of this Node, each in a process of its own, asked by this one.
 *
 *     node scripts/bench/ranges.ts [--mib 96] [--seconds 4] [--connections 4]
 *
 * One file of random bytes, in a block store and on the disk. Asked for: ranges of 64 KiB and 1 MiB at random places (a reader of Parquet comes back to
 * the same row groups: places are drawn from a quarter of the file) and the whole file. The static server is `createReadStream` behind `node:http`, which
 * neither hashes nor looks anything up. Prints requests or MB a second of both, CPU ms a request of each server, and the ratios.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createContent } from '../../node/content/content.ts'
import { startGateway } from '../../node/gateway/gateway.ts'
import { DEFAULT_CONFIG } from '../../node/home/config.ts'
import { createLogger } from '../../node/process/logger.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { IMPORT, importBytes } from '../../src/distribute/unixfs-import.ts'
import { createRandomStream } from '../../src/random.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '96' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '4' },
    serve: { type: 'string' },
    folder: { type: 'string' }
  }
})

/** Servers differ by a tenth from one second to the next; they take turns this often. */
const TURNS = 3

if (values.serve !== undefined) await serve(values.serve, values.folder as string)
else await measure(Number(values.mib) * 2 ** 20, Number(values.seconds) * 1000, Number(values.connections))

// --- internal ---

interface Served {
  name: string
  child: ChildProcess
  url: string
}

async function serve(which: string, folder: string): Promise<void> {
  const file = join(folder, 'file.bin')
  if (which === 'static') {
    const { size } = await stat(file)
    const server = createServer((request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      const range = from === undefined || to === undefined ? undefined : { start: Number(from), end: Number(to) }
      const length = range === undefined ? size : range.end - range.start + 1
      response.writeHead(range === undefined ? 200 : 206, { 'content-length': `${length}` })
      createReadStream(file, range ?? {}).pipe(response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file.bin`)
  } else {
    const store = await DurableBlockstore.open({ path: join(folder, 'blocks') })
    const content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
    const parts = (async function* () {
      for await (const chunk of createReadStream(file, { highWaterMark: IMPORT.chunkBytes })) yield chunk as Uint8Array
    })()
    const { cid } = await importBytes(parts, content.put)
    const { port: _, ...rest } = DEFAULT_CONFIG.gateway
    const gateway = await startGateway(
      { content, memberships: () => [], logger: createLogger({ write: () => {} }), hasNetwork: false },
      { ...rest, any: true, port: 0, maxRequests: 1000 }
    )
    process.send?.(`${gateway.url}/ipfs/${cid}?filename=file.bin`)
  }
  process.on('message', () => process.send?.(process.cpuUsage()))
}

async function start(name: string, folder: string): Promise<Served> {
  const child = fork(new URL(import.meta.url), ['--serve', name, '--folder', folder])
  const [url] = (await once(child, 'message')) as [string]
  return { name, child, url }
}

async function cpuMs({ child }: Served): Promise<number> {
  child.send('cpu')
  const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return (user + system) / 1000
}

async function measure(size: number, ms: number, connections: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-ranges-'))
  const servers: Served[] = []
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const ask = async (url: string, range?: { start: number; end: number }): Promise<number> => {
    const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` }
    const request = get(url, { agent, headers })
    const [response] = (await once(request, 'response')) as [AsyncIterable<Uint8Array> & { statusCode: number }]
    if (response.statusCode !== (range === undefined ? 200 : 206)) throw new Error(`${url}: ${response.statusCode}`)
    let bytes = 0
    for await (const chunk of response) bytes += chunk.byteLength
    if (bytes !== (range === undefined ? size : range.end - range.start)) throw new Error(`${url}: ${bytes} bytes`)
    return bytes
  }
  try {
    await writeFile(join(folder, 'file.bin'), randomBytes(size))
    servers.push(await start('static', folder), await start('gateway', folder))
    for (const [kind, length] of [
      ['64 KiB', 65_536],
      ['1 MiB', 1_048_576],
      ['whole file', undefined]
    ] as const) {
      const total = new Map(servers.map(({ name }) => [name, { requests: 0, bytes: 0, ms: 0, cpu: 0 }]))
      for (let turn = 0; turn < 2 * TURNS; turn++) {
        const server = servers[turn % 2] as Served
        const sums = total.get(server.name)
        if (sums === undefined) continue
        const stream = createRandomStream('bench/ranges', kind, `${turn >> 1}`)
        const before = await cpuMs(server)
        const began = performance.now()
        const until = began + ms / TURNS
        const client = async (): Promise<void> => {
          while (performance.now() < until) {
            const start = length === undefined ? 0 : stream.below(Math.max(1, Math.floor(size / 4) - length))
            const bytes = await ask(server.url, length === undefined ? undefined : { start, end: start + length })
            sums.bytes += bytes
            sums.requests++
          }
        }
        await Promise.all(Array.from({ length: connections }, client))
        sums.ms += performance.now() - began
        sums.cpu += (await cpuMs(server)) - before
      }
      const [ours, theirs] = [total.get('gateway'), total.get('static')]
      if (ours === undefined || theirs === undefined) throw new Error('both were measured')
      const rate = ({ requests, ms: spent }: typeof ours): number => (1000 * requests) / spent
      console.log(
        JSON.stringify({
          kind,
          gateway: {
            perSecond: round(rate(ours)),
            MBps: round(ours.bytes / 1000 / ours.ms),
            cpuMs: round(ours.cpu / ours.requests)
          },
          static: {
            perSecond: round(rate(theirs)),
            MBps: round(theirs.bytes / 1000 / theirs.ms),
            cpuMs: round(theirs.cpu / theirs.requests)
          },
          ratio: round(rate(ours) / rate(theirs))
        })
      )
    }
  } finally {
    agent.destroy()
    for (const { child } of servers) child.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
