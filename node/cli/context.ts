/**
 * What a command gets from its surroundings. All access to the process goes through this interface, so commands run in tests without one.
 */
import type { Backend } from './backend.ts'
import type { ExitName } from '../api/exit-codes.ts'

export interface CliContext {
  /** Results, and nothing else */
  stdout: (text: string) => void
  /** Progress, notes and errors */
  stderr: (text: string) => void
  /** Is stderr a terminal that can redraw lines? */
  terminal: boolean
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Loaded when a command needs it: the network stack takes a second */
  loadBackend(): Promise<Backend>
  /** How long to wait for a process that holds the home and does not answer: it may be starting or stopping */
  patienceMs: number
  /** The first Ctrl-C: finish the batch, leave cleanly */
  signal: AbortSignal
  /** The second: stop at once */
  kill: AbortSignal
  /** From now on an error that nobody handles is logged and does not end the process, until the returned function is called */
  keepServing?: () => () => void
}

/** The context of one invocation, after its options are known. */
export interface Invocation extends CliContext {
  home: string
  json: boolean
  /** The command worked, but scripts must be able to tell its answer from success */
  outcome(exit: ExitName): void
}
