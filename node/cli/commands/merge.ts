/**
 * coopt merge: the merged CID, provisional while partitions are missing or not confirmed; --out also writes the files. With --confirmed or --trust a
 * local view, which is not the dataset of the swarm.
 *
 * Catches up with the swarm first, so that a late node computes the same CID as the others.
 */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { ApiEvent } from '../../api/events.ts'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { createReporter, printReport } from '../output.ts'
import { checkFields, coverageText, peerTable, referenceText } from '../swarm-text.ts'
import { fieldLines } from '../text-table.ts'

interface Flags {
  out?: string
  name?: string
  confirmed?: number
  trust?: string[]
  offline: boolean
}

export function mergeCommand(invoke: Invoke): Command {
  return new Command('merge')
    .description('print the merged CID of a swarm')
    .argument('<invite>', 'invite, or manifest CID', someText)
    .option('--out <dir>', 'also write the dataset to this new or empty folder', someText)
    .option('--name <key>', 'publish it as an IPNS record under this key of the home', someText)
    .option(
      '--confirmed <number>',
      'a local view: only work that this many others hold and find plausible',
      wholeNumber(1)
    )
    .option('--trust <peer...>', 'a local view: only work that these peers hold and find plausible')
    .option('--offline', 'use local records only, contact no peers', false)
    .action(async (invite: string, { out, offline, ...rest }: Flags) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const options = {
          ...(out === undefined ? {} : { out: resolve(invocation.cwd, out) }),
          ...rest
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
          [report.localView === true ? 'local view' : 'merged', report.mergedCid],
          [
            '',
            report.localView === true
              ? 'not the dataset of the swarm: work that the rule does not accept is left out'
              : undefined
          ],
          ['state', report.provisional ? `provisional: ${coverageText(report.coverage)} of the rows` : 'complete'],
          ...checkFields(report.checks),
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
