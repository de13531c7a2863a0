/**
 * The process around the command line: streams, signals, and the only `process.exit`.
 *
 * Exit explicitly: libraries leave timers and sockets referenced after a clean stop, and a command that is done should be gone.
 */
import { EXIT } from '../api/exit-codes.ts'
import { createLogger } from '../process/logger.ts'
import type { CliContext } from './context.ts'
import { keepServing } from '../process/last-resort.ts'
import { runProgram } from './program.ts'

/** After the second Ctrl-C, how long the lock and the child processes may take to be let go. */
const STOP_WITHIN_MS = 2000

const graceful = new AbortController()
const kill = new AbortController()
const stopped = Promise.withResolvers<number>()

function onSignal(): void {
  if (kill.signal.aborted) return stopped.resolve(EXIT.interrupted.code)
  if (graceful.signal.aborted) {
    setTimeout(() => stopped.resolve(EXIT.interrupted.code), STOP_WITHIN_MS)
    return kill.abort(new DOMException('stopped', 'AbortError'))
  }
  process.stderr.write('coopt: finishing what is in flight; again to stop at once\n')
  graceful.abort(new DOMException('interrupted', 'AbortError'))
}

const context: CliContext = {
  stdout: text => void process.stdout.write(text),
  stderr: text => void process.stderr.write(text),
  terminal: process.stderr.isTTY,
  env: process.env,
  cwd: process.cwd(),
  loadBackend: async () => await import('./local-api.ts'),
  signal: graceful.signal,
  kill: kill.signal,
  keepServing: () => keepServing(createLogger())
}

process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `coopt status | head`: whoever read the results has seen enough
  if (error.code !== 'EPIPE') throw error
  kill.abort(new DOMException('nobody reads the results', 'AbortError'))
  stopped.resolve(EXIT.ok.code)
})

const code = await Promise.race([runProgram(process.argv.slice(2), context), stopped.promise])
await new Promise<void>(resolve => process.stdout.write('', () => resolve()))
process.exit(code)
