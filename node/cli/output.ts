/**
 * What a command prints. Results go to stdout: text, or with --json one object per line. Everything else goes to stderr.
 */
import type { ApiEvent } from '../api/events.ts'
import { toWireError } from '../api/http/wire-error.ts'
import { formatEntry } from '../process/log-format.ts'
import { logFormat } from '../process/logger.ts'
import type { CliContext } from './context.ts'
import { eventText } from './event-text.ts'
import { createProgress } from './progress.ts'

export interface Reporter {
  onEvent: (event: ApiEvent) => void
  /** Ends progress; call before anything else is printed */
  stop: () => void
}

type Printing = Pick<CliContext, 'stdout' | 'stderr' | 'terminal'> &
  Partial<Pick<CliContext, 'env'>> & { json: boolean }

/** The answer of a short command: the report itself as one JSON object, or its text. */
export function printReport(to: Printing, report: unknown, text: string): void {
  to.stdout(`${to.json ? JSON.stringify(report) : text}\n`)
}

/** The answer of a long command: the last of its JSON lines; its `type` sets it apart from the events. */
export function printResult(to: Printing, report: object, text: string): void {
  printReport(to, { type: 'result', ...report }, text)
}

/** Events of a long command: JSON lines on stdout, or progress on stderr; there as lines of the log where that is JSON (COOPT_LOG_FORMAT). */
export function createReporter(to: Printing): Reporter {
  if (to.json) return { onEvent: event => to.stdout(`${JSON.stringify(event)}\n`), stop: () => undefined }
  if (logFormat(to.env ?? {}) === 'json') return { onEvent: event => logEvent(to, event), stop: () => undefined }
  const progress = createProgress({ terminal: to.terminal, write: to.stderr })
  return { onEvent: event => progress.event(event), stop: () => progress.stop() }
}

/** `coopt: message` on stderr; with --json also `{"error":{name,message,exitCode}}` as the last line of stdout. */
export function printError(to: Printing, error: unknown): void {
  const wire = toWireError(error)
  if (to.json) to.stdout(`${JSON.stringify({ error: wire })}\n`)
  to.stderr(`coopt: ${wire.message.replaceAll(/\s*\n\s*/g, ' ')}\n`)
}

// --- internal ---

function logEvent({ stderr }: Printing, event: ApiEvent): void {
  const message = event.type === 'log' ? event.message : eventText(event)
  if (message === undefined || (event.type === 'log' && event.level === 'debug')) return
  const level = event.type === 'log' ? event.level : 'info'
  stderr(formatEntry({ time: new Date(), level, component: 'node', message, fields: { event: event.type } }, 'json'))
}
