/** coopt publish: starts a swarm from images in folders, tars, Parquet files or on IPFS; prints its manifest CID and the invite. */
import { Command, Option } from 'commander'
import { TARGET_DTYPES, type TargetDtype } from '../../../src/publish/target-dtype.ts'
import type { PublishOptions } from '../../api/options.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { isRemote, sourceArgument } from '../source-argument.ts'
import { byteText, fieldLines } from '../text-table.ts'

interface Options {
  name: string
  license?: string
  partitions: number
  shared: number
  dim: number
  targetDtype?: TargetDtype
  referencePrior?: string
  election?: 'uniformity' | 'predictivity' | 'consensus'
  centred?: boolean
  allow?: string[]
  dedupe?: boolean
  skipBad?: boolean
}

export function publishCommand(invoke: Invoke): Command {
  return new Command('publish')
    .description('publish images (JPEG, PNG, WebP) as a new swarm')
    .argument(
      '<source...>',
      'folder of images, .tar or WebDataset shards, .parquet with an image column, folder of such files, or CID of a directory on IPFS',
      (text: string, before: string[] | undefined) => [...(before ?? []), someText(text)]
    )
    .requiredOption('--name <name>', 'name of the dataset', someText)
    .option('--partitions <number>', 'number of partitions, the units of work', wholeNumber(1), 16)
    .option('--shared <rows>', 'size of the shared set, in images', wholeNumber(1), 1000)
    .option('--dim <number>', 'dimensions of the targets', wholeNumber(1), 256)
    .addOption(
      new Option('--target-dtype <type>', 'number format of the targets in the dataset (default: float32)').choices(
        TARGET_DTYPES
      )
    )
    .option('--license <text>', 'licence of the images, stated in the manifest', someText)
    .option(
      '--reference-prior <prior>',
      'prior whose features the gate compares with (default: the bundled untrained one)'
    )
    .addOption(
      new Option(
        '--election <policy>',
        'how the reference is elected (default: consensus with --allow, else predictivity)'
      ).choices(['uniformity', 'predictivity', 'consensus'])
    )
    .option('--centred', 'centre targets before their uniform value is computed (default: no)')
    .option('--allow <peer...>', 'peer ids that may take part (default: any)')
    .option('--dedupe', 'drop duplicate images (default: keep them)')
    .option('--skip-bad', 'skip unusable images, and list them (default: stop at the first)')
    .action(async (texts: string[], { dim, referencePrior, ...rest }: Options) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const { priorLocation } = await import('../../api/prior-location.ts')
        const sources = texts.map(text => sourceArgument(invocation.cwd, text))
        const [source = '', ...more] = sources
        const options: PublishOptions = {
          ...rest,
          dimension: dim,
          ...(more.length === 0 ? {} : { more }),
          ...(referencePrior === undefined ? {} : { referencePrior: priorLocation(referencePrior, invocation.cwd) })
        }
        const reporter = createReporter(invocation)
        const report = await withApi(
          invocation,
          { network: sources.some(isRemote), onEvent: reporter.onEvent },
          (api, call) => api.publish(source, options, call)
        ).finally(reporter.stop)
        const text = fieldLines([
          ['manifest', report.manifest],
          [
            'samples',
            `${report.samples}${report.duplicates === 0 ? '' : ` (${report.duplicates} duplicates, ${rest.dedupe === true ? 'dropped' : 'kept'})`}`
          ],
          ...(report.broken === undefined ? [] : [['skipped', `${report.broken} unusable images`] as const]),
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
