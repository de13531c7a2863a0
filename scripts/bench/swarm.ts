/**
 * A whole swarm on given images, measured: one publisher and a participant per prior, each a process with its own home.
 *
 *     node scripts/bench/swarm.ts --images PATH [--images PATH …] --prior DIR [--prior DIR …]
 *                                 [--partitions 16] [--shared 1000] [--dim 256] [--election uniformity] [--quorum 1] [--netns]
 *
 * PATH is a folder or a tar of images. Prints a table and, on the last line, one JSON object: seconds of each phase, bytes that each
 * process sent and received, new bytes stored for each published partition against the bytes of its targets, peak memory of
 * each process and of its children. With --netns (Linux, root) every process runs in its own network namespace, created here and removed at the end,
 * and the bytes are those of its network interface; without it they are left out.
 */
import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { extract } from 'tar-stream'
import { z } from 'zod'
import { type ApiEvent } from '../../node/api/events.ts'
import { joinReportSchema, mergeReportSchema, publishReportSchema } from '../../node/api/reports.ts'
import { textTable } from '../../node/cli/text-table.ts'
import { coopt, startCoOpt, type CoOptProcess } from '../coopt-process.ts'

const { values } = parseArgs({
  options: {
    images: { type: 'string', multiple: true, default: [] },
    prior: { type: 'string', multiple: true, default: [] },
    partitions: { type: 'string', default: '16' },
    shared: { type: 'string', default: '1000' },
    dim: { type: 'string', default: '256' },
    election: { type: 'string', default: 'uniformity' },
    quorum: { type: 'string', default: '1' },
    netns: { type: 'boolean', default: false }
  }
})
if (values.images.length === 0 || values.prior.length === 0)
  throw new Error('give --images and --prior, see the head of this file')

interface Actor {
  name: string
  home: string
  within: string[]
  address: string
  /** Highest resident memory observed, bytes: the node itself, and the largest of its children */
  memory: { node: number; child: number }
}

const POLL_MS = 200
const directory = await mkdtemp(join(tmpdir(), 'coopt-bench-'))
const started = performance.now()
const seconds = (): number => Math.round((performance.now() - started) / 100) / 10
const tag = `cb${process.pid % 100_000}`
const running = new Map<Actor, CoOptProcess>()
const published: Array<{ newBytes: number; targetBytes: number }> = []
const actors: Actor[] = ['publisher', ...values.prior.map(prior => basename(resolve(prior)))].map((name, i) => ({
  name,
  home: join(directory, `${i}-${name}`),
  within: values.netns ? ['ip', 'netns', 'exec', `${tag}n${i}`] : [],
  address: values.netns ? `/ip4/10.213.0.${i + 1}/tcp/4001` : '/ip4/127.0.0.1/tcp/0',
  memory: { node: 0, child: 0 }
}))
const poll = setInterval(() => void watchMemory(), POLL_MS)
try {
  if (values.netns) makeNamespaces()
  console.log(JSON.stringify(await run()))
} finally {
  clearInterval(poll)
  await Promise.all([...running.values()].map(async child => await child.end()))
  if (values.netns) removeNamespaces()
  await rm(directory, { recursive: true, force: true })
}

// --- internal ---

async function run() {
  const images = join(directory, 'images')
  await gather(images)
  const [publisher, ...participants] = actors
  if (publisher === undefined) throw new Error('no publisher')
  for (const actor of actors) {
    await coopt(['init', '--listen', actor.address], z.unknown(), actor)
    await writeFile(
      join(actor.home, 'config.json'),
      JSON.stringify({ network: { mdns: false, listen: [actor.address] } })
    )
  }
  await startDaemon(publisher)
  const ready = seconds()
  const { invite, samples } = await coopt(
    [
      'publish',
      images,
      '--name',
      'bench',
      '--partitions',
      values.partitions,
      '--shared',
      values.shared,
      '--dim',
      values.dim,
      '--election',
      values.election,
      '--quorum',
      values.quorum
    ],
    publishReportSchema,
    publisher
  )
  const publishedAt = seconds()
  let complete = 0
  const joined = await Promise.all(
    participants.map(async (actor, i) => {
      const child = startCoOpt(['join', invite, '--prior', resolve(values.prior[i] ?? ''), '--once'], {
        ...actor,
        onEvent
      })
      running.set(actor, child)
      const report = joinReportSchema.parse(await child.result)
      running.delete(actor)
      complete = Math.max(complete, seconds())
      return report
    })
  )
  // read traffic now, before the merges below add to it
  const traffic = new Map(actors.map(actor => [actor.name, readTraffic(actor)]))
  const merged = await Promise.all(
    participants.map(async actor => await coopt(['merge', invite], mergeReportSchema, actor))
  )
  const cids = new Set(merged.map(m => m.mergedCid))
  const [first] = merged
  if (first === undefined || cids.size !== 1) throw new Error(`the participants do not agree: ${[...cids].join(', ')}`)

  const mib = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / 2 ** 20).toFixed(1))
  console.error(
    textTable(
      [
        'process',
        'uniform',
        'eligible',
        'loo R2',
        'loo cosine',
        'partitions',
        'sent MiB',
        'received MiB',
        'peak MiB',
        'child peak MiB'
      ],
      actors.map((actor, i) => {
        const row = first.peers.find(p => p.peer === joined[i - 1]?.peer)
        return [
          actor.name,
          row?.uniformValue?.toFixed(4),
          row === undefined ? undefined : row.eligible === true ? 'yes' : 'no',
          row?.looR2?.toFixed(4),
          row?.looCosine?.toFixed(4),
          row?.partitions,
          mib(traffic.get(actor.name)?.sent),
          mib(traffic.get(actor.name)?.received),
          mib(actor.memory.node),
          mib(actor.memory.child)
        ]
      })
    )
  )
  const ratios = published.map(p => p.newBytes / p.targetBytes)
  return {
    samples,
    mergedCid: first.mergedCid,
    rows: first.rows,
    provisional: first.provisional,
    reference: first.reference,
    seconds: { publish: publishedAt - ready, work: complete - publishedAt, all: seconds() },
    shards: {
      published: published.length,
      newBytes: published.reduce((sum, p) => sum + p.newBytes, 0),
      targetBytes: published.reduce((sum, p) => sum + p.targetBytes, 0),
      worstRatio: Math.max(...ratios),
      worstOverTargetBytes: Math.max(...published.map(p => p.newBytes - p.targetBytes))
    },
    processes: actors.map(({ name, memory }) => ({
      name,
      ...traffic.get(name),
      peakBytes: memory.node,
      childPeakBytes: memory.child
    })),
    peers: first.peers
  }
}

function onEvent(event: ApiEvent): void {
  if (event.type !== 'published' || event.newBytes === undefined || event.targetBytes === undefined) return
  published.push({ newBytes: event.newBytes, targetBytes: event.targetBytes })
}

async function startDaemon(actor: Actor): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up'], { ...actor, onEvent: event => event.type === 'listening' && ready.resolve() })
  running.set(actor, daemon)
  daemon.result.then(() => ready.reject(new Error('the daemon left')), ready.reject)
  await ready.promise
}

/** All images in one folder: folders are linked, tars unpacked. */
async function gather(folder: string): Promise<void> {
  await mkdir(folder)
  let count = 0
  for (const path of values.images.map(p => resolve(p))) {
    if ((await stat(path)).isDirectory()) {
      for (const name of await readdir(path)) await symlink(join(path, name), join(folder, `${count++}-${name}`))
      continue
    }
    for await (const entry of createReadStream(path).pipe(extract())) {
      const parts: Uint8Array[] = []
      for await (const part of entry) parts.push(part as Uint8Array)
      if (entry.header.type === 'file') await writeFile(join(folder, `${count++}`), Buffer.concat(parts))
    }
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args)
}

/** A bridge in its own namespace, and for each process a namespace with one interface. */
function makeNamespaces(): void {
  ip('netns', 'add', `${tag}hub`)
  ip('-n', `${tag}hub`, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', `${tag}hub`, 'link', 'set', 'br0', 'up')
  actors.forEach((_, i) => {
    const namespace = `${tag}n${i}`
    ip('netns', 'add', namespace)
    ip('link', 'add', `${tag}p${i}`, 'netns', `${tag}hub`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    ip('-n', `${tag}hub`, 'link', 'set', `${tag}p${i}`, 'master', 'br0', 'up')
    ip('-n', namespace, 'addr', 'add', `10.213.0.${i + 1}/24`, 'dev', 'eth0')
    ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
  })
}

function removeNamespaces(): void {
  for (const name of ['hub', ...actors.map((_, i) => `n${i}`)]) ip('netns', 'del', `${tag}${name}`)
}

function readTraffic(actor: Actor): { sent: number; received: number } | undefined {
  if (!values.netns) return undefined
  const [program = '', ...rest] = actor.within
  const counter = (name: string): number =>
    Number(
      execFileSync(program, [...rest, 'cat', `/sys/class/net/eth0/statistics/${name}_bytes`], { encoding: 'utf8' })
    )
  return { sent: counter('tx'), received: counter('rx') }
}

/** Resident memory of each process and its children, from /proc; processes that exit meanwhile are skipped. */
async function watchMemory(): Promise<void> {
  const rss = new Map<number, { parent: number; bytes: number; command: string }>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const text = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
    if (text !== '')
      rss.set(Number(name), {
        parent: field('PPid'),
        bytes: field('VmRSS') * 1024,
        command: /^Name:\s+(.*)$/m.exec(text)?.[1] ?? ''
      })
  }
  for (const [actor, { pid }] of running) {
    for (const [id, { parent, bytes }] of rss) {
      if (id === pid) actor.memory.node = Math.max(actor.memory.node, bytes)
      else if (parent === pid) actor.memory.child = Math.max(actor.memory.child, bytes)
    }
  }
}
