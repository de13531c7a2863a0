/**
 * The log of a process on stderr, one line an entry: `2026-11-21T10:00:00.000Z warn  store: set aside a damaged block path="…"`, or with
 * COOPT_LOG_FORMAT=json an object with `time`, `level`, `component`, `message` and the fields. The message is fixed text, what varies is in fields.
 *
 * COOPT_LOG names the level, and those of single components after it: `warn` (the default), `info`, `warn,store=debug,swarms=trace`. Rotation is left
 * to the system (journald, Docker, logrotate). libp2p's own logs are apart from this: DEBUG=libp2p:*.
 */
import { InvalidInputError } from '../../src/errors.ts'
import { FORMATS, formatEntry, type Fields, type LogFormat } from './log-format.ts'

/** From few lines to many. `error`: the operator must act; `warn`: something failed and was handled; `info`: milestones. */
export const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type Level = (typeof LEVELS)[number]

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
  /** A level, or levels by component as in COOPT_LOG. @default COOPT_LOG */
  levels?: string
  /** @default COOPT_LOG_FORMAT */
  format?: LogFormat
  write?: (line: string) => void
  now?: () => Date
}

/** A logger for the whole process. Throws `InvalidInputError` for a level or format that does not exist. */
export function createLogger(init: LoggerInit = {}): Logger {
  const {
    levels = process.env['COOPT_LOG'] ?? '',
    format = logFormat(process.env),
    write = line => {
      process.stderr.write(line)
    },
    now = () => new Date()
  } = init
  const levelOf = parseLevels(levels)

  const forComponent = (component: string): Logger => {
    const highest = LEVELS.indexOf(levelOf(component))
    const log =
      (level: Level) =>
      (message: string, fields: Fields = {}): void => {
        if (LEVELS.indexOf(level) > highest) return
        write(formatEntry({ time: now(), level, component, message, fields }, format))
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

/** Of COOPT_LOG_FORMAT. Throws `InvalidInputError` for one that does not exist. */
export function logFormat(env: Readonly<Record<string, string | undefined>>): LogFormat {
  const text = env['COOPT_LOG_FORMAT'] ?? ''
  if (text === '') return 'text'
  const format = FORMATS.find(known => known === text)
  if (format === undefined)
    throw new InvalidInputError(`COOPT_LOG_FORMAT="${text}": expected one of ${FORMATS.join(', ')}`)
  return format
}

/** For tests and libraries that want silence. */
export const silentLogger: Logger = createLogger({ levels: 'error', format: 'text', write: () => {} })

// --- internal ---

/** `store=debug` holds for `store` and everything below it, unless a longer name says otherwise. */
function parseLevels(text: string): (component: string) => Level {
  let general: Level = 'warn'
  const byComponent = new Map<string, Level>()
  for (const part of text.split(',').map(one => one.trim())) {
    if (part === '') continue
    const [name = '', level] = part.split('=')
    if (level === undefined) general = parseLevel(name, text)
    else byComponent.set(name, parseLevel(level, text))
  }
  return component => {
    for (let name = component; name !== ''; name = name.includes(':') ? name.slice(0, name.lastIndexOf(':')) : '') {
      const level = byComponent.get(name)
      if (level !== undefined) return level
    }
    return general
  }
}

function parseLevel(text: string, whole: string): Level {
  const level = LEVELS.find(known => known === text)
  if (level === undefined) throw new InvalidInputError(`COOPT_LOG="${whole}": expected one of ${LEVELS.join(', ')}`)
  return level
}
