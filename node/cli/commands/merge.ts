/**
 * coopt merge: the merged CID, provisional while partitions are missing; --out also writes the files.
 *
 * Catches up with the swarm first, so that a late node computes the same CID as the others.
 */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { ApiEvent } from '../../api/events.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printReport } from '../output.ts'
import { coverageText, peerTable, referenceText } from '../swarm-text.ts'
import { fieldLines } from '../text-table.ts'

export function mergeCommand(invoke: Invoke): Command {
  return new Command('merge')
    .description('print the merged CID of a swarm')
    .argument('<invite>', 'invite, or manifest CID', someText)
    .option('--out <dir>', 'also write the dataset to this new or empty folder', someText)
    .option('--name <key>', 'publish it as an IPNS record under this key of the home', someText)
    .option('--offline', 'use local records only, contact no peers', false)
    .action(async (invite: string, { out, name, offline }: { out?: string; name?: string; offline: boolean }) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const options = {
          ...(out === undefined ? {} : { out: resolve(invocation.cwd, out) }),
          ...(name === undefined ? {} : { name })
        }
        // stdout has the one report, with --json too
        const reporter = createReporter({ ...invocation, json: false })
        const onEvent = (event: ApiEvent): void => {
          if (event.type === 'exporting') reporter.onEvent(event)
        }
        const report = await withApi(invocation, { network: !offline, onEvent }, (api, call) =>
          api.merge(invite, options, call)
        ).finally(reporter.stop)
        const fields = fieldLines([
          ['merged', report.mergedCid],
          ['state', report.provisional ? `provisional: ${coverageText(report.coverage)} of the rows` : 'complete'],
          ['rows', report.rows],
          ['reference', referenceText(report.reference)],
          ['name', report.ipns && `/ipns/${report.ipns.name}`],
          ['record', report.ipns?.record],
          ['written', report.out]
        ])
        printReport(invocation, report, report.peers.length === 0 ? fields : `${fields}\n\n${peerTable(report.peers)}`)
      })
    })
}
