/**
 * Log lines for people and for grep on stderr: `2026-11-21T10:00:00.000Z warn  store: set aside a damaged block path="…"`.
 * The message is fixed text, what varies is in fields. The level comes from COOPT_LOG (error, warn, info, debug, trace; default
 * warn). libp2p's own logs are apart from this: DEBUG=libp2p:*.
 */
import { inspect } from 'node:util'
import { InvalidInputError } from '../../src/errors.ts'

/** From few lines to many. `error`: the operator must act; `warn`: something failed and was handled; `info`: milestones. */
export const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type Level = (typeof LEVELS)[number]

export type Fields = Readonly<Record<string, unknown>>

export interface Logger {
  error(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  debug(message: string, fields?: Fields): void
  trace(message: string, fields?: Fields): void
  isEnabled(level: Level): boolean
  /** The same for a part: `store`, or `store:blocks` below `store` */
  component(name: string): Logger
}

export interface LoggerInit {
  level?: Level
  write?: (line: string) => void
  now?: () => Date
}

/** A logger for the whole process. Throws `InvalidInputError` for an unknown level in COOPT_LOG. */
export function createLogger(init: LoggerInit = {}): Logger {
  const {
    level = parseLevel(process.env['COOPT_LOG']),
    write = line => {
      process.stderr.write(line)
    },
    now = () => new Date()
  } = init
  const highest = LEVELS.indexOf(level)

  const forComponent = (component: string): Logger => {
    const log =
      (at: Level) =>
      (message: string, fields: Fields = {}): void => {
        if (LEVELS.indexOf(at) > highest) return
        const where = component === '' ? '' : `${component}: `
        const details = Object.entries(fields).map(([name, value]) => ` ${name}=${format(value)}`)
        write(`${now().toISOString()} ${at.padEnd(5)} ${where}${oneLine(message)}${details.join('')}\n`)
      }
    return {
      error: log('error'),
      warn: log('warn'),
      info: log('info'),
      debug: log('debug'),
      trace: log('trace'),
      isEnabled: at => LEVELS.indexOf(at) <= highest,
      component: name => forComponent(component === '' ? name : `${component}:${name}`)
    }
  }
  return forComponent('')
}

/** For tests and libraries that want silence. */
export const silentLogger: Logger = createLogger({ level: 'error', write: () => {} })

// --- internal ---

function parseLevel(text: string | undefined): Level {
  if (text === undefined || text === '') return 'warn'
  const level = LEVELS.find(known => known === text)
  if (level === undefined) throw new InvalidInputError(`COOPT_LOG="${text}": expected one of ${LEVELS.join(', ')}`)
  return level
}

/** Text of others (names, reasons) must not forge lines or move the cursor of a terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, c => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

function format(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (value === undefined || value === null) return String(value)
  if (value instanceof Error) return format(`${value.name}: ${value.message}${causeOf(value)}`)
  if (typeof value === 'string') return oneLine(/^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && !Array.isArray(value) && Object.hasOwn(prototype ?? {}, 'toString')) {
    return format((value as { toString(): string }).toString()) // CID, PeerId, Multiaddr
  }
  return oneLine(inspect(value, { breakLength: Infinity, depth: 4 })) // also what refers to itself: logging never throws
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` (caused by ${error.cause.message})` : ''
}
