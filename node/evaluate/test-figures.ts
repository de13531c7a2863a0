/** Accuracy of probes that were fitted on a merged dataset's rows, on images outside the dataset. */
import { priorLocation } from '../api/prior-location.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { EvaluateOptions, EvaluateReport } from '../api/evaluate.ts'
import type { SourceAccess } from '../image-sources/source-parts.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import { loadPrior } from '../priors/load-prior.ts'
import type { EvaluateComponents, ReportProgress } from './components.ts'
import type { LabelFile } from './label-file.ts'
import { labelledImages } from './labelled-images.ts'
import type { Participants } from './participants.ts'
import { allProbes } from './probes.ts'
import type { LabelledSample } from './sample-rows.ts'
import {
  alignedPrior,
  linearStudent,
  targetsOf,
  unknownImages,
  type MakerInit,
  type TargetMaker
} from './test-targets.ts'

export interface TestContext {
  readonly merged: OpenMerged
  readonly sample: LabelledSample
  readonly participants: Participants
  readonly components: EvaluateComponents
  readonly onProgress: ReportProgress
}

/** Throws `InvalidInputError` or `InvalidPriorError` for labels, images and priors that cannot be used. */
export async function testFigures(
  { test, priors, seed = 0 }: EvaluateOptions & { test: string[] },
  labels: LabelFile,
  access: SourceAccess,
  { merged, sample, participants, components, onProgress }: TestContext
): Promise<NonNullable<EvaluateReport['test']>> {
  const { content, gemm, projector, batchSize, limits, spool, untrainedPrior, signal } = components
  const { swarm } = participants.round
  const places = new Map(sample.classes.map(({ name }, i) => [name, i]))
  const unknown = labels.names.find(name => !places.has(name))
  if (unknown !== undefined)
    throw new InvalidInputError(`${labels.path} has the class "${unknown}", but the dataset has no labelled row of it`)
  const rows = priors === undefined ? sample.ids.length : swarm.manifest.shared.rows
  const init: MakerInit = { gemm, batchSize, signal, onBatch: done => onProgress('student', done, rows) }
  await using cleanup = new AsyncDisposableStack()
  const makers: TargetMaker[] = []
  for (const path of priors ?? [untrainedPrior]) {
    const prior = await loadPrior(priorLocation(path), { limits, scratch: spool })
    cleanup.defer(async () => await prior.close())
    const round = { swarm, reference: participants.reference.targets, content, projector }
    makers.push(
      priors === undefined
        ? await linearStudent(prior, { merged, sample }, init)
        : await alignedPrior(prior, round, init)
    )
  }
  let known = 0
  const images = unknownImages(labelledImages(test, labels, access), sample.ids, () => known++)
  const found = await targetsOf(makers, images, { ...init, onBatch: done => onProgress('test', done) })
  if (found.labels.length === 0)
    throw new InvalidInputError(
      `all ${known} labelled images of ${test.join(', ')} are rows of the dataset: use other test images`
    )
  const tested = Int32Array.from(found.labels, label => places.get(labels.names[label] as string) as number)
  const results: NonNullable<EvaluateReport['test']>['results'] = []
  for (const [i, { name, looR2 }] of makers.entries()) {
    const { report } = await allProbes(
      {
        features: sample.targets,
        labels: sample.labels,
        classes: sample.classes.length,
        seed,
        gemm,
        signal,
        test: { features: found.targets[i] as (typeof found.targets)[number], labels: tested }
      },
      (done, total) => onProgress('probes', done, total)
    )
    results.push({ name, looR2, probes: report })
  }
  return { by: priors === undefined ? 'linear student' : 'priors', images: tested.length, known, results }
}
