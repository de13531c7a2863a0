/** coopt prior check: how a node reads a prior, and with --shared whether a swarm would accept it. coopt prior pack: a bundle of it. */
import { extname, resolve } from 'node:path'
import { Command } from 'commander'
import type { PriorCheckOptions } from '../../api/options.ts'
import type { PriorReport } from '../../api/reports.ts'
import type { Invocation } from '../context.ts'
import type { Invoke } from '../invoke.ts'
import { DEVICE_OPTION, someText } from '../option-values.ts'
import { createReporter, printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'
import { UsageError } from '../usage-error.ts'
import { priorText } from '../prior-text.ts'

export function priorCommand(invoke: Invoke): Command {
  const check = new Command('check')
    .description('show input, feature, preprocessing and speed, or why the prior is refused')
    .argument(
      '<prior>',
      '.onnx file, folder with model.onnx, labels.csv, table of vectors, bundle (folder or CID), or http://HOST:PORT/v2/models/NAME',
      someText
    )
    .option('--image <file>', 'also compute the feature of this image', someText)
    .option('--output <name>', 'model output to use as the feature', someText)
    .option('--preprocessing <file>', 'settings of the images, instead of those beside the model', someText)
    .option('--key <column>', 'column with the keys of a table of vectors', someText)
    .option('--images <path>', 'where file names of a table or of labels lead: folder, or CSV name,sha256', someText)
    .option(...DEVICE_OPTION)
    .option(
      '--shared <invite>',
      'also show whether this swarm or merged dataset would accept it (invite or CID)',
      someText
    )
    .action(async (prior: string, { shared, ...rest }: PriorCheckOptions) => {
      await invoke(async invocation => {
        const { absolutePaths, priorLocation } = await import('../../api/prior-location.ts')
        const { directoryCid } = await import('../../api/directory-cid.ts')
        const isCid = directoryCid(prior) !== undefined
        const options = absolutePaths(rest, invocation.cwd)
        const path = priorLocation(prior, invocation.cwd)
        const report =
          shared === undefined && !isCid
            ? await (await invocation.loadBackend()).checkPrior(path, options, invocation.home)
            : await checkInHome(invocation, path, { ...options, ...(shared === undefined ? {} : { shared }) })
        printReport(invocation, report, priorText(report))
        if (report.refusals.length > 0) invocation.outcome('input')
        else if (report.shared?.admitted === false) invocation.outcome('refused')
      })
    })
  const pack = new Command('pack')
    .description('pack a model into a bundle that others can run again')
    .argument('<prior>', '.onnx file or folder with model.onnx', someText)
    .requiredOption('--out <path>', 'new FILE.car, or a new folder', someText)
    .option('--license <spdx>', 'public licence of the model', someText)
    .option('--name <name>', 'public name of the prior (default: from its file)', someText)
    .option('--output <name>', 'model output to use as the feature', someText)
    .option(
      '--images <source>',
      'folder, tar or Parquet file to draw the golden images from (default: synthetic)',
      someText
    )
    .option('--store', 'also store, pin and serve it from the home', false)
    .action(async (prior: string, options: PackArguments) => {
      await invoke(async invocation => await packPrior(invocation, prior, options))
    })
  return new Command('prior').description('check and pack prior models').addCommand(check).addCommand(pack)
}

// --- internal ---

interface PackArguments {
  out: string
  license?: string
  name?: string
  output?: string
  images?: string
  store: boolean
}

async function packPrior(
  invocation: Invocation,
  prior: string,
  { store, out, images, ...options }: PackArguments
): Promise<void> {
  const { cwd, home } = invocation
  const path = resolve(cwd, out)
  const isCar = extname(path).toLowerCase() === '.car'
  if (store && !isCar) throw new UsageError('--store imports the bundle from a CAR file: use it with --out FILE.car')
  const backend = await invocation.loadBackend()
  const report = await backend.packPrior(resolve(cwd, prior), {
    ...options,
    out: path,
    ...(images === undefined ? {} : { images: resolve(cwd, images) })
  })
  if (store) {
    const { withApi } = await import('../session.ts')
    await withApi(invocation, { network: false }, async (api, call) => {
      await api.import(path, call)
      await api.pin(report.cid, {}, call)
    })
  }
  const text = fieldLines([
    ['bundle', report.cid],
    ['name', report.name],
    ['prior', report.prior],
    ['licence', report.license ?? 'not stated: give --license'],
    ['size', byteText(report.bytes)],
    ['written', report.out],
    ['stored', store ? `${home}, pinned` : undefined]
  ])
  printReport(invocation, { ...report, stored: store }, text)
}

/** Needs peers for a swarm, and for a bundle that has to be fetched; a merged dataset in the store needs none. */
async function checkInHome(invocation: Invocation, prior: string, options: PriorCheckOptions): Promise<PriorReport> {
  const { withApi } = await import('../session.ts')
  const { directoryCid } = await import('../../api/directory-cid.ts')
  const { shared } = options
  const isDataset = shared !== undefined && directoryCid(shared) !== undefined
  const network = !isDataset || directoryCid(prior) !== undefined
  // one JSON object, as without --shared: progress is for people
  const reporter = invocation.json ? undefined : createReporter(invocation)
  const onEvent = reporter?.onEvent ?? (() => undefined)
  return await withApi(invocation, { network, onEvent }, (api, call) => api.priorCheck(prior, options, call)).finally(
    reporter?.stop
  )
}
