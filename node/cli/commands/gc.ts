/** coopt gc: frees the blocks that no swarm of this home and no pin needs. Safe while a publication is in progress, and on a full disk. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'

export function gcCommand(invoke: Invoke): Command {
  return new Command('gc')
    .description('free blocks that no swarm and no pin needs')
    .option('--dry-run', 'only show what would be freed', false)
    .action(async ({ dryRun }: { dryRun: boolean }) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: false }, (api, call) => api.gc({ dryRun }, call))
        const text = fieldLines([
          [dryRun ? 'would free' : 'freed', `${byteText(report.bytes)} in ${report.blocks} blocks`],
          ['left', byteText(report.left)]
        ])
        printReport(invocation, report, text)
      })
    })
}
