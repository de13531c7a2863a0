/**
 * `npm run reproduce`: the papers' tables in miniature, with students trained by PyTorch. Writes RESULTS.md and results.json.
 *
 *     npm run reproduce -- [--data DIR] [--figure tab7 …] [--seeds 3] [--jobs 2] [--device cpu] [--python PATH] [--cache DIR] [--out DIR] [--quick]
 *
 * With --figure only the sections of these figures are replaced, and each says when and how it was made. All results are cached, so an interrupted run can be restarted and continues. Without --python (or COOPT_PYTHON) a virtual environment with PyTorch
 * is created below .venv, 6 GB on Linux. --quick takes minutes: fewer rows, epochs and seeds, and only claims with a wide margin; exit code 1 if one
 * of them does not hold. If --quick does not find PyTorch, the closed-form probe of the merged targets replaces the student, and RESULTS.md says so.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { InvalidInputError } from '../../src/errors.ts'
import { DATASETS, loadDatasets, type Dataset } from './datasets.ts'
import { Results, type Figure } from './figure.ts'
import { FIGURES, QUICK_FIGURES } from './figures.ts'
import { dataFiles, IMAGE_SETS, writeImageFiles } from './image-files.ts'
import { markdown, resultsJson, type Document } from './markdown.ts'
import { createPaces } from './pace.ts'
import { createLateAndStrong } from './late-and-strong-run.ts'
import { createPhotoSwarm } from './photo-swarm-run.ts'
import { findTorch, type Torch } from './python.ts'
import { variantsOf } from './raw-targets.ts'
import { realSwarm } from './real-swarm.ts'
import { rememberIn } from './remembered.ts'
import { runSimulations } from './simulations.ts'
import { trainStudents, type Outcome } from './students.ts'
import { joinKept, splitKept } from '../kept-sections.ts'
import { readPage, updatePage, type Page } from './update-page.ts'
import { fullScale, quickScale, runName, type StudentRun, type SwarmSetup } from './work-list.ts'

const ROOT = join(import.meta.dirname, '..', '..')

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: join(ROOT, '..', 'shared', 'data') },
    figure: { type: 'string', multiple: true, default: [] },
    seeds: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string' },
    cache: { type: 'string' },
    /** Folder for RESULTS.md and results.json; by default their place in the repository */
    out: { type: 'string' },
    quick: { type: 'boolean', default: false }
  }
})

const zooSchema = z.object({ priors: z.array(z.object({ name: z.string(), probeAccuracy: z.number() })) })

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () =>
    stop.abort(new Error(`stopped by ${name}; finished work is kept, run the same command to continue`))
  )
try {
  process.exitCode = await reproduce(stop.signal)
} catch (error) {
  // the interrupted step may throw its own error
  const cause: unknown = stop.signal.aborted ? stop.signal.reason : error
  console.error(cause instanceof Error ? cause.message : String(cause))
  process.exitCode = 1
}

// --- internal ---

async function reproduce(signal: AbortSignal): Promise<number> {
  const started = performance.now()
  const { quick, device } = values
  const scale = (quick ? quickScale : fullScale)(whole('--seeds', values.seeds ?? (quick ? '1' : '3')))
  const home = resolve(values.cache ?? join(ROOT, '.cache', 'reproduce'))
  // features and images are the same for both scales
  const [features, images] = [join(home, 'features'), join(home, 'images')]
  const cache = quick ? join(home, 'quick') : home
  const jobs = whole('--jobs', values.jobs)
  const figures = chosenFigures(quick ? QUICK_FIGURES : FIGURES, values.figure)
  const onProgress = (text: string): void => console.error(`${clock(performance.now() - started)} ${text}`)
  await mkdir(cache, { recursive: true })
  const data = await dataFiles(resolve(values.data), cache)

  const setups = unique(
    figures.flatMap(f => f.swarms),
    (s: SwarmSetup) => s.name
  )
  const runs = unique(
    figures.flatMap(f => f.students),
    runName
  )
  const torch = await findTorch({ python: values.python, install: !quick && runs.length > 0 })
  if ('missing' in torch && runs.length > 0 && (!quick || isPythonNamed()))
    throw new InvalidInputError(`students need PyTorch: ${torch.missing}. Name a Python that has it with --python`)
  const real =
    figures.some(f => f.real === true) && !quick
      ? await realSwarm(data.cifar10, { cache, signal, onProgress })
      : undefined
  // swarms need the labels of photos, which are written with the images
  const used = new Set([...setups, ...runs].map(({ images: set = 'cifar10' }) => set))
  for (const set of IMAGE_SETS) {
    // figures without students may need the images of CIFAR-10, too
    if (set === 'cifar10' ? quick && 'missing' in torch : !used.has(set)) continue
    onProgress(`images of ${set} for the students`)
    await writeImageFiles(set, data[set], set === 'cifar10' ? images : join(images, set))
  }
  const reports = await runSimulations(setups, { data, cache, features, scale, jobs, signal, onProgress })
  const students = await trainedOrProbed(
    runs,
    torch,
    async ({ python }) =>
      await trainStudents(runs, { images, python, device, cache, scale, jobs, signal, reports, onProgress }),
    reports,
    scale.seeds
  )

  const zoo = zooSchema.parse(JSON.parse(await readFile(data.cifar10.zoo, 'utf8')))
  const accuracies = new Map(zoo.priors.map(p => [p.name, { accuracy: p.probeAccuracy }]))
  const variants = variantsOf({ cache, labels: join(images, 'train.csv') })
  const photoSwarm = createPhotoSwarm(resolve(values.data), { cache, signal })
  const lateAndStrong = async () => {
    if ('missing' in torch) throw new InvalidInputError(`students need PyTorch: ${torch.missing}`)
    return await createLateAndStrong({ data: resolve(values.data), python: torch.python }, { cache, signal })()
  }
  const paces = createPaces(data.flowers, { cache, signal })
  const loading = new Map<string, Promise<Dataset[]>>()
  const datasets = async (names = DATASETS): Promise<readonly Dataset[]> => {
    const loaded: Dataset[] = []
    for (const name of names) {
      const one =
        loading.get(name) ??
        loadDatasets([name], { data: resolve(values.data), cache: features, swarmOnly: quick, signal, onProgress })
      loading.set(name, one)
      loaded.push(...(await one))
    }
    return loaded
  }
  const results = new Results({
    scale,
    reports,
    students,
    real,
    zoo: accuracies,
    variants,
    paces,
    photoSwarm,
    lateAndStrong,
    datasets,
    onProgress,
    remember: rememberIn(join(cache, 'figures'))
  })
  const sections: Document['sections'][number][] = []
  for (const figure of figures) sections.push({ key: figure.key, section: await figure.section(results) })
  const outcomes = [...students.values()].flat()
  const folder = quick ? cache : values.out
  const document: Document = {
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      node: process.versions.node,
      torch:
        'missing' in torch
          ? `none (${torch.missing}): the closed-form probe of the merged targets stands for students`
          : torch.version,
      device
    },
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run reproduce', ...shownArguments()].join(' '),
    seeds: scale.seeds.length,
    quick,
    seconds: (performance.now() - started) / 1000,
    trainingSeconds: new Set(outcomes).values().reduce((sum, o) => sum + o.seconds, 0),
    students: new Set(outcomes).size,
    sections,
    partial: !quick && values.figure.length > 0,
    pictures: folder === undefined ? 'scripts/reproduce/pictures' : 'pictures'
  }
  const page = join(folder ?? ROOT, 'RESULTS.md')
  const json = join(folder ?? import.meta.dirname, 'results.json')
  const made: Page = { text: markdown(document), json: resultsJson(document) }
  const before = await readPage(page, json)
  const written =
    before === undefined || !document.partial
      ? { ...made, text: joinKept(made.text, before === undefined ? new Map() : splitKept(before.text).kept) }
      : updatePage(
          before,
          made,
          FIGURES.map(f => f.key)
        )
  const drawn = sections.flatMap(({ section }) => section.pictures ?? [])
  const pictures = join(folder ?? import.meta.dirname, 'pictures')
  if (drawn.length > 0) await mkdir(pictures, { recursive: true })
  for (const { name, svg } of drawn) await writeFile(join(pictures, `${name}.svg`), svg)
  await writeFile(page, written.text)
  await writeFile(json, `${JSON.stringify(written.json, undefined, 1)}\n`)
  onProgress(`wrote ${page} and ${json}`)
  if (!quick) return 0
  const broken = sections.flatMap(s => s.section.verdicts.filter(v => v.firm === true && v.outcome === 'does not hold'))
  for (const { claim } of broken) console.error(`does not hold: ${claim}`)
  return broken.length === 0 ? 0 : 1
}

/** Students or, without PyTorch, the linear probe of the merged targets that `coopt simulate` reports. */
async function trainedOrProbed(
  runs: readonly StudentRun[],
  torch: Torch,
  train: (torch: { python: string }) => Promise<Map<string, Outcome[]>>,
  reports: ReadonlyMap<string, { probe?: object }>,
  seeds: readonly number[]
): Promise<Map<string, Outcome[]>> {
  if (runs.length === 0) return new Map()
  if (!('missing' in torch)) return await train(torch)
  console.error(
    `no students are trained: ${torch.missing}. The closed-form probe of the merged targets stands for them`
  )
  const probed = (run: StudentRun): Outcome[] =>
    seeds.map(seed => {
      const probe = reports.get(`${run.swarm}-s${seed}`)?.probe
      if (probe === undefined || !('accuracy' in probe)) throw new Error(`${run.swarm} has no probe`)
      return { accuracy: Number(probe.accuracy), points: [], seconds: 0 }
    })
  return new Map(runs.map(run => [runName(run), probed(run)]))
}

function isPythonNamed(): boolean {
  return (values.python ?? process.env.COOPT_PYTHON) !== undefined
}

function chosenFigures(all: readonly Figure[], keys: readonly string[]): readonly Figure[] {
  const unknown = keys.find(key => all.every(f => f.key !== key))
  if (unknown !== undefined)
    throw new InvalidInputError(`--figure ${unknown} is unknown; choose from ${all.map(f => f.key).join(', ')}`)
  return keys.length === 0 ? all : all.filter(f => keys.includes(f.key))
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map(item => [key(item), item])).values()]
}

function whole(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidInputError(`${option} must be a whole number above 0, not ${text}`)
  return value
}

/** Without paths, which are specific to this machine. */
function shownArguments(): string[] {
  const shown = [
    ...values.figure.flatMap(key => ['--figure', key]),
    ...(values.seeds === undefined ? [] : ['--seeds', values.seeds]),
    ...(values.device === 'cpu' ? [] : ['--device', values.device]),
    ...(values.quick ? ['--quick'] : [])
  ]
  return shown.length === 0 ? [] : ['--', ...shown]
}

function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
