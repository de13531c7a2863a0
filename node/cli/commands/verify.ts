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
      'recompute and check everything in a merged dataset: signatures, uniform values, election, alignments, shards, verdicts'
    )
    .argument('<cid>', 'root of a merged dataset', someText)
    .option('--rerun', 'run bundled priors again: models of other people, in a process without rights', false)
    .option(
      '--sample <rows>',
      `run them on this many random rows of each prior (default: ${RERUN_ROWS})`,
      wholeNumber(1, 65_536)
    )
    .option('--fetch', 'ask peers for the targets that members compared, where they are not available locally', false)
    .action(async (cid: string, { rerun, sample, fetch }: { rerun: boolean; sample?: number; fetch: boolean }) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const options = {
          ...(rerun || sample !== undefined ? { rerun: sample ?? RERUN_ROWS } : {}),
          ...(fetch ? { fetch } : {})
        }
        const report = await withApi(invocation, { network: fetch }, (api, call) => api.verify(cid, options, call))
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
