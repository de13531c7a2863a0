/** coopt evaluate: what a merged dataset is worth, measured with labels that nobody took part with. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { EvaluateOptions } from '../../api/evaluate.ts'
import { evaluationText } from '../evaluation-text.ts'
import { checkCid } from '../cid-argument.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { sourceArgument } from '../source-argument.ts'

interface Given {
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
    .description('measure a merged dataset with labels: probes, inconsistency, values against accuracy')
    .argument('<cid>', 'root of a merged dataset', someText)
    .requiredOption('--labels <file>', 'CSV id,label (id = CID of the image), or name,label with --images', someText)
    .option('--images <source...>', 'where the images came from, as for publish: says which image a name is')
    .option('--test <source...>', 'images that are in no dataset, to test on')
    .option('--test-labels <file>', 'their labels, by name or id', someText)
    .option('--prior <prior...>', 'priors that give test images their targets; a linear student does without')
    .option('--report <file>', 'also write a page of figures (HTML)', someText)
    .option('--results <file>', 'results.json of npm run reproduce, for further figures of the page', someText)
    .option('--seed <n>', 'of splits, samples and projections (default: 0)', wholeNumber(0))
    .option('--rows <n>', 'look at this many labelled rows, drawn at random (default: 10000)', wholeNumber(1))
    .action(async (cid: string, given: Given) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        await checkCid(cid)
        const options = absolute(given, invocation.cwd)
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: false, onEvent: reporter.onEvent }, (api, call) =>
          api.evaluate(cid, options, call)
        ).finally(reporter.stop)
        printResult(invocation, report, evaluationText(report))
      })
    })
}

// --- internal ---

function absolute(given: Given, cwd: string): EvaluateOptions {
  const { labels, images, test, testLabels, prior, report, results, seed, rows } = given
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
