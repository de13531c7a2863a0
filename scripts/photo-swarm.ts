/**
 * A swarm on real photos, by the commands of the README: a publisher, and three participants in processes of their own, two with ImageNet models from
 * files and one with a table of vectors that exist already. Each ends with its own merge; all must have one CID.
 *
 *     node scripts/photo-swarm.ts [--data DIR] [--threads 1] [--json] [--keep DIR]
 *
 * DIR has photos/, priors/ and priors-imagenet/ (default: shared/data beside the checkout). The vectors are computed first, outside the swarm: as if a
 * lab had them. Prints wall time and, on Linux, the peak of resident memory of each process and of its children. Exit code 1 if the CIDs differ.
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { encodeMatrix } from '../src/bytes.ts'
import { joinReportSchema, mergeReportSchema, publishReportSchema } from '../node/api/reports.ts'
import { textTable } from '../node/cli/text-table.ts'
import { npyHeader } from '../node/export/npy.ts'
import { openImages } from '../node/lab/simulate/image-set.ts'
import { featuresOf } from '../node/lab/simulate/feature-cache.ts'
import { coopt, startCoOpt, type CoOptProcess } from './coopt-process.ts'

const USAGE = 'usage: node scripts/photo-swarm.ts [--data DIR] [--threads 1] [--json] [--keep DIR]'

const values = readOptions()
/** The peers are on this machine: other nodes on the network are not contacted */
const LOCAL = ['--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns']
const POLL_MS = 200

interface Actor {
  readonly name: string
  readonly home: string
  process?: CoOptProcess
  /** Of the command that works: `publish`, or `join --once` */
  seconds: number
  /** Highest resident memory observed, bytes: of the node itself, and of all its children together */
  memory: { node: number; children: number }
  partitions?: number
  cid?: string
}

const data = resolve(values.data)
const photos = join(data, 'photos', 'photos-1k.tar')
const directory = values.keep === undefined ? await mkdtemp(join(tmpdir(), 'coopt-photos-')) : resolve(values.keep)
await mkdir(directory, { recursive: true })
const actorOf = (name: string): Actor => ({
  name,
  home: join(directory, name),
  seconds: 0,
  memory: { node: 0, children: 0 }
})
const publisher = actorOf('publisher')
const lite0 = actorOf('lite0')
const lite2 = actorOf('lite2')
const table = actorOf('table')
const participants = [lite0, lite2, table]
const stop = new AbortController()
const leave = async (): Promise<void> => {
  stop.abort()
  await Promise.all([publisher, ...participants].map(async ({ process: child }) => await child?.end()))
  if (values.keep === undefined) await rm(directory, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void leave().finally(() => process.exit(1)))

try {
  await swarm()
} finally {
  await leave()
}

// --- internal ---

function readOptions(): { data: string; threads: string; json: boolean; keep?: string } {
  const data = join(import.meta.dirname, '..', '..', 'shared', 'data')
  try {
    const { help, ...rest } = parseArgs({
      options: {
        data: { type: 'string', default: data },
        threads: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        keep: { type: 'string' },
        help: { type: 'boolean', default: false }
      }
    }).values
    if (!help) return rest
    console.log(USAGE)
    return process.exit(0)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return process.exit(2)
  }
}

async function swarm(): Promise<void> {
  say('making the table of vectors')
  const priors = new Map([
    [lite0, join(data, 'priors-imagenet', 'efficientnet-lite0')],
    [lite2, join(data, 'priors-imagenet', 'efficientnet-lite2')],
    [table, await vectors(join(data, 'priors', 'im_mobilenet025.onnx'))]
  ])
  for (const { home } of [publisher, ...participants]) await coopt(['init', ...LOCAL], z.unknown(), { home })
  const watch = setInterval(() => void watchMemory(), POLL_MS)
  try {
    const started = performance.now()
    const ready = Promise.withResolvers<void>()
    publisher.process = startCoOpt(['up'], {
      home: publisher.home,
      onEvent: event => event.type === 'listening' && ready.resolve()
    })
    publisher.process.result.then(() => ready.reject(new Error('the publisher left')), ready.reject)
    await ready.promise
    say('publishing')
    const published = await coopt(['publish', photos, '--name', 'photos'], publishReportSchema, {
      home: publisher.home
    })
    publisher.seconds = since(started)
    say(
      `${published.samples} photos in ${published.partitions} partitions, ${published.shared} shared, in ${publisher.seconds} s`
    )
    const work = async (actor: Actor): Promise<void> => {
      const from = performance.now()
      const prior = priors.get(actor) ?? ''
      const args = ['join', published.invite, '--prior', prior, '--once', '--threads', values.threads]
      actor.process = startCoOpt(args, { home: actor.home })
      const report = joinReportSchema.parse(await actor.process.result)
      actor.seconds = since(from)
      actor.partitions = report.partitions
      say(`${actor.name}: ${report.partitions} partitions in ${actor.seconds} s`)
    }
    await Promise.all(participants.map(work))
    for (const actor of [...participants, publisher])
      actor.cid = (await coopt(['merge', published.invite], mergeReportSchema, { home: actor.home })).mergedCid
    const seconds = since(started)
    const cids = new Set([...participants, publisher].map(({ cid }) => cid))
    print(seconds, [...cids].map(String))
    if (cids.size !== 1) {
      say('the processes do not agree on one CID')
      process.exitCode = 1
    }
  } finally {
    clearInterval(watch)
  }
}

/** A .npy file of the prior's features and a list of the photos' sha256, which are its keys. */
async function vectors(prior: string): Promise<string> {
  const images = await openImages([photos], stop.signal)
  try {
    const options = {
      cache: directory,
      threads: Number(values.threads),
      signal: stop.signal,
      onProgress: () => undefined
    }
    const { features } = await featuresOf('vectors', prior, images, options)
    const keys: string[] = []
    for (let i = 0; i < images.count; i++)
      keys.push(
        createHash('sha256')
          .update((await images.read(i)).bytes)
          .digest('hex')
      )
    const path = join(directory, 'vectors.npy')
    await writeFile(path, Buffer.concat([npyHeader([features.rows, features.columns]), encodeMatrix(features)]))
    await writeFile(join(directory, 'vectors.ids.txt'), `${keys.join('\n')}\n`)
    return path
  } finally {
    await images.close()
  }
}

/** From /proc; where there is none, and for processes that exit meanwhile, nothing is counted. */
async function watchMemory(): Promise<void> {
  const found = new Map<number, { parent: number; bytes: number }>()
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const text = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
    found.set(Number(name), { parent: field('PPid'), bytes: field('VmRSS') * 1024 })
  }
  for (const { process: child, memory } of [publisher, ...participants]) {
    const pid = child?.pid
    if (pid === undefined) continue
    memory.node = Math.max(memory.node, found.get(pid)?.bytes ?? 0)
    const children = [...found.values()].filter(one => one.parent === pid)
    memory.children = Math.max(
      memory.children,
      children.reduce((sum, { bytes }) => sum + bytes, 0)
    )
  }
}

function print(seconds: number, mergedCids: readonly string[]): void {
  const actors = [publisher, ...participants]
  if (values.json) {
    const processes = actors.map(({ name, seconds: own, memory, partitions }) => ({
      name,
      seconds: own,
      peakBytes: memory.node,
      childPeakBytes: memory.children,
      ...(partitions === undefined ? {} : { partitions })
    }))
    console.log(JSON.stringify({ mergedCids, seconds, processes }))
    return
  }
  const mib = (bytes: number): string => (bytes === 0 ? '–' : `${Math.round(bytes / 2 ** 20)}`)
  const rows = actors.map(a => [a.name, a.partitions, a.seconds, mib(a.memory.node), mib(a.memory.children)])
  console.log(textTable(['process', 'partitions', 'seconds', 'peak MiB', 'of children'], rows))
  console.log(`\nmerged   ${mergedCids.join(', ')}\nseconds  ${seconds}`)
}

function since(start: number): number {
  return Math.round((performance.now() - start) / 100) / 10
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
