/** coopt init: creates the home directory with an identity and a configuration. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function initCommand(invoke: Invoke): Command {
  return new Command('init')
    .description('create the home directory with an identity and a configuration')
    .option(
      '--listen <multiaddr...>',
      'addresses to listen on (default: all, one free port), e.g. /ip4/0.0.0.0/tcp/24001'
    )
    .option('--no-mdns', 'do not search the local network for members')
    .action(async (options: { listen?: string[]; mdns: boolean }) => {
      await invoke(async invocation => {
        const backend = await invocation.loadBackend()
        const report = await backend.initHome(invocation.home, options)
        const note = report.created ? undefined : 'existed already, nothing changed'
        printReport(
          invocation,
          report,
          fieldLines([
            ['home', report.home],
            ['peer', report.peer],
            ['note', note]
          ])
        )
      })
    })
}
