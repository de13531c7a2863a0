/** coopt completions: a script by which the shell completes commands and options. */
import { Argument, Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { completionScript, SHELLS, type Shell } from '../completions/shells.ts'

export function completionsCommand(invoke: Invoke): Command {
  const command = new Command('completions')
    .description('print a completion script, for example: source <(coopt completions bash)')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
  return command.action(async (shell: Shell) => {
    await invoke(async invocation => {
      const script = completionScript(shell, command.parent as Command)
      printReport(invocation, { shell, script }, script.trimEnd())
    })
  })
}
