/**
 * How long a node's event loop is held up by its own work: peers and the local API wait that long.
 *
 *     node scripts/bench/event-loop.ts [--steps optimize,elect,align,merge,serve] [--dimension 2048] [--candidates 32] [--rows 1000] [--images 1000]
 *                                      [--partitions 1000] [--json]
 *
 * Each step runs as in a node, in this process. Between two turns of the loop (a timer of one millisecond) two things are measured: CPU milliseconds of this
 * thread, which other work on the machine does not change, and the delay that a timer sees (perf_hooks), which it does. Wanted: p99 below 50 ms, no turn
 * above 250 ms.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { textTable } from '../../node/cli/text-table.ts'
import { createExact } from '../../node/compute/exact/exact.ts'
import { InferenceHost } from '../../node/compute/inference/host.ts'
import { createOrtGemm } from '../../node/compute/inference/ort-gemm.ts'
import { createProjector } from '../../node/compute/projection/projector.ts'
import { createContent, type Content } from '../../node/content/content.ts'
import { startGateway } from '../../node/gateway/gateway.ts'
import { DEFAULT_CONFIG } from '../../node/home/config.ts'
import { storeShard } from '../../node/participant/store-shard.ts'
import { bundledPrior } from '../../node/priors/bundled.ts'
import { createTargetComputer, storeMatrix } from '../../node/priors/compute-targets.ts'
import { findPrior, loadOnnx } from '../../node/priors/load-prior.ts'
import { createLogger } from '../../node/process/logger.ts'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { elect } from '../../src/align/election.ts'
import { rowWeights } from '../../src/align/row-weight.ts'
import { applyTransform } from '../../src/align/transform.ts'
import { rawCid } from '../../src/codec.ts'
import { contentId } from '../../src/distribute/content-id.ts'
import { partitionBytes } from '../../src/distribute/partition-file.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { candidatesOf, viewOf } from '../../src/merge/views.ts'
import { syntheticTargets } from './algebra-steps.ts'
import { madeImages } from './optimize-inputs.ts'
import { syntheticSwarm } from './synthetic-swarm.ts'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: 'optimize,elect,align,merge,serve' },
    dimension: { type: 'string', default: '2048' },
    candidates: { type: 'string', default: '32' },
    rows: { type: 'string', default: '1000' },
    images: { type: 'string', default: '1000' },
    partitions: { type: 'string', default: '1000' },
    client: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
const [n, candidates, rows, count, partitions] = [
  values.dimension,
  values.candidates,
  values.rows,
  values.images,
  values.partitions
].map(Number) as [number, number, number, number, number]
const never = new AbortController().signal
/** l of MobileNet: onto 2,048 dimensions W takes seconds to make. */
const WIDE = 1280
/** Dimensions of the reference features */
const FEATURES = 256
const SERVED_BYTES = 64 * 2 ** 20
const REQUESTS = 300

type Step = (content: Content, folder: string) => Promise<() => Promise<void>>
/** Each prepares itself, and gives what is measured. */
const STEPS: Readonly<Record<string, Step>> = { optimize, elect: elections, align, merge, serve }

if (values.client === undefined) await measureAll()
else await ask(values.client)

// --- internal ---

async function measureAll(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-bench-'))
  try {
    const store = await DurableBlockstore.open({ path: join(folder, 'blocks') })
    const content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
    const results = []
    for (const name of values.steps.split(',')) {
      const step = STEPS[name]
      if (step === undefined) throw new Error(`${name} is none of ${Object.keys(STEPS).join(', ')}`)
      results.push({ step: name, ...(await measured(await step(content, folder))) })
    }
    const cells = results.map(r => [r.step, r.seconds, r.cpuP99, r.cpuMost, r.delayP99, r.delayMost])
    const header = ['step', 'seconds', 'CPU ms p99', 'most', 'delay ms p99', 'most']
    console.log(values.json ? JSON.stringify(results) : textTable(header, cells))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measured(work: () => Promise<void>) {
  const turns: number[] = []
  const cpu = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let before = cpu()
  const timer = setInterval(() => {
    const now = cpu()
    turns.push(now - before)
    before = now
  }, 1)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  await new Promise(resolve => setTimeout(resolve, 5)) // the last turn ends
  clearInterval(timer)
  delay.disable()
  const sorted = turns.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  const ms = (nanoseconds: number): number => round(nanoseconds / 1e6)
  return {
    seconds: round(seconds),
    cpuP99: at(0.99),
    cpuMost: at(1),
    delayP99: ms(delay.percentile(99)),
    delayMost: ms(delay.max)
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

async function partition(content: Content) {
  const images = await madeImages(count, 32, 32)
  const samples = await Promise.all(images.map(async bytes => ({ id: (await contentId(bytes)).toString(), bytes })))
  return await importBytes(partitionBytes(samples), content.put)
}

async function optimize(content: Content, folder: string) {
  const files = await findPrior(bundledPrior('superclass2'))
  if (files.kind !== 'onnx') throw new Error('the bundled prior is a model')
  const prior = await loadOnnx(files)
  const projector = createProjector()
  const swarm = { id: rawCid(new TextEncoder().encode('bench')), manifest: { dimension: n } }
  const computer = createTargetComputer({ swarm, prior, projector, batchSize: DEFAULT_CONFIG.batchSize })
  const file = await partition(content)
  const wide = matrix(32, WIDE, syntheticTargets(32, WIDE, 1)[0]?.data ?? new Float32Array(32 * WIDE))
  return async () => {
    await projector.project(swarm.id, n, wide)
    const samples = (start: number) => content.samples(file, start, never)
    const { targets } = await computer.ofFile({ journal: join(folder, 'journal'), rows: count, samples, signal: never })
    await storeMatrix(targets, content.put)
    await prior.close()
    await projector.close()
  }
}

async function assessed(how: number) {
  const { swarm } = await syntheticSwarm(1, { rows, dimension: n })
  // one candidate more, whose first numbers are the reference features: the gate lets pass what has causes in common with them
  const [seen, ...all] = syntheticTargets(rows, n, how + 1)
  if (seen === undefined) throw new Error('one was asked for')
  const exact = await createExact(swarm, firstColumns(seen, FEATURES))
  const list = all.map((targets, i) => ({
    targets,
    targetsCid: rawCid(new TextEncoder().encode(`targets ${i}`)),
    author: `author ${i}`,
    key: `key ${i}`
  }))
  return { exact, list }
}

function firstColumns({ rows: height, columns, data }: Matrix32, width: number): Matrix32 {
  const part = Float32Array.from({ length: height * width }, (_, i) => {
    const row = Math.floor(i / width)
    return data[row * columns + (i % width)] as number
  })
  return matrix(height, width, part)
}

async function elections() {
  const { exact, list } = await assessed(candidates)
  return async () => {
    const judged = []
    for (const { targets, ...one } of list) {
      const assessment = await exact.assess(one.targetsCid, 'onnx', targets)
      if (!assessment.admissible) throw new Error(`the gate refuses candidate ${one.key}`)
      judged.push({ ...one, kind: 'onnx' as const, claimed: assessment.uniformValue, assessment })
    }
    for (const policy of ['uniformity', 'consensus'] as const) await exact.elect(judged, policy)
    await exact.close()
  }
}

async function align(content: Content) {
  const { exact, list } = await assessed(2)
  const host = new InferenceHost()
  const gemm = createOrtGemm(host)
  const file = await partition(content)
  const [from, to] = list
  const [raw] = syntheticTargets(count, n, 1)
  if (from === undefined || to === undefined || raw === undefined) throw new Error('they were asked for')
  return async () => {
    for (const { targetsCid, targets } of [from, to]) await exact.assess(targetsCid, 'onnx', targets)
    const transform = await exact.fit(from.targetsCid, to.targetsCid, gemm)
    const targets = await applyTransform(transform, raw, gemm)
    await storeShard(content, file, { targets, weights: rowWeights(targets, to.targets), dtype: 'float32' }, {}, never)
    await content.barrier()
    await host.close()
    await exact.close()
  }
}

async function merge(content: Content) {
  const { swarm, set, evidence } = await syntheticSwarm(partitions)
  return async () => {
    const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
    const { blocks } = await mergeDataset(swarm, set, evidence, view)
    for (const { cid, bytes } of blocks) await content.put(cid, bytes)
    await content.barrier()
  }
}

async function serve(content: Content) {
  const noise = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 2_654_435_761) >>> 24)
  const chunks = Array.from({ length: SERVED_BYTES / noise.byteLength }, (_, i) => Uint8Array.from(noise, v => v ^ i))
  const { cid } = await importBytes(chunks, content.put)
  const { port: _, ...rest } = DEFAULT_CONFIG.gateway
  const gateway = await startGateway(
    { content, memberships: () => [], logger: createLogger({ write: () => {} }), hasNetwork: false },
    { ...rest, any: true, port: 0 }
  )
  return async () => {
    const client = fork(new URL(import.meta.url), ['--client', `${gateway.url}/ipfs/${cid}`])
    const [code] = (await once(client, 'exit')) as [number]
    if (code !== 0) throw new Error('the client failed')
    await gateway.close()
  }
}

/** Ranges and whole files, four at a time. */
async function ask(url: string): Promise<void> {
  let next = 0
  const client = async (): Promise<void> => {
    while (next < REQUESTS) {
      const i = next++
      const start = (i * 7_654_321) % (SERVED_BYTES - 65_536)
      const headers = i % 50 === 0 ? {} : { range: `bytes=${start}-${start + 65_535}` }
      const [response] = (await once(get(url, { headers }), 'response')) as [AsyncIterable<Uint8Array>]
      for await (const chunk of response) if (chunk.byteLength === 0) throw new Error('an empty chunk')
    }
  }
  await Promise.all([client(), client(), client(), client()])
}
