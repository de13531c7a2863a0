/** coopt provide: announces in the DHT that this node has a CID. Content of swarms is announced without it. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function provideCommand(invoke: Invoke): Command {
  return new Command('provide')
    .description('announce in the DHT that this node has a CID')
    .argument('<cid>', 'content of this home', someText)
    .action(async (cid: string) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: true }, (api, call) => api.provide(cid, call))
        const text = fieldLines([
          ['provided', report.cid],
          ['DHT peers', report.peers]
        ])
        printReport(invocation, report, text)
      })
    })
}
