/** coopt provide: tells the DHT that this node has a CID. What a swarm needs is provided anyway, again and again. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function provideCommand(invoke: Invoke): Command {
  return new Command('provide')
    .description('tell the DHT that this node has a CID')
    .argument('<cid>', 'content of this home', someText)
    .action(async (cid: string) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: true }, (api, call) => api.provide(cid, call))
        const text = fieldLines([
          ['provided', report.cid],
          ['peers of the DHT', report.peers]
        ])
        printReport(invocation, report, text)
      })
    })
}
