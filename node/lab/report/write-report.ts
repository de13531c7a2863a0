/** `coopt evaluate --report`: an evaluation, and a self-contained page about it. */
import { resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import type { EvaluateOptions, EvaluateReport } from '../../api/evaluate.ts'
import { progressReporter, type EvaluateComponents } from '../../evaluate/components.ts'
import { evaluateDataset } from '../../evaluate/evaluate-dataset.ts'
import { writeAll, writeNewFile } from '../../store/new-file.ts'
import { reportPage } from './page.ts'
import { projectionsOf } from './projections.ts'
import { readResults } from './results-file.ts'

/** Errors as those of `evaluateDataset`, and `InvalidInputError` when `path` exists or `options.results` is not a results file. */
export async function writeReport(
  root: CID,
  path: string,
  options: EvaluateOptions,
  components: EvaluateComponents
): Promise<EvaluateReport> {
  const onProgress = progressReporter(components.onEvent)
  const results = options.results === undefined ? undefined : await readResults(resolve(options.results))
  const file = resolve(path)
  const { promise, resolve: done } = Promise.withResolvers<EvaluateReport>()
  // create the file before spending minutes; it is removed if the evaluation fails
  await writeNewFile(file, async handle => {
    const evaluation = await evaluateDataset(root, options, components)
    const report = { ...evaluation.report, report: file }
    const onStep = (step: number, steps: number): void => onProgress('report', step, steps)
    const projections = await projectionsOf(evaluation, { seed: report.seed, onStep, signal: components.signal })
    await writeAll(handle, new TextEncoder().encode(reportPage(report, projections, results)))
    done(report)
  })
  return await promise
}
