/**
 * Step 1 end to end (read, decode, hash, partitions, shared set, features, manifest, everything synced), against the code of another checkout.
 *
 *     node scripts/bench/publish.ts [--before PATH] [--case png-32,jpeg-32,photo] [--count 20000] [--photos 1000] [--partitions 8] [--shared 1000]
 *                                   [--runs 3] [--stream] [--prof] [--json]
 *
 * Cases are made images: PNG and JPEG of 32 px, `--count` of each, and JPEG of 500 x 375 (some 110 kB), `--photos`. They lie in a folder of files, with
 * `--stream` they come through a pipe as a tar that is made on the way, so that any number takes no disk but the publisher's. PATH of --before is
 * a checkout with its packages installed, such as a `git worktree` of an earlier commit. Both sides take turns, `--runs` times; each figure is the best,
 * each ratio the median of the turns'. Manifests must be equal. Memory is the most that all processes of a publish have at once, looked at every
 * 50 ms, on Linux alone. `--prof` leaves .cpuprofile files of every process in the working directory.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import tar from 'tar-stream'
import { textTable } from '../../node/cli/text-table.ts'
import type { PublishFigures, PublishTask } from './publish-once.ts'
import { imagesOf, type ImageCase } from './publish-inputs.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    case: { type: 'string', default: 'png-32,jpeg-32,photo' },
    count: { type: 'string', default: '20000' },
    photos: { type: 'string', default: '1000' },
    partitions: { type: 'string', default: '8' },
    shared: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '3' },
    stream: { type: 'boolean', default: false },
    prof: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})

const HERE = resolve(import.meta.dirname, '../..')
/** Memory grows by some 10 MB in between at the rates that were seen. */
const LOOK_MILLISECONDS = 50
const PAGE_BYTES = 4096

interface Turn extends PublishFigures {
  /** Bytes */
  readonly memory: number
}

const scratch = await mkdtemp(join(tmpdir(), 'coopt-bench-'))
try {
  const rows = []
  for (const name of values.case.split(',')) rows.push(await measure(name as ImageCase))
  if (values.json) console.log(JSON.stringify(rows))
  else console.log(table(rows))
} finally {
  await rm(scratch, { recursive: true, force: true })
}

// --- internal ---

async function measure(name: ImageCase) {
  const folder = join(scratch, name)
  await mkdir(folder)
  const count = Number(name === 'photo' ? values.photos : values.count)
  const source = values.stream ? join(folder, 'pipe') : join(folder, 'images')
  if (values.stream) spawnSync('mkfifo', [source])
  else await writeImages(name, count, source)
  const sides = { after: HERE, ...(values.before === undefined ? {} : { before: resolve(values.before) }) }
  const turns: Array<Partial<Record<keyof typeof sides, Turn>>> = []
  for (let run = 0; run < Number(values.runs); run++) {
    const turn: Partial<Record<keyof typeof sides, Turn>> = {}
    for (const [side, root] of Object.entries(sides)) {
      const feeding = values.stream ? feed(name, count, source) : undefined
      const figures = await publish({
        root,
        source,
        scratch: folder,
        partitions: Number(values.partitions),
        shared: Number(values.shared)
      })
      await feeding
      turn[side as keyof typeof sides] = figures
      if (!values.json) console.error(name, side, JSON.stringify(figures))
    }
    if (turn.before !== undefined && turn.before.manifest !== turn.after?.manifest)
      throw new Error(`${name}: the manifest differs from that of ${values.before}`)
    turns.push(turn)
  }
  await rm(folder, { recursive: true })
  return { name, after: best(turns.flatMap(t => t.after ?? [])), ...compared(turns) }
}

function compared(turns: ReadonlyArray<{ after?: Turn; before?: Turn }>) {
  const pairs = turns.flatMap(({ after, before }) =>
    after === undefined || before === undefined ? [] : [{ after, before }]
  )
  if (pairs.length === 0) return {}
  const ratio = (of: (turn: Turn) => number): number => median(pairs.map(({ after, before }) => of(before) / of(after)))
  return {
    before: best(pairs.map(({ before }) => before)),
    faster: ratio(t => t.seconds),
    lessCpu: ratio(t => t.cpuSeconds)
  }
}

function best(turns: readonly Turn[]): Turn {
  return turns.toSorted((a, b) => a.seconds - b.seconds)[0] as Turn
}

function table(rows: ReadonlyArray<Awaited<ReturnType<typeof measure>>>): string {
  const cells = (turn: Turn | undefined) =>
    turn === undefined
      ? [undefined, undefined, undefined, undefined]
      : [
          Math.round(turn.images / turn.seconds),
          Math.round(turn.bytes / turn.seconds / 1e5) / 10,
          Math.round(turn.cpuSeconds * 10) / 10,
          Math.round(turn.memory / 2 ** 20)
        ]
  const round = (ratio: number | undefined) => (ratio === undefined ? undefined : Math.round(ratio * 100) / 100)
  return textTable(
    [
      'images',
      'number',
      'images/s',
      'MB/s',
      'CPU s',
      'MiB',
      'before: images/s',
      'MB/s',
      'CPU s',
      'MiB',
      'times faster',
      'times less CPU'
    ],
    rows.map(({ name, after, before, faster, lessCpu }) => [
      name,
      after.images,
      ...cells(after),
      ...cells(before),
      round(faster),
      round(lessCpu)
    ])
  )
}

async function writeImages(name: ImageCase, count: number, folder: string): Promise<void> {
  await mkdir(folder)
  let i = 0
  for await (const bytes of imagesOf(name, count)) await writeFile(join(folder, `${i++}.${extension(name)}`), bytes)
}

function extension(name: ImageCase): string {
  return name === 'png-32' ? 'png' : 'jpg'
}

/** A tar through a pipe. */
async function feed(name: ImageCase, count: number, pipe: string): Promise<void> {
  const pack = tar.pack()
  const writing = pipeline(pack as unknown as Readable, createWriteStream(pipe))
  let i = 0
  for await (const bytes of imagesOf(name, count)) {
    const entry = pack.entry({ name: `${i++}.${extension(name)}`, size: bytes.byteLength })
    entry.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    if (i % 64 === 0) await once(entry, 'close')
  }
  pack.finalize()
  await writing
}

async function publish(task: PublishTask): Promise<Turn> {
  const script = join(import.meta.dirname, 'publish-once.ts')
  const profile = values.prof ? ['--cpu-prof'] : []
  const child = spawn(process.execPath, [...profile, script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  let memory = 0
  const watch = setInterval(() => {
    void residentBytes(child.pid).then(bytes => (memory = Math.max(memory, bytes)))
  }, LOOK_MILLISECONDS)
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(watch)
  if (code !== 0) throw new Error(`publish by ${task.root} ended with ${code}`)
  return { ...(JSON.parse(out) as PublishFigures), memory }
}

/** Of a process and its children; 0 where it cannot be read. */
async function residentBytes(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0
  const [statm, children] = await Promise.all(
    ['statm', `task/${pid}/children`].map(async file => await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => ''))
  )
  const own = Number(statm?.split(' ')[1] ?? 0) * PAGE_BYTES
  const below = (children ?? '').split(' ').filter(text => text.trim() !== '')
  const sizes = await Promise.all(below.map(async child => await residentBytes(Number(child))))
  return sizes.reduce((sum, size) => sum + size, own || 0)
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] as number
}
