/**
 * The last resort of a process that serves others: an error that nobody handled is logged, and the node goes on.
 *
 * Such an error is a bug, usually a promise of a library that rejects after its caller has gone. Node would end the process, and with it
 * every swarm that the node serves, which a damaged file or a peer's bytes must never do. State is safe: it is written by explicit steps
 * that a crash may interrupt anywhere, so one that failed is like one that was interrupted.
 */
import { count } from './counters.ts'
import type { Logger } from './logger.ts'

/** Listens until the returned function is called. */
export function keepServing(log: Pick<Logger, 'error'>): () => void {
  const onRejection = (reason: unknown): void => {
    count('unhandled_errors')
    log.error('an error was not handled, which is a bug: please report it; the node goes on', detailsOf(reason))
  }
  const onException = (error: unknown): void => {
    count('unhandled_errors')
    log.error('an exception was not caught, which is a bug: please report it; the node goes on', detailsOf(error))
  }
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onException)
  return () => {
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onException)
  }
}

// --- internal ---

function detailsOf(error: unknown): { error: unknown; stack?: string } {
  return error instanceof Error && error.stack !== undefined ? { error, stack: error.stack } : { error }
}
