/** coopt version: versions of this package and of Node, and the platform. */
import { Command } from 'commander'
import { VERSION } from '../../api/version.ts'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'

export function versionCommand(invoke: Invoke): Command {
  return new Command('version').description('print versions').action(async () => {
    await invoke(async invocation => {
      const report = { coopt: VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` }
      printReport(invocation, report, `coopt ${report.coopt}, Node ${report.node}, ${report.platform}`)
    })
  })
}
