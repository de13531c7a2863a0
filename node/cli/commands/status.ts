/** coopt status: the swarms of this home, their election and progress. */
import { Command } from 'commander'
import type { StatusReport, SwarmStatus } from '../../api/reports.ts'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { checkFields, coverageText, partitionTable, peerTable, referenceText } from '../swarm-text.ts'
import { fieldLines } from '../text-table.ts'

export function statusCommand(invoke: Invoke): Command {
  return new Command('status')
    .description('show swarms, elections and progress')
    .argument('[invite]', 'show this swarm only')
    .action(async (invite: string | undefined) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: false }, (api, call) => api.status(invite, call))
        printReport(invocation, report, statusText(report))
      })
    })
}

// --- internal ---

function statusText({ peer, addresses, reach, gateway, opening, swarms }: StatusReport): string {
  const head = fieldLines([
    ['peer', peer],
    ['addresses', addresses.length === 0 ? 'none, the network is not running' : addresses.join(' ')],
    ['reachable', reach?.text],
    ['gateway', gateway],
    ['swarms', swarms.length],
    ['opening', opening === undefined ? undefined : `${opening.join(' ')}, waiting for content from other members`]
  ])
  return [head, ...swarms.map(swarmText)].join('\n\n')
}

function swarmText(swarm: SwarmStatus): string {
  const { total, done, mine } = swarm.partitions
  const fields = fieldLines([
    ['swarm', swarm.name],
    ['manifest', swarm.manifest],
    ['role', swarm.role],
    ['partitions', `${done} of ${total} done, ${mine} by this node`],
    ['coverage', coverageText(swarm.coverage)],
    ...checkFields(swarm.checks),
    ['reference', referenceText(swarm.reference) ?? 'not elected yet'],
    ['merged', swarm.complete ? swarm.mergedCid : undefined],
    ['copies', copiesText(swarm.shards)],
    ['invite', swarm.invite]
  ])
  const tables = [swarm.peers.length === 0 ? undefined : peerTable(swarm.peers), partitionTable(swarm.checks)]
  return [fields, ...tables.flatMap(table => table ?? [])].join('\n\n')
}

/** `of 16 shards: 14 held by two or more other peers, 1 by one, 1 by none (partition 7)` */
function copiesText(shards: SwarmStatus['shards']): string | undefined {
  if (shards === undefined || shards.length === 0) return undefined
  const alone = shards.filter(shard => shard.holders === 0)
  const single = shards.filter(shard => shard.holders === 1).length
  const names = alone.slice(0, MAX_NAMED).map(({ partition, here }) => `${partition}${here ? '' : ', not here either'}`)
  const more = alone.length > MAX_NAMED ? ', …' : ''
  return [
    `of ${shards.length} shards:`,
    `${shards.length - single - alone.length} held by two or more other peers,`,
    `${single} by one,`,
    alone.length === 0 ? '0 by none' : `${alone.length} by none (partition ${names.join('; ')}${more})`
  ].join(' ')
}

/** More numbers than this are read with --json. */
const MAX_NAMED = 8
