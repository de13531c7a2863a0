/**
 * Step 2 as a node does it (partition from the block store, id check, decode, resize, model, W, journal) against the model alone and against a Python loop.
 *
 *     node scripts/bench/optimize.ts [--model PATH --images FOLDER]… [--python PATH] [--count 2000] [--dimension 256] [--batch 32]
 *                                    [--threads 1] [--runs 3] [--json]
 *
 * Each --model has the --images at its place; without any, the prior that ships with the package, a synthetic model at 32 px, whose cost is nearly
 * nothing (what is left is the pipeline), and one at 224 px, on made images. PATH of --python is one with numpy, Pillow and onnxruntime; without it, or
 * where one is missing, that column is empty. The bare loop runs ONNX Runtime on tensors that are decoded already, with as many threads, the
 * same images a run and the same nice value. All take turns, `--runs` times, in one run; each figure is the best, each ratio the median of the turns'.
 */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createProjector } from '../../node/compute/projection/projector.ts'
import { textTable } from '../../node/cli/text-table.ts'
import { createContent } from '../../node/content/content.ts'
import { bundledPrior } from '../../node/priors/bundled.ts'
import { createTargetComputer } from '../../node/priors/compute-targets.ts'
import { findPrior, loadOnnx } from '../../node/priors/load-prior.ts'
import type { OnnxPrior } from '../../node/priors/onnx-prior.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { contentId } from '../../src/distribute/content-id.ts'
import { partitionBytes } from '../../src/distribute/partition-file.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { rawCid } from '../../src/codec.ts'
import { bareLoop } from './optimize-bare.ts'
import { madeImages, madeModel } from './optimize-inputs.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    images: { type: 'string', multiple: true, default: [] },
    python: { type: 'string' },
    count: { type: 'string', default: '2000' },
    dimension: { type: 'string', default: '256' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false }
  }
})
const [count, dimension, batchSize, threads] = [values.count, values.dimension, values.batch, values.threads].map(
  Number
) as [number, number, number, number]

/** Of a large image so many stand for all: a bare loop of 2,000 takes a quarter of a minute. */
const LARGE_SHARE = 4
/** Tensors that the bare loop holds: 256 at 224 px are 150 MB. */
const BARE_IMAGES = 256
const never = new AbortController().signal

interface Case {
  readonly name: string
  readonly model: string
  readonly images: readonly Uint8Array[]
}

interface Rates {
  readonly node: number
  readonly bare: number
  readonly python: number | undefined
}

const scratch = await mkdtemp(join(tmpdir(), 'coopt-bench-'))
try {
  const rows = []
  for (const one of values.model.length > 0 ? given() : made()) rows.push(await measure(await one()))
  if (values.json) console.log(JSON.stringify(rows))
  else
    console.log(
      textTable(
        ['model', 'images', 'node /s', 'bare /s', 'node/bare', 'Python /s', 'node/Python'],
        rows.map(r => [r.name, r.images, Math.round(r.node), Math.round(r.bare), r.ratio, r.python, r.pythonRatio])
      )
    )
} finally {
  await rm(scratch, { recursive: true, force: true })
}

// --- internal ---

function given(): Array<() => Promise<Case>> {
  return values.model.map((model, i) => async () => {
    const folder = values.images[i]
    if (folder === undefined) throw new Error(`--model ${model} needs its --images`)
    const names = (await readdir(folder)).toSorted().slice(0, count)
    return {
      name: model,
      model,
      images: await Promise.all(names.map(async name => await readFile(join(folder, name))))
    }
  })
}

function made(): Array<() => Promise<Case>> {
  const synthetic = async (side: number): Promise<string> => {
    const path = join(scratch, `synthetic-${side}.onnx`)
    await writeFile(path, madeModel(side))
    return path
  }
  return [
    async () => ({ name: 'resnet20, 32 px', model: bundledPrior('resnet20'), images: await madeImages(count, 32, 32) }),
    async () => ({ name: 'synthetic, 32 px', model: await synthetic(32), images: await madeImages(count, 32, 32) }),
    async () => ({
      name: 'synthetic, 224 px',
      model: await synthetic(224),
      images: await madeImages(Math.ceil(count / LARGE_SHARE), 500, 375)
    })
  ]
}

async function measure({ name, model, images }: Case) {
  const folder = await mkdtemp(join(scratch, 'case-'))
  const files = await findPrior(model)
  if (files.kind !== 'onnx') throw new Error(`${model} is not a model`)
  const prior = await loadOnnx(files, { threads })
  const turns: Rates[] = []
  try {
    const node = await nodeLoop(prior, images, folder)
    const rows = prior.model.facts.image.batch ?? prior.loaded.rows
    const python = await pythonLoop(prior, images, folder, rows)
    const { path, facts, choice, preprocessing } = prior.model
    const some = images.slice(0, Math.max(rows, Math.min(images.length, BARE_IMAGES)))
    for (let turn = 0; turn < Number(values.runs); turn++)
      turns.push({
        bare: await bareLoop({
          model: { path, facts, choice, preprocessing },
          images: some,
          threads,
          rows,
          count: images.length
        }),
        node: await node.run(),
        python: python()
      })
    await node.close()
  } finally {
    await prior.close()
  }
  const best = (of: (turn: Rates) => number): number => Math.max(...turns.map(of))
  const hasPython = turns.every(turn => turn.python !== undefined)
  return {
    name,
    images: images.length,
    node: best(t => t.node),
    bare: best(t => t.bare),
    ratio: median(turns.map(t => t.node / t.bare)),
    python: hasPython ? Math.round(best(t => t.python ?? 0)) : undefined,
    pythonRatio: hasPython ? median(turns.map(t => t.node / (t.python ?? 0))) : undefined
  }
}

/** A store with the partition in it; each run reads all of it and writes a journal. */
async function nodeLoop(prior: OnnxPrior, images: readonly Uint8Array[], folder: string) {
  const store = await DurableBlockstore.open({ path: join(folder, 'blocks') })
  const content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
  const samples = await Promise.all(images.map(async bytes => ({ id: (await contentId(bytes)).toString(), bytes })))
  const file = await importBytes(partitionBytes(samples), content.put)
  const projector = createProjector()
  const swarm = { id: rawCid(new TextEncoder().encode('bench')), manifest: { dimension } }
  const computer = createTargetComputer({ swarm, prior, projector, batchSize })
  await computer.ofImages(samples.slice(0, 1), never) // makes W
  let runs = 0
  return {
    run: async (): Promise<number> => {
      const started = performance.now()
      await computer.ofFile({
        journal: join(folder, `journal-${runs++}`),
        rows: images.length,
        samples: start => content.samples(file, start, never),
        signal: never
      })
      return (images.length * 1000) / (performance.now() - started)
    },
    close: async () => await projector.close()
  }
}

async function pythonLoop(
  { model, descriptor: { name } }: OnnxPrior,
  images: readonly Uint8Array[],
  folder: string,
  rows: number
): Promise<() => number | undefined> {
  const python = values.python
  if (python === undefined) return () => undefined
  const copies = join(folder, 'images')
  await mkdir(copies)
  const files = images.map((_, i) => join(copies, `${i}`))
  await Promise.all(images.map(async (bytes, i) => await writeFile(files[i] as string, bytes)))
  const task = join(folder, 'task.json')
  const { preprocessing, facts } = model
  await writeFile(
    task,
    JSON.stringify({ model: model.path, preprocessing, layout: facts.image.layout, threads, rows, files })
  )
  return () => {
    const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, 'optimize.py'), task], {
      encoding: 'utf8'
    })
    if (status !== 0) throw new Error(`${python} failed with ${name}: ${stderr}`)
    const answer = JSON.parse(stdout) as { rate?: number; missing?: string }
    if (answer.missing !== undefined) console.error(`Python's side is skipped: ${python} has no ${answer.missing}`)
    return answer.rate
  }
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] as number
}
