/** coopt down: asks the daemon of this home to finish its batches and stop. */
import { Command } from 'commander'
import { ContentUnavailableError } from '../../../src/errors.ts'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'

export function downCommand(invoke: Invoke): Command {
  return new Command('down').description('ask the daemon to stop').action(async () => {
    await invoke(async invocation => {
      const { connectApi } = await import('../../api/http/client.ts')
      const { assertFree } = await import('../../home/lock.ts')
      const { whileHeld } = await import('../session.ts')
      const { home, kill } = invocation
      const daemon = await whileHeld(invocation, async () => {
        const found = await connectApi(home)
        if (found === undefined) await assertFree(home) // one that is still starting is waited for
        return found
      })
      if (daemon === undefined) throw new ContentUnavailableError(`no daemon runs on ${home}`)
      await daemon.stop({ kill })
      printReport(invocation, { stopping: true }, 'the daemon is stopping')
    })
  })
}
