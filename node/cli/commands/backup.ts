/** coopt backup and coopt restore: what makes this node itself, as one file. Both need no node; a running one may be backed up. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function backupCommand(invoke: Invoke): Command {
  return new Command('backup')
    .description(
      'save identity, keys, settings, sequence numbers and own records in one file; whoever has it is this node'
    )
    .argument('<file>', 'a new .tar', someText)
    .action(async (file: string) => {
      await invoke(async invocation => {
        const { backUpHome } = await import('../../home/archive/back-up-home.ts')
        const report = await backUpHome(invocation.home, resolve(invocation.cwd, file))
        const text = fieldLines([
          ['file', `${report.file} (holds the private key: keep it secret)`],
          ['peer', report.peer],
          ['swarms', report.swarms],
          ['own records', report.records],
          ['keys of names', report.keys],
          ['left out', report.leftOut.length === 0 ? undefined : `${report.leftOut.join(' ')}: damaged manifests`],
          ['not in it', [...report.elsewhere, 'blocks: other members have what was published'].join('; ')]
        ])
        printReport(invocation, report, text)
      })
    })
}

export function restoreCommand(invoke: Invoke): Command {
  return new Command('restore')
    .description('make a home from a backup; the directory must be new or empty')
    .argument('<file>', 'what coopt backup wrote', someText)
    .action(async (file: string) => {
      await invoke(async invocation => {
        const { restoreHome } = await import('../../home/archive/restore-home.ts')
        const report = await restoreHome(resolve(invocation.cwd, file), invocation.home)
        const text = fieldLines([
          ['home', report.home],
          ['peer', report.peer],
          ['backup of', report.at],
          ['swarms', report.swarms],
          ['own records', report.records]
        ])
        printReport(invocation, report, text)
      })
    })
}
