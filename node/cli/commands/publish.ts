/** coopt publish: starts a swarm from images in folders, tars, Parquet files or on IPFS; prints its manifest CID and the invite. */
import { Command, Option } from 'commander'
import { MAX_QUORUM, POLICY_NAMES } from '../../../src/distribute/manifest.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { TARGET_DTYPES, type TargetDtype } from '../../../src/publish/target-dtype.ts'
import { type PublishOptions, SOURCE_KINDS, type SourceKind } from '../../api/options.ts'
import { leftOutText } from '../../image-sources/left-out.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { isPipe, isRemote, sourceArgument } from '../source-argument.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'

interface Options {
  name: string
  license?: string
  partitions: number
  shared?: number
  dim: number
  targetDtype?: TargetDtype
  referencePrior?: string
  election?: PublishOptions['election']
  centred?: boolean
  allow?: string[]
  quorum?: number
  dedupe?: boolean
  skipBad?: boolean
  column?: string
  component?: string
  only?: SourceKind
  maxPixels?: number
  maxImageBytes?: number
}

export function publishCommand(invoke: Invoke): Command {
  return new Command('publish')
    .description('publish images (JPEG, PNG, WebP) as a new swarm')
    .argument(
      '<source...>',
      'folder of images, tar or WebDataset shards (also .gz, .zst), Parquet or Arrow files with an image column, folder of such files, CID of a directory on IPFS, or - for a tar on stdin',
      (text: string, before: string[] | undefined) => [...(before ?? []), someText(text)]
    )
    .requiredOption('--name <name>', 'name of the dataset', someText)
    .option('--partitions <number>', 'number of partitions, the units of work', wholeNumber(1), 16)
    .option(
      '--shared <rows>',
      'size of the shared set, in images (default: one partition, 1000 or 2 rows a dimension, whichever is most, up to 10000)',
      wholeNumber(1)
    )
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
        'how the reference is elected (default: consensus with --allow, else corroboration)'
      ).choices(POLICY_NAMES)
    )
    .option('--centred', 'centre targets before their uniform value is computed (default: no)')
    .option('--allow <peer...>', 'peer ids that may take part (default: any)')
    .option(
      '--quorum <number>',
      'other members that must hold and check work before it counts as finished; 0: none (default: 1)',
      wholeNumber(0, MAX_QUORUM)
    )
    .option('--dedupe', 'drop duplicate images (default: keep them)')
    .option('--skip-bad', 'skip unusable images and archives, and list them (default: stop)')
    .option(
      '--column <name>',
      'column of Parquet or Arrow files that has the images (default: by type and name)',
      someText
    )
    .option('--component <name>', 'file of each WebDataset sample that is the image: jpg, seg.png, or all', someText)
    .addOption(new Option('--only <kind>', 'files to read where a folder has several kinds').choices([...SOURCE_KINDS]))
    .option(
      '--max-pixels <number>',
      'most pixels of an image, for every participant (default: 178956970)',
      wholeNumber(1)
    )
    .option('--max-image-bytes <number>', 'most bytes of an encoded image (default: 67108864)', wholeNumber(1))
    .action(async (texts: string[], { dim, referencePrior, ...rest }: Options) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const { priorLocation } = await import('../../api/prior-location.ts')
        const sources = texts.map(text => sourceArgument(invocation.cwd, text))
        const [source = '', ...more] = sources
        const pipe = sources.find(isPipe)
        const { connectApi } = await import('../../api/http/client.ts')
        if (pipe !== undefined && (await connectApi(invocation.home)) !== undefined) {
          throw new InvalidInputError(
            `${pipe} is a pipe of this command, which the daemon of ${invocation.home} cannot read: write it to a file and give that, or end the daemon with "coopt down"`
          )
        }
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
          ...report.leftOut.map(entry => ['left out', leftOutText(entry)] as const),
          ['partitions', report.partitions],
          [
            'shared set',
            `${report.shared} rows${report.sharedReason === undefined ? '' : ` (chosen: ${report.sharedReason})`}`
          ],
          ['dimension', report.dimension],
          ['confirmed by', report.confirmedBy],
          ['size', byteText(report.bytes)],
          ['invite', report.invite]
        ])
        printResult(invocation, report, text)
      })
    })
}
