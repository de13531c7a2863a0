/**
 * `coopt evaluate CID`: measures the quality of a merged dataset with labels that no participant saw. Everything but the labels comes from the
 * dataset itself: rows, records, S_Y and the reference.
 */
import { resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { InvalidInputError } from '../../src/errors.ts'
import type { EvaluateOptions, EvaluateReport } from '../api/evaluate.ts'
import type { SourceAccess } from '../image-sources/source-parts.ts'
import { openMerged } from '../merge/open-merged.ts'
import { progressReporter, type EvaluateComponents, type ReportProgress } from './components.ts'
import { readLabels, type LabelFile } from './label-file.ts'
import { labelledImages } from './labelled-images.ts'
import { readParticipants, type Participants } from './participants.ts'
import { allProbes } from './probes.ts'
import { correlations, participantTable } from './participant-table.ts'
import { sampleRows, type LabelledSample } from './sample-rows.ts'
import { inconsistency } from './shared-figures.ts'
import { testFigures } from './test-figures.ts'

/** With this many rows, a probe of 128 dimensions has a standard error of half a percent and takes a minute. */
export const DEFAULT_ROWS = 10_000

export interface Evaluation {
  readonly report: EvaluateReport
  readonly list: Participants['list']
  /** Class of every shared row; -1 without a label */
  readonly sharedLabels: Int32Array
}

/**
 * All figures, and the data for a page about them (lab/report/write-report.ts). `options.report` and `options.results` are for that page.
 *
 * Throws `InvalidContentError` when `root` is not a merged dataset, `ContentUnavailableError`, and `InvalidInputError` or
 * `InvalidPriorError` for labels, images and priors that cannot be used.
 */
export async function evaluateDataset(
  root: CID,
  options: EvaluateOptions,
  components: EvaluateComponents
): Promise<Evaluation> {
  checkOptions(options)
  const onProgress = progressReporter(components.onEvent)
  const { content, gemm, signal } = components
  const { seed = 0, rows: most = DEFAULT_ROWS } = options
  const access: SourceAccess = { signal, remote: { get: async cid => await content.block(cid, { signal }) } }

  // check options before spending minutes
  const labels = await readLabels(resolve(options.labels))
  const testLabels = options.testLabels === undefined ? undefined : await readLabels(resolve(options.testLabels))
  const merged = await openMerged(root, content, { signal })
  const labelOf = await labelsById(labels, options.images, access, onProgress)
  const { samples } = merged.manifest
  const sample = await sampleRows(merged, {
    names: labels.names,
    labelOf,
    source: labels.path,
    most,
    seed,
    onRow: done => onProgress('rows', done, samples),
    signal
  })
  const participants = await readParticipants(merged, {
    content,
    gemm,
    seed,
    signal,
    onPrior: (done, total) => onProgress('alignments', done, total)
  })

  const { targets, classes } = sample
  const init = { features: targets, labels: sample.labels, classes: classes.length, seed, gemm, signal }
  const { report: probes, ridge } = await allProbes(init, (done, total) => onProgress('probes', done, total))
  const { list } = participants
  const apart = await inconsistency(list, { seed, signal, onStep: (d, t) => onProgress('inconsistency', d, t) })
  const sharedLabels = await labelsOfShared(participants, labelOf, labels.names, classes, components)
  const table = await participantTable(participants, sample, ridge, sharedLabels, { seed, gemm })
  const test =
    options.test === undefined || testLabels === undefined
      ? undefined
      : await testFigures({ ...options, test: options.test }, testLabels, access, {
          merged,
          sample,
          participants,
          components,
          onProgress
        })

  const report: EvaluateReport = {
    cid: root.toString(),
    manifest: participants.round.swarm.id.toString(),
    name: merged.manifest.name,
    seed,
    rows: { ...sample.counts, used: targets.rows },
    classes: classes.map(one => ({ ...one })),
    reference: participants.reference.cid.toString(),
    probes,
    inconsistency: apart,
    participants: table,
    correlation: correlations(table),
    ...(test === undefined ? {} : { test }),
    notes: notesOf(sample, participants, test)
  }
  return { report, list, sharedLabels }
}

// --- internal ---

function checkOptions({ images, test, testLabels, priors, results, report }: EvaluateOptions): void {
  if ((test === undefined) !== (testLabels === undefined))
    throw new InvalidInputError('--test and --test-labels must be used together')
  if (priors !== undefined && test === undefined)
    throw new InvalidInputError('--prior computes targets of test images: name the images with --test')
  if (results !== undefined && report === undefined)
    throw new InvalidInputError('--results adds figures to a report: name its file with --report')
  if (images?.length === 0) throw new InvalidInputError('--images names no source')
}

/** Class index of an image by its CID. */
async function labelsById(
  labels: LabelFile,
  images: readonly string[] | undefined,
  access: SourceAccess,
  onProgress: ReportProgress
): Promise<(id: string) => number | undefined> {
  if (labels.by === 'id') return labels.of
  if (images === undefined)
    throw new InvalidInputError(`${labels.path} labels images by name: give the images with --images SOURCE`)
  const known = new Map<string, number>()
  let done = 0
  for await (const { id, label } of labelledImages(images, labels, access)) {
    const other = known.get(id)
    if (other !== undefined && other !== label)
      throw new InvalidInputError(
        `${labels.path} calls the image ${id} both "${labels.names[other]}" and "${labels.names[label]}"`
      )
    known.set(id, label)
    onProgress('images', ++done)
  }
  return id => known.get(id)
}

/** Index into `classes` of every shared row; -1 without a label or in a class that the sample lacks. */
async function labelsOfShared(
  { round: { swarm } }: Participants,
  labelOf: (id: string) => number | undefined,
  names: readonly string[],
  classes: LabelledSample['classes'],
  { content, signal }: EvaluateComponents
): Promise<Int32Array> {
  const { shared } = swarm.manifest
  const places = new Map(classes.map(({ name }, i) => [name, i]))
  const out = new Int32Array(shared.rows).fill(-1)
  let i = 0
  for await (const { id } of content.samples(shared, 0, signal)) {
    const label = labelOf(id)
    out[i++] = label === undefined ? -1 : (places.get(names[label] as string) ?? -1)
  }
  return out
}

function notesOf(sample: LabelledSample, { others }: Participants, test: EvaluateReport['test']): string[] {
  const { counts, targets } = sample
  const notes: string[] = []
  if (targets.rows < counts.labelled)
    notes.push(`${targets.rows} of ${counts.labelled} labelled rows were used: --rows changes that number`)
  if (counts.labelled < counts.withTarget)
    notes.push(`${counts.withTarget - counts.labelled} rows with a target have no label or a duplicate image`)
  if (others > 0) notes.push(`${others} more priors have targets in the evidence but are left out`)
  if (test !== undefined && test.known > 0)
    notes.push(`${test.known} test images are among the rows used, or duplicates, and were left out`)
  if (test?.by === 'linear student')
    notes.push(
      'test images got their targets from a linear student: ridge regression from features of the bundled untrained network to the targets of the rows used; --prior uses priors instead'
    )
  if (test?.by === 'priors')
    notes.push(
      'test images got their targets from the priors named with --prior, each aligned to the reference on the shared set'
    )
  return notes
}
