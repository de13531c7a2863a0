/** coopt export: writes a merged dataset as files, one CAR, WebDataset shards or a NumPy array. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { ExportOptions } from '../../api/upkeep.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'
import { UsageError } from '../usage-error.ts'

export function exportCommand(invoke: Invoke): Command {
  return new Command('export')
    .description('write a merged dataset in formats of other programs')
    .argument('<cid>', 'root of a merged dataset', someText)
    .option('--out <dir>', 'new or empty folder for the files of the dataset', someText)
    .option('--car <file>', 'one CAR with all blocks, for Kubo or for coopt import on another machine', someText)
    .option('--webdataset <dir>', 'folder for tar shards of ID.jpg, ID.npy and ID.json', someText)
    .option(
      '--npy <file>',
      'targets as float32 [rows, n]; also writes FILE.weights.npy and FILE.ids.txt in the same order',
      someText
    )
    .action(async (cid: string, outputs: Record<string, string>) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const paths = Object.entries(outputs).map(([name, path]) => [name, resolve(invocation.cwd, path)])
        if (paths.length === 0)
          throw new UsageError('name at least one output: --out DIR, --car FILE, --webdataset DIR or --npy FILE')
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
