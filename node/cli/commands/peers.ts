/** coopt peers: the peers that this node knows, and whether it is connected to them. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { textTable } from '../text-table.ts'

export function peersCommand(invoke: Invoke): Command {
  return new Command('peers').description('list known and connected peers').action(async () => {
    await invoke(async invocation => {
      const { withApi } = await import('../session.ts')
      const peers = await withApi(invocation, { network: false }, (api, call) => api.peers(call))
      const rows = peers.map(({ peer, connected, latencyMs, swarms, agent, addresses }) => [
        peer,
        connected ? 'yes' : 'no',
        latencyMs === undefined ? undefined : `${latencyMs.toFixed(0)} ms`,
        swarms.length,
        agent,
        addresses[0]
      ])
      const text = textTable(['peer', 'connected', 'ping', 'swarms', 'agent', 'address'], rows)
      printReport(invocation, { peers }, peers.length === 0 ? 'no peers known' : text)
    })
  })
}
