/** coopt doctor: looks for what keeps a node from working. Its output may be pasted into a report. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'

export function doctorCommand(invoke: Invoke): Command {
  return new Command('doctor')
    .description('look for what keeps this node from working')
    .argument('[invite]', 'also try the addresses of this invite, one by one', someText)
    .option('--prior <prior>', 'also look at this model', someText)
    .action(async (invite: string | undefined, { prior }: { prior?: string }) => {
      await invoke(async invocation => {
        const { examine } = await import('../../doctor/doctor.ts')
        const { priorLocation } = await import('../../api/prior-location.ts')
        const report = await examine(invocation.home, {
          ...(invite === undefined ? {} : { invite }),
          ...(prior === undefined ? {} : { prior: priorLocation(prior, invocation.cwd) })
        })
        const lines = report.findings.flatMap(({ level, about, text, remedy }) => [
          `${level.padEnd(4)}  ${about}: ${text}`,
          ...(remedy === undefined || level === 'ok' ? [] : [`      -> ${remedy}`])
        ])
        printReport(invocation, report, lines.join('\n'))
        if (report.level === 'fail') invocation.outcome('failure')
      })
    })
}
