/**
 * The command line: which commands there are, the options they share, and how a failure becomes an exit code.
 */
import { Command, CommanderError } from 'commander'
import { EXIT, exitCodeOf, type ExitName } from '../api/exit-codes.ts'
import { VERSION } from '../api/version.ts'
import { backupCommand, restoreCommand } from './commands/backup.ts'
import { completionsCommand } from './commands/completions.ts'
import { configCommand } from './commands/config.ts'
import { deviceCommand } from './commands/device.ts'
import { doctorCommand } from './commands/doctor.ts'
import { downCommand } from './commands/down.ts'
import { evaluateCommand } from './commands/evaluate.ts'
import { exportCommand } from './commands/export.ts'
import { helpCommand } from './commands/help.ts'
import { importCommand } from './commands/import.ts'
import { gcCommand } from './commands/gc.ts'
import { initCommand } from './commands/init.ts'
import { inviteCommand } from './commands/invite.ts'
import { joinCommand } from './commands/join.ts'
import { mergeCommand } from './commands/merge.ts'
import { peersCommand } from './commands/peers.ts'
import { pinCommand, unpinCommand } from './commands/pin.ts'
import { priorCommand } from './commands/prior.ts'
import { provideCommand } from './commands/provide.ts'
import { publishCommand } from './commands/publish.ts'
import { simulateCommand } from './commands/simulate.ts'
import { statusCommand } from './commands/status.ts'
import { upCommand } from './commands/up.ts'
import { verifyCommand } from './commands/verify.ts'
import { versionCommand } from './commands/version.ts'
import type { CliContext } from './context.ts'
import { homeDirectory } from './home-directory.ts'
import type { Invoke } from './invoke.ts'
import { printError } from './output.ts'
import { UsageError } from './usage-error.ts'

/** Runs `coopt ARGS` and returns the exit code. Never throws. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  let exit: ExitName = 'ok'
  const invoke: Invoke = async run => {
    const { home, json = false } = program.opts<{ home?: string; json?: boolean }>()
    await run({
      ...context,
      json,
      home: homeDirectory(home, context.env, context.cwd),
      outcome: name => {
        exit = name
      }
    })
  }
  const program = createProgram(invoke, context)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return EXIT[exit].code
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok.code // --help, --version
    const failure = error instanceof CommanderError ? usageError(error) : error
    // a wrong command line may have stopped before --json was read
    printError({ ...context, json: args.includes('--json') }, failure)
    return exitCodeOf(failure)
  }
}

export function createProgram(invoke: Invoke, { stdout, stderr }: Pick<CliContext, 'stdout' | 'stderr'>): Command {
  const commands = [
    initCommand,
    configCommand,
    publishCommand,
    upCommand,
    downCommand,
    joinCommand,
    statusCommand,
    inviteCommand,
    peersCommand,
    doctorCommand,
    deviceCommand,
    priorCommand,
    mergeCommand,
    verifyCommand,
    evaluateCommand,
    exportCommand,
    importCommand,
    pinCommand,
    unpinCommand,
    provideCommand,
    gcCommand,
    backupCommand,
    restoreCommand,
    simulateCommand,
    completionsCommand,
    helpCommand,
    versionCommand
  ].map(create => create(invoke))
  const program = new Command('coopt')
    .description('Turn one unlabeled image dataset into a training set together with independent peers.')
    .version(VERSION, '-V, --version')
    .option('--home <dir>', 'home directory (default: $COOPT_HOME, else coopt in the XDG data directory)')
    .option('--json', 'machine-readable output on stdout')
    .helpCommand(false) // ours also knows topics
  for (const command of commands) program.addCommand(command)
  const all = [program, ...commands, ...commands.flatMap(command => command.commands)]
  for (const command of all) {
    command
      .exitOverride()
      .configureHelp({ showGlobalOptions: true })
      // errors are printed in one place, see runProgram
      .configureOutput({ writeOut: stdout, writeErr: stderr, outputError: () => undefined })
  }
  return program
}

// --- internal ---

function usageError(error: CommanderError): UsageError {
  if (error.code === 'commander.help') return new UsageError('no command given; see coopt --help', { cause: error })
  return new UsageError(`${error.message.replace(/^error: /, '')}; see coopt --help`, { cause: error })
}
