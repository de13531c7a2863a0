/** coopt publish: a folder or tar of images becomes a swarm; prints its manifest CID and the invite. */
import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { TARGET_DTYPES, type TargetDtype } from '../../../src/publish/target-dtype.ts'
import type { PublishOptions } from '../../api.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { byteText, fieldLines } from '../text-table.ts'

interface Options {
  name: string
  license?: string
  partitions: number
  shared: number
  dim: number
  targetDtype?: TargetDtype
  referencePrior?: string
  election?: 'uniformity' | 'predictivity'
  allow?: string[]
}

export function publishCommand(invoke: Invoke): Command {
  return new Command('publish')
    .description('turn a folder or tar of images (JPEG, PNG, WebP) into a swarm')
    .argument('<source>', 'folder, or .tar of images', someText)
    .requiredOption('--name <name>', 'name of the dataset', someText)
    .option('--partitions <number>', 'pieces of work', wholeNumber(1), 16)
    .option('--shared <rows>', 'rows of the shared set', wholeNumber(1), 1000)
    .option('--dim <number>', 'dimensions of every target', wholeNumber(1), 256)
    .addOption(
      new Option('--target-dtype <type>', 'numbers of the targets in the dataset (default: float32)').choices(
        TARGET_DTYPES
      )
    )
    .option('--license <text>', 'licence of the images, stated in the manifest', someText)
    .option(
      '--reference-prior <prior>',
      'prior for the features the gate judges against (default: the bundled untrained one)'
    )
    .addOption(
      new Option('--election <policy>', 'how the reference is elected').choices(['uniformity', 'predictivity'])
    )
    .option('--allow <peer...>', 'peer ids that may take part (default: everybody)')
    .action(async (source: string, { dim, referencePrior, ...rest }: Options) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const options: PublishOptions = {
          ...rest,
          dimension: dim,
          ...(referencePrior === undefined ? {} : { referencePrior: resolve(invocation.cwd, referencePrior) })
        }
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: false, onEvent: reporter.onEvent }, (api, call) =>
          api.publish(resolve(invocation.cwd, source), options, call)
        ).finally(reporter.stop)
        const text = fieldLines([
          ['manifest', report.manifest],
          ['samples', `${report.samples}${report.duplicates === 0 ? '' : ` (${report.duplicates} duplicates, kept)`}`],
          ['partitions', report.partitions],
          ['shared set', `${report.shared} rows`],
          ['dimension', report.dimension],
          ['size', byteText(report.bytes)],
          ['invite', report.invite]
        ])
        printResult(invocation, report, text)
      })
    })
}
