/** coopt import: reads a CAR into the store, and joins the swarm of a merged dataset in it with its records. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printResult } from '../output.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'

export function importCommand(invoke: Invoke): Command {
  return new Command('import')
    .description('import the blocks of a CAR, with the swarm and records of a merged dataset in it')
    .argument('<file>', '.car, as coopt export or ipfs dag export write it', someText)
    .action(async (file: string) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: false, onEvent: reporter.onEvent }, (api, call) =>
          api.import(resolve(invocation.cwd, file), call)
        ).finally(reporter.stop)
        const text = [
          fieldLines([
            ['roots', report.roots.join(' ')],
            ['blocks', report.blocks],
            ['size', byteText(report.bytes)]
          ]),
          ...report.rounds.map(round =>
            fieldLines([
              ['swarm', round.name],
              ['manifest', round.manifest],
              ['records', round.records],
              ['merged', round.mergedCid],
              ['missing files', round.missing === 0 ? undefined : round.missing]
            ])
          )
        ].join('\n\n')
        printResult(invocation, report, text)
      })
    })
}
