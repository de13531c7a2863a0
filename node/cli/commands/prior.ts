/** coopt prior check: what a node would make of a prior, without a swarm. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { PriorReport } from '../../api-reports.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'
import { byteText, fieldLines } from '../text-table.ts'

export function priorCommand(invoke: Invoke): Command {
  const check = new Command('check')
    .description('show input, feature, preprocessing and speed, or why it is refused')
    .argument('<prior>', '.onnx file, folder with model.onnx, or labels.csv', someText)
    .option('--image <file>', 'also compute the feature of this image', someText)
    .option('--output <name>', 'output of the model to take as the feature', someText)
    .action(async (prior: string, { image, output }: { image?: string; output?: string }) => {
      await invoke(async invocation => {
        const options = {
          ...(image === undefined ? {} : { image: resolve(invocation.cwd, image) }),
          ...(output === undefined ? {} : { output })
        }
        const backend = await invocation.loadBackend()
        const report = await backend.checkPrior(resolve(invocation.cwd, prior), options)
        printReport(invocation, report, priorText(report))
        if (report.refusals.length > 0) invocation.outcome('input')
      })
    })
  return new Command('prior').description('look at prior models').addCommand(check)
}

// --- internal ---

function priorText(report: PriorReport): string {
  const { input, output, feature, imagesPerSecond, refusals } = report
  return fieldLines([
    ['prior', `${report.name} (${report.kind}, ${byteText(report.bytes)})`],
    ['id', report.id],
    ['input', input === undefined ? undefined : `${input.name} [${input.shape.join(', ')}]`],
    ['feature', output === undefined ? undefined : `${output.name}: ${output.rule}`],
    ['l', report.dimension],
    ...report.preprocessing.map((step, i) => [i === 0 ? 'preprocess' : '', step] as const),
    ['speed', imagesPerSecond === undefined ? undefined : `${imagesPerSecond.toFixed(1)} images/s`],
    [
      'of image',
      feature === undefined
        ? undefined
        : `norm ${feature.norm.toFixed(4)}, [${feature.head.map(v => v.toFixed(4)).join(', ')}, …]`
    ],
    ...(refusals.length === 0 ? [['refused', 'no'] as const] : refusals.map(reason => ['refused', reason] as const))
  ])
}
