/**
 * How a log entry becomes one line: text for people and grep, or a JSON object for log collectors.
 *
 * No line holds a secret: values that look like one are replaced wherever they occur, also inside the messages of errors. Text of others (names, reasons)
 * cannot forge lines or move the cursor of a terminal.
 */
import { inspect } from 'node:util'

export type Fields = Readonly<Record<string, unknown>>

export interface Entry {
  readonly time: Date
  readonly level: string
  /** Empty for the node as a whole */
  readonly component: string
  readonly message: string
  readonly fields: Fields
}

export const FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof FORMATS)[number]

/** A line with its line break. Never throws. */
export function formatEntry(entry: Entry, format: LogFormat): string {
  return format === 'json' ? jsonLine(entry) : textLine(entry)
}

/** `text` with everything that looks like a secret replaced. */
export function redacted(text: string): string {
  return SECRETS.reduce((clean, [pattern, by]) => clean.replace(pattern, by), text)
}

// --- internal ---

const GONE = '[redacted]'

/** What secrets look like that this program handles or may be given. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${GONE}`],
  // user and password of a URL
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]+@/gi, `$1${GONE}@`],
  [/([?&](?:token|key|secret|signature|password|access_token|api_key)=)[^&\s"']+/gi, `$1${GONE}`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, GONE],
  // a swarm.key file, whose second line may be escaped
  [/(\/key\/swarm\/psk\/1\.0\.0\/?)[^]*$/g, `$1 ${GONE}`],
  // an Ed25519 private key as libp2p writes it: protobuf 08 01 12 40 in base64
  [/\bCAESQ[\w+/=-]{40,}/g, GONE]
]

/** Fields whose value is never printed, whatever it looks like. */
const SECRET_NAME = /token|secret|password|authorization|private|swarm-?key/i

const RESERVED: ReadonlySet<string> = new Set(['time', 'level', 'component', 'message'])

function textLine({ time, level, component, message, fields }: Entry): string {
  const where = component === '' ? '' : `${component}: `
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${textValue(name, value)}`)
  return `${time.toISOString()} ${level.padEnd(5)} ${where}${oneLine(redacted(message))}${details.join('')}\n`
}

function jsonLine({ time, level, component, message, fields }: Entry): string {
  const details = Object.entries(fields).map(([name, value]) => [
    RESERVED.has(name) ? `${name}_` : name,
    SECRET_NAME.test(name) ? GONE : jsonValue(value)
  ])
  const line = {
    time: time.toISOString(),
    level,
    ...(component === '' ? {} : { component }),
    message: redacted(message),
    ...Object.fromEntries(details)
  }
  return `${oneLine(JSON.stringify(line))}\n`
}

function textValue(name: string, value: unknown): string {
  return SECRET_NAME.test(name) ? GONE : format(value)
}

function format(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (value === undefined || value === null) return String(value)
  if (value instanceof Error) return format(errorText(value))
  if (typeof value === 'string') {
    const clean = redacted(value)
    return oneLine(/^[\w.:/@+-]+$/.test(clean) ? clean : JSON.stringify(clean))
  }
  const text = ownText(value)
  // also what refers to itself: logging never throws
  return text === undefined ? oneLine(redacted(inspect(value, { breakLength: Infinity, depth: 4 }))) : format(text)
}

/** Numbers and truth values stay what they are, so that collectors can compare them. */
function jsonValue(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return value ?? null
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Error) return redacted(errorText(value))
  if (typeof value === 'string') return redacted(value)
  if (Array.isArray(value) && value.every(item => typeof item === 'string' || typeof item === 'number'))
    return value.map(jsonValue)
  return redacted(ownText(value) ?? inspect(value, { breakLength: Infinity, depth: 4 }))
}

/** CID, PeerId, Multiaddr: what knows its own text. */
function ownText(value: unknown): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || Array.isArray(value) || !Object.hasOwn(prototype ?? {}, 'toString'))
    return undefined
  return (value as { toString(): string }).toString()
}

function errorText(error: Error): string {
  const cause = error.cause instanceof Error ? ` (caused by ${error.cause.message})` : ''
  return `${error.name}: ${error.message}${cause}`
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, c => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}
