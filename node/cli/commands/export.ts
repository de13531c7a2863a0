/** coopt export: a merged dataset as files, one CAR, WebDataset shards or a NumPy array. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { ExportOptions } from '../../api/upkeep.ts'
import { checkCid } from '../cid-argument.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { byteText, fieldLines } from '../text-table.ts'
import { UsageError } from '../usage-error.ts'

export function exportCommand(invoke: Invoke): Command {
  return new Command('export')
    .description('write a merged dataset in forms that other programs take')
    .argument('<cid>', 'root of a merged dataset', someText)
    .option('--out <dir>', 'its files', someText)
    .option(
      '--car <file>',
      'all of it as one CAR: for Kubo, or for coopt import on a machine without network',
      someText
    )
    .option('--webdataset <dir>', 'tar shards: ID.jpg, ID.npy and ID.json', someText)
    .option(
      '--npy <file>',
      'targets as float32 [rows, n]; FILE.weights.npy and FILE.ids.txt are in the same order',
      someText
    )
    .action(async (cid: string, given: Record<string, string>) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        await checkCid(cid)
        const paths = Object.entries(given).map(([name, path]) => [name, resolve(invocation.cwd, path)])
        if (paths.length === 0)
          throw new UsageError('say what to write: --out DIR, --car FILE, --webdataset DIR or --npy FILE')
        const options = Object.fromEntries(paths) as ExportOptions
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: false, onEvent: reporter.onEvent }, (api, call) =>
          api.export(cid, options, call)
        ).finally(reporter.stop)
        const text = fieldLines([
          ['exported', report.cid],
          ['files', report.files],
          ['size', byteText(report.bytes)],
          ['rows', report.rows],
          ['without target', report.withoutTarget === 0 ? undefined : report.withoutTarget],
          ['written', report.written.join(', ')]
        ])
        printResult(invocation, report, text)
      })
    })
}
