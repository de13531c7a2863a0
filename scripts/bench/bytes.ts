/**
 * A file from one node to another on loopback, beside one plain libp2p stream of as many bytes between the same two nodes: what hashing, storing and
 * the protocol take of what the transport gives. Two processes, real stores on the disk.
 *
 *   node scripts/bench/bytes.ts [--mib 256] [--rounds 5]
 *
 * The same over emulated long lines (emulated-line.ts), from one holder or several, beside HTTP from the first:
 *
 *   node scripts/bench/bytes.ts --rtt 40,100,200 [--mbit 100] [--holders 1] [--mib 64] [--rounds 3] [--lab DIR]
 *
 * Prints one line per round and the ratios of the medians.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { createContent } from '../../node/content/content.ts'
import { createMembers } from '../../node/content/members.ts'
import { createNetwork } from '../../node/network/network.ts'
import { countBuffersAsHeap } from '../../node/process/external-memory.ts'
import { createLogger } from '../../node/process/logger.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { createBlockClient } from '../../protocols/blocks/client.ts'
import { createBlockServer } from '../../protocols/blocks/server.ts'
import { frameStream } from '../../protocols/framing.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { emulatedLine } from './emulated-line.ts'

const PLAIN = '/bench/plain/1'
countBuffersAsHeap() // as `coopt` does
const MIB = 1024 * 1024
const never = new AbortController().signal
const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '5' },
    rtt: { type: 'string' },
    mbit: { type: 'string', default: '100' },
    holders: { type: 'string', default: '1' },
    lab: { type: 'string' },
    // for the processes that this one starts
    serve: { type: 'boolean', default: false },
    listen: { type: 'string', default: '127.0.0.1' },
    namespaces: { type: 'string', default: '' }
  }
})
const bytes = Number(values.mib) * MIB
const rounds = Number(values.rounds)

interface Served {
  address: string
  files: string[]
  http: number
}

async function openNode(listen: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-bench-'))
  const store = await DurableBlockstore.open({ path: folder })
  const privateKey = await generateKeyPair('Ed25519')
  const network = await createNetwork(
    { blockstore: store, datastore: new MemoryDatastore(), privateKey },
    { listen, mdns: false }
  )
  const { libp2p } = network
  const blocks = createBlockClient({ libp2p })
  await blocks.start()
  const members = createMembers({ libp2p, blocks, logger: createLogger() }, { reachMs: 5000 })
  const content = createContent(
    { local: store, network: network.helia.blockstore, members },
    { blockTimeoutMs: 20_000, attempts: 2 }
  )
  return { folder, libp2p, content, close: async () => await rm(folder, { recursive: true, force: true }) }
}

async function serve(): Promise<void> {
  const { libp2p, content, close } = await openNode([`/ip4/${values.listen}/tcp/0`])
  await createBlockServer({ libp2p, read: async cid => await content.peek(cid) }).start()
  process.on('message', () => process.send?.(process.cpuUsage()))
  await libp2p.handle(PLAIN, async stream => {
    const framed = frameStream(stream)
    const piece = new Uint8Array(64 * 1024)
    for (let sent = 0; sent < bytes; sent += piece.byteLength) await framed.writeBytes(piece, never)
    await framed.close(never)
  })
  const files: string[] = []
  for (let round = 0; round < rounds; round++) {
    // each round another file: nothing of it is there
    const chunk = (i: number): Uint8Array =>
      new Uint8Array(MIB)
        .fill(round)
        .fill(i & 255, 0, 8)
        .fill(i >> 8, 8, 16)
    const source = (function* () {
      for (let i = 0; i < bytes / MIB; i++) yield chunk(i)
    })()
    files.push(`${(await importBytes(source, content.put)).cid}`)
  }
  const [address] = libp2p.getMultiaddrs()
  const server = createServer((_, response) => {
    const pieces = Array.from({ length: bytes / MIB }, () => new Uint8Array(MIB))
    Readable.from(pieces, { objectMode: false }).pipe(response)
  })
  await new Promise<void>(resolve => server.listen(0, values.listen, resolve))
  const http = (server.address() as AddressInfo).port
  process.send?.({ address: `${address}`, files, http } satisfies Served)
  process.once('disconnect', () => void close().then(() => process.exit(0)))
}

/** A process that serves, in this namespace; in this one's unless given */
async function holder(namespace?: string, listen = '127.0.0.1'): Promise<{ child: ChildProcess; served: Served }> {
  const inside = { execPath: 'ip', execArgv: ['netns', 'exec', namespace ?? '', process.execPath] }
  const args = [...process.argv.slice(2), '--serve', '--listen', listen]
  const child = fork(process.argv[1] as string, args, namespace === undefined ? {} : inside)
  const { promise, resolve, reject } = Promise.withResolvers<Served>()
  child.once('message', message => resolve(message as Served))
  child.once('exit', code => reject(new Error(`the serving process ended with ${code}`)))
  return { child, served: await promise }
}

/** Bytes of frames that this namespace received */
function received(): number {
  return Number(/^\s*eth0:\s*(\d+)/m.exec(readFileSync('/proc/net/dev', 'utf8'))?.[1] ?? 0)
}

async function byHttp(host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  get({ host, port, agent: false }, response => response.on('error', reject).on('end', resolve).resume()).on(
    'error',
    reject
  )
  await promise
}

async function overLines(rtts: readonly number[]): Promise<void> {
  await using line = await emulatedLine(1 + Number(values.holders), values.lab)
  const [own, ...others] = line.namespaces
  for (const rtt of rtts) {
    await line.set(rtt, Number(values.mbit) * 1e6)
    console.error(`round trip ${rtt} ms`)
    const args = [...process.argv.slice(2), '--namespaces', others.join(',')]
    const child = fork(process.argv[1] as string, args, {
      execPath: 'ip',
      execArgv: ['netns', 'exec', `${own}`, process.execPath]
    })
    await new Promise<void>((resolve, reject) =>
      child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`the reading process ended with ${code}`))))
    )
  }
}

async function measure(): Promise<void> {
  const namespaces = values.namespaces === '' ? [] : values.namespaces.split(',')
  const isFar = namespaces.length > 0
  const holders = isFar
    ? await Promise.all(namespaces.map(async (name, i) => await holder(name, `10.77.0.${i + 2}`)))
    : [await holder()]
  const [first] = holders
  if (first === undefined) throw new Error('no holder')
  const { child } = first
  const { address, files, http: port } = first.served
  const { libp2p, content, close } = await openNode([])
  const { remotePeer } = await libp2p.dial(multiaddr(address))
  const web: number[] = []
  const frames: number[] = []
  const plain: number[] = []
  const file: number[] = []
  /** Of both processes, all threads: machines that are busy with something else do not change it much */
  const cpuMs = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<NodeJS.CpuUsage>()
    child.once('message', message => resolve(message as NodeJS.CpuUsage))
    child.send('cpu')
    const theirs = await promise
    const own = process.cpuUsage()
    return (own.user + own.system + theirs.user + theirs.system) / 1000
  }
  const cpu = { plain: [] as number[], file: [] as number[] }
  const timed = async (rates: number[], costs: number[], transfer: () => Promise<void>): Promise<void> => {
    const cpuBefore = await cpuMs()
    const began = performance.now()
    await transfer()
    rates.push(bytes / 1e3 / (performance.now() - began))
    costs.push(((await cpuMs()) - cpuBefore) / (bytes / MIB))
  }
  for (const [round, cid] of files.entries()) {
    if (isFar) await timed(web, [], async () => await byHttp('10.77.0.2', port))
    await timed(plain, cpu.plain, async () => {
      const framed = frameStream(await libp2p.dialProtocol(remotePeer, PLAIN))
      for (let got = 0; got < bytes; got += 64 * 1024) await framed.readBytes(64 * 1024, never)
    })
    if (round === 0) for (const { served } of holders.slice(1)) await libp2p.dial(multiaddr(served.address))
    const before = received()
    await timed(file, cpu.file, async () => await content.fetch(CID.parse(cid), bytes, { signal: never }))
    frames.push((received() - before) / bytes)
    const shown = (rates: number[], costs: number[]): string =>
      `${rates.at(-1)?.toFixed(1)} MB/s, ${costs.at(-1)?.toFixed(1)} ms of CPU a MiB`
    console.error(`round ${round + 1}: stream ${shown(plain, cpu.plain)}; file ${shown(file, cpu.file)}`)
  }
  const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] as number
  const streamMBps = median(plain)
  const fileMBps = median(file)
  const figures = { streamMBps, fileMBps, ratio: fileMBps / streamMBps }
  const costs = { streamCpuMsPerMiB: median(cpu.plain), fileCpuMsPerMiB: median(cpu.file) }
  const far = {
    holders: holders.length,
    httpMBps: median(web),
    ratioToHttp: fileMBps / median(web),
    receivedPerByte: median(frames)
  }
  console.log(JSON.stringify({ mib: bytes / MIB, ...figures, ...(isFar ? far : costs) }))
  for (const one of holders) one.child.disconnect()
  await close()
  process.exit(0)
}

const rtts = values.namespaces === '' ? values.rtt?.split(',').map(Number) : undefined
if (values.serve) await serve()
else await (rtts === undefined ? measure() : overLines(rtts))
