/** coopt init: identity and config in the home directory. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function initCommand(invoke: Invoke): Command {
  return new Command('init')
    .description('make the home directory: identity and config')
    .option('--listen <multiaddr...>', 'addresses to listen on, e.g. /ip4/0.0.0.0/tcp/4001')
    .option('--no-mdns', 'do not look for members on the local network')
    .action(async (options: { listen?: string[]; mdns: boolean }) => {
      await invoke(async invocation => {
        const backend = await invocation.loadBackend()
        const report = await backend.initHome(invocation.home, options)
        const note = report.created ? undefined : 'was there already, nothing changed'
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
