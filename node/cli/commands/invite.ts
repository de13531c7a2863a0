/** coopt invite: a fresh invite to a swarm of this home, with the addresses of several members. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'

export function inviteCommand(invoke: Invoke): Command {
  return new Command('invite')
    .description('make a fresh invite to a swarm, on any of its members')
    .argument('[swarm]', 'invite or manifest CID (default: the only swarm of this home)', someText)
    .action(async (swarm: string | undefined) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: false }, (api, call) => api.invite(swarm, call))
        for (const { address, verified } of report.addresses)
          invocation.stderr(`coopt: ${address}${verified ? '' : ' (not verified: no member has tried it yet)'}\n`)
        if (report.addresses.length === 0)
          invocation.stderr('coopt: no address is known: make the invite while the node runs\n')
        printReport(invocation, report, report.invite)
      })
    })
}
