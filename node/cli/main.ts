/**
 * The process around the command line: streams, signals, and the only `process.exit`.
 *
 * Exit explicitly: libraries leave timers and sockets referenced after a clean stop, and a command that is done should be gone.
 */
import { EXIT } from '../api/exit-codes.ts'
import { countBuffersAsHeap } from '../process/external-memory.ts'
import { createLogger } from '../process/logger.ts'
import type { CliContext } from './context.ts'
import { keepServing } from '../process/last-resort.ts'
import { runProgram } from './program.ts'

/** After the second Ctrl-C, how long releasing the lock and ending the child processes may take. */
const STOP_WITHIN_MS = 2000

/** A daemon of a large home answers after a few seconds; one that stops finishes a batch, or a block from the network, first. */
const PATIENCE_MS = 10_000

const graceful = new AbortController()
const kill = new AbortController()
const stopped = Promise.withResolvers<number>()

function onSignal(): void {
  if (kill.signal.aborted) return stopped.resolve(EXIT.interrupted.code)
  if (graceful.signal.aborted) {
    setTimeout(() => stopped.resolve(EXIT.interrupted.code), STOP_WITHIN_MS)
    return kill.abort(new DOMException('stopped', 'AbortError'))
  }
  process.stderr.write('coopt: finishing the current batch; press Ctrl-C again to stop at once\n')
  graceful.abort(new DOMException('interrupted', 'AbortError'))
}

const context: CliContext = {
  stdout: text => void process.stdout.write(text),
  stderr: text => void process.stderr.write(text),
  terminal: process.stderr.isTTY,
  env: process.env,
  cwd: process.cwd(),
  loadBackend: async () => await import('./backend.ts'),
  patienceMs: PATIENCE_MS,
  signal: graceful.signal,
  kill: kill.signal,
  keepServing: () => keepServing(createLogger())
}

countBuffersAsHeap()
process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `coopt status | head`: the reader has seen enough
  if (error.code !== 'EPIPE') throw error
  kill.abort(new DOMException('the reader of the results is gone', 'AbortError'))
  stopped.resolve(EXIT.ok.code)
})

const code = await Promise.race([runProgram(process.argv.slice(2), context), stopped.promise])
await new Promise<void>(resolve => process.stdout.write('', () => resolve()))
process.exit(code)
