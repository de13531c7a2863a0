/** coopt evaluate: measures a merged dataset with labels that no participant used. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { EvaluateOptions } from '../../api/evaluate.ts'
import { evaluationText } from '../evaluation-text.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { sourceArgument } from '../source-argument.ts'

interface Options {
  labels: string
  images?: string[]
  test?: string[]
  testLabels?: string
  prior?: string[]
  report?: string
  results?: string
  seed?: number
  rows?: number
}

export function evaluateCommand(invoke: Invoke): Command {
  return new Command('evaluate')
    .description("measure a merged dataset with labels: probe accuracy, inconsistency, priors' values against accuracy")
    .argument('<cid>', 'root of a merged dataset', someText)
    .requiredOption('--labels <file>', 'CSV id,label (id = CID of the image), or name,label with --images', someText)
    .option('--images <source...>', 'source of the images, as for publish: maps file names to images')
    .option('--test <source...>', 'held-out images to test on')
    .option('--test-labels <file>', 'labels of the held-out images, by name or id', someText)
    .option('--prior <prior...>', 'priors that compute targets for the held-out images (default: a linear student)')
    .option('--report <file>', 'also write an HTML report', someText)
    .option('--results <file>', 'results.json of npm run reproduce, for further figures in the report', someText)
    .option('--seed <n>', 'seed of splits, samples and projections (default: 0)', wholeNumber(0))
    .option('--rows <n>', 'use this many labelled rows, drawn at random (default: 10000)', wholeNumber(1))
    .action(async (cid: string, options: Options) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const paths = absolute(options, invocation.cwd)
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: false, onEvent: reporter.onEvent }, (api, call) =>
          api.evaluate(cid, paths, call)
        ).finally(reporter.stop)
        printResult(invocation, report, evaluationText(report))
      })
    })
}

// --- internal ---

function absolute(options: Options, cwd: string): EvaluateOptions {
  const { labels, images, test, testLabels, prior, report, results, seed, rows } = options
  const file = (path: string): string => resolve(cwd, path)
  const source = (text: string): string => sourceArgument(cwd, text)
  return {
    labels: file(labels),
    ...(images === undefined ? {} : { images: images.map(source) }),
    ...(test === undefined ? {} : { test: test.map(source) }),
    ...(testLabels === undefined ? {} : { testLabels: file(testLabels) }),
    ...(prior === undefined ? {} : { priors: prior.map(file) }),
    ...(report === undefined ? {} : { report: file(report) }),
    ...(results === undefined ? {} : { results: file(results) }),
    ...(seed === undefined ? {} : { seed }),
    ...(rows === undefined ? {} : { rows })
  }
}
