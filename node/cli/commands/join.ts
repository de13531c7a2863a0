/** coopt join: takes part in a swarm with a prior until the dataset is complete, and on unless --once. */
import { Command } from 'commander'
import type { JoinOptions } from '../../api/options.ts'
import type { Invoke } from '../invoke.ts'
import { DEVICE_OPTION, someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import type { JoinReport } from '../../api/reports.ts'
import { checkFields, mayChangeText } from '../swarm-text.ts'
import { fieldLines } from '../text-table.ts'

export function joinCommand(invoke: Invoke): Command {
  return new Command('join')
    .description('take part in a swarm with a prior')
    .argument('<invite>', 'invite, or manifest CID', someText)
    .requiredOption(
      '--prior <prior>',
      '.onnx file, folder with model.onnx, labels.csv, table of vectors, bundle (folder or CID), or http://HOST:PORT/v2/models/NAME',
      someText
    )
    .option('--output <name>', 'model output to use as the feature', someText)
    .option('--preprocessing <file>', 'settings of the images, instead of those beside the model', someText)
    .option('--key <column>', 'column with the keys of a table of vectors', someText)
    .option('--images <path>', 'where file names of a table or of labels lead: folder, or CSV name,sha256', someText)
    .option('--once', 'exit when the dataset is complete and work of clearly weaker priors is improved', false)
    .option('--threads <number>', 'threads of the model (default: all cores but one)', wholeNumber(1, 256))
    .option('--workers <number>', 'threads that decode images (default: half the cores)', wholeNumber(1, 256))
    .option('--batch <number>', 'images that go through the model at once (default: by memory)', wholeNumber(1, 1024))
    .option(...DEVICE_OPTION)
    .option('--max-partitions <number>', 'work on at most this many partitions', wholeNumber(1))
    .option('--name <name>', 'public name of the prior (default: from its file)', someText)
    .option('--license <text>', 'public licence of the prior', someText)
    .action(async (invite: string, options: JoinOptions) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const { absolutePaths, priorLocation } = await import('../../api/prior-location.ts')
        const { cwd } = invocation
        const joinOptions = { ...absolutePaths(options, cwd), prior: priorLocation(options.prior, cwd) }
        const reporter = createReporter(invocation)
        const report = await withApi(
          invocation,
          { network: true, checks: true, onEvent: reporter.onEvent },
          (api, call) => api.join(invite, joinOptions, call)
        ).finally(reporter.stop)
        const text = fieldLines([
          ['manifest', report.manifest],
          ['peer', report.peer],
          ['prior', report.prior],
          ['device', report.device],
          ['assumed', report.assumed?.join('; ')],
          ['partitions', report.partitions],
          ['complete', report.complete ? 'yes' : 'no'],
          ...checkFields(report.checks),
          ['unconfirmed', unconfirmedText(report)],
          ['merged', report.mergedCid],
          ['may change', mayChangeText(report.mayChange)]
        ])
        printResult(invocation, report, text)
        // without --once, Ctrl-C is the way to end it
        if (!options.once || report.complete) return
        if (invocation.signal.aborted || report.mergedCid === undefined) invocation.outcome('interrupted')
        // what is left to confirm is work of others
        else if (report.unconfirmed !== undefined) invocation.outcome('unconfirmed')
      })
    })
}

// --- internal ---

function unconfirmedText({ unconfirmed = [] }: JoinReport): string | undefined {
  if (unconfirmed.length === 0) return undefined
  const works = unconfirmed.length === 1 ? 'partition' : 'partitions'
  return `your work on ${works} ${unconfirmed.join(', ')}: keep it available with "coopt up" until another member has checked it`
}
