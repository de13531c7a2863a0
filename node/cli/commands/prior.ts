/** coopt prior check: what a node, and with --shared a swarm, would make of a prior. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { PriorCheckOptions } from '../../api-options.ts'
import type { PriorReport } from '../../api-reports.ts'
import type { Invocation } from '../context.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printReport } from '../output.ts'
import { priorText } from '../prior-text.ts'

export function priorCommand(invoke: Invoke): Command {
  const check = new Command('check')
    .description('show input, feature, preprocessing and speed, or why it is refused')
    .argument('<prior>', '.onnx file, folder with model.onnx, or labels.csv', someText)
    .option('--image <file>', 'also compute the feature of this image', someText)
    .option('--output <name>', 'output of the model to take as the feature', someText)
    .option(
      '--shared <invite>',
      'also: what would become of it in this swarm or merged dataset (invite or CID)',
      someText
    )
    .action(async (prior: string, { image, output, shared }: PriorCheckOptions) => {
      await invoke(async invocation => {
        const options = {
          ...(image === undefined ? {} : { image: resolve(invocation.cwd, image) }),
          ...(output === undefined ? {} : { output })
        }
        const path = resolve(invocation.cwd, prior)
        const report =
          shared === undefined
            ? await (await invocation.loadBackend()).checkPrior(path, options)
            : await checkShared(invocation, path, { ...options, shared })
        printReport(invocation, report, priorText(report))
        if (report.refusals.length > 0) invocation.outcome('input')
        else if (report.shared?.admitted === false) invocation.outcome('refused')
      })
    })
  return new Command('prior').description('look at prior models').addCommand(check)
}

// --- internal ---

async function checkShared(
  invocation: Invocation,
  path: string,
  options: PriorCheckOptions & { shared: string }
): Promise<PriorReport> {
  const { withApi } = await import('../session.ts')
  const { decodeInvite } = await import('../../../src/distribute/invite.ts')
  const { directoryCid } = await import('../../directory-cid.ts')
  const isDataset = directoryCid(options.shared) !== undefined
  if (!isDataset) decodeInvite(options.shared) // a cut invite is told before the network comes up
  // one JSON object, as without --shared: progress is for people
  const reporter = invocation.json ? undefined : createReporter(invocation)
  const onEvent = reporter?.onEvent ?? (() => undefined)
  return await withApi(invocation, { network: !isDataset, onEvent }, (api, call) =>
    api.priorCheck(path, options, call)
  ).finally(reporter?.stop)
}
