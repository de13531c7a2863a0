/** coopt down: asks the daemon of this home to finish its batches and leave. */
import { Command } from 'commander'
import { ContentUnavailableError } from '../../../src/errors.ts'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'

export function downCommand(invoke: Invoke): Command {
  return new Command('down').description('ask the daemon to leave').action(async () => {
    await invoke(async invocation => {
      const { connectApi } = await import('../../api/http/client.ts')
      const daemon = await connectApi(invocation.home)
      if (daemon === undefined) throw new ContentUnavailableError(`no daemon runs on ${invocation.home}`)
      await daemon.stop({ kill: invocation.kill })
      printReport(invocation, { stopping: true }, 'the daemon is leaving')
    })
  })
}
