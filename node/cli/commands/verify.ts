/** coopt verify: replays everything that can be recomputed from a merged root. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'
import { printReport } from '../output.ts'
import { textTable } from '../text-table.ts'

/** Detects a prior with one fabricated row in ten with a probability of 97 %. */
const RERUN_ROWS = 32

export function verifyCommand(invoke: Invoke): Command {
  return new Command('verify')
    .description(
      'recompute and check everything in a merged dataset: signatures, uniform values, election, alignments, shards'
    )
    .argument('<cid>', 'root of a merged dataset', someText)
    .option('--rerun', 'run bundled priors again: models of other people, in a process without rights', false)
    .option(
      '--sample <rows>',
      `run them on this many random rows of each prior (default: ${RERUN_ROWS})`,
      wholeNumber(1, 65_536)
    )
    .action(async (cid: string, { rerun, sample }: { rerun: boolean; sample?: number }) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const report = await withApi(invocation, { network: false }, (api, call) =>
          api.verify(cid, rerun || sample !== undefined ? { rerun: sample ?? RERUN_ROWS } : {}, call)
        )
        const rows = report.checks.map(({ name, ok, detail }) => [ok ? 'ok' : 'FAILED', name, detail])
        printReport(
          invocation,
          report,
          `${textTable(['', 'check', 'detail'], rows)}\n\n${report.ok ? 'verified' : 'NOT verified'}`
        )
        if (!report.ok) invocation.outcome('verification')
      })
    })
}
