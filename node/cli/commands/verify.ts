/** coopt verify: replays everything that can be recomputed from a merged root. */
import { Command } from 'commander'
import { InvalidInputError } from '../../../src/errors.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'
import { textTable } from '../text-table.ts'

export function verifyCommand(invoke: Invoke): Command {
  return new Command('verify')
    .description('replay manifest, signatures, uniform values, election, alignments and shards of a merged dataset')
    .argument('<cid>', 'root of a merged dataset', someText)
    .action(async (cid: string) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const { parseCid } = await import('../../../src/codec.ts')
        try {
          parseCid(cid)
        } catch (cause) {
          throw new InvalidInputError(cause instanceof Error ? cause.message : String(cause), { cause })
        }
        const report = await withApi(invocation, { network: false }, (api, call) => api.verify(cid, call))
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
