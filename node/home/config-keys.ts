/**
 * The keys of `config.json` as a list, derived from its schema: what each is called (`store.maxBytes`), takes and means, and what applies without it.
 *
 * `coopt config` and config.md are made from it, so neither can name a key that does not exist or miss one.
 */
import { z } from 'zod'
import { configSchema } from './config.ts'

export interface ConfigKey {
  /** Path in the file, joined by dots */
  readonly key: string
  readonly meaning: string
  /** `true or false`, `a whole number from 1 to 65535`, … */
  readonly takes: string
  readonly type: 'boolean' | 'integer' | 'string' | 'list'
  /** In what the number is given */
  readonly unit?: 'bytes' | 'milliseconds'
  /** What applies when the key is left out; undefined where nothing does */
  readonly fallback: unknown
}

/** In the order of the schema. */
export function configKeys(): ConfigKey[] {
  return [...leaves(jsonSchema.parse(z.toJSONSchema(configSchema, { io: 'input' })), [])]
}

/** `20 GB`, `250 ms`, or the value as JSON. */
export function valueText({ unit }: Pick<ConfigKey, 'unit'>, value: unknown): string {
  if (value === undefined) return 'not set'
  if (typeof value !== 'number' || unit === undefined) return typeof value === 'string' ? value : JSON.stringify(value)
  if (unit === 'milliseconds') return scaled(value, MILLISECONDS) ?? `${value} ms`
  return scaled(value, BYTES) ?? `${value} bytes`
}

/** `40GB`, `512 MiB`, `1.5s`, `5 min` or plain digits -> a number; undefined for anything else. */
export function quantity(text: string, unit: ConfigKey['unit']): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)\s*([A-Za-z]*)$/.exec(text.trim())
  if (match === null) return undefined
  const [, digits = '', suffix = ''] = match
  const factor = suffix === '' ? 1 : unit === undefined ? undefined : FACTORS[unit].get(suffix.toLowerCase())
  return factor === undefined ? undefined : Math.round(Number(digits) * factor)
}

// --- internal ---

interface Node {
  type?: string | undefined
  description?: string | undefined
  default?: unknown
  shipped?: unknown
  minimum?: number | undefined
  maximum?: number | undefined
  enum?: unknown[] | undefined
  properties?: Record<string, Node> | undefined
}

/** The part of JSON Schema that this schema uses. */
const jsonSchema: z.ZodType<Node> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    shipped: z.unknown().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    enum: z.array(z.unknown()).optional(),
    properties: z.record(z.string(), jsonSchema).optional()
  })
)

function* leaves(node: Node, path: readonly string[]): Generator<ConfigKey> {
  if (node.properties !== undefined) {
    for (const [name, child] of Object.entries(node.properties)) yield* leaves(child, [...path, name])
    return
  }
  const key = path.join('.')
  const unit = unitOf(path.at(-1) ?? '')
  yield {
    key,
    meaning: node.description ?? '',
    takes: takesText(node, unit),
    type:
      node.type === 'array'
        ? 'list'
        : node.type === 'boolean'
          ? 'boolean'
          : node.type === 'integer'
            ? 'integer'
            : 'string',
    ...(unit === undefined ? {} : { unit }),
    fallback: node.shipped ?? node.default
  }
}

/** Names say what their numbers count; those of libp2p's settings end in what they are. */
function unitOf(name: string): ConfigKey['unit'] {
  if (/(Bytes|WindowSize|BufferLength)$/.test(name)) return 'bytes'
  return /(Ms|Milliseconds|Timeout)$/.test(name) ? 'milliseconds' : undefined
}

function takesText({ type, enum: choices, minimum = 0, maximum }: Node, unit: ConfigKey['unit']): string {
  if (choices !== undefined)
    return choices
      .map(String)
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1')
  if (type === 'boolean') return 'true or false'
  if (type === 'array') return 'a list of texts'
  if (type !== 'integer') return 'text'
  if (unit === 'bytes') return 'a number of bytes (also 512MiB, 40GB)'
  if (unit === 'milliseconds') return 'a number of milliseconds (also 30s, 5min)'
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${minimum} up`
    : `a whole number from ${minimum} to ${maximum}`
}

const BYTES = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['TB', 1e12],
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3]
] as const
const MILLISECONDS = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1]
] as const

const factors = (units: readonly (readonly [string, number])[]): ReadonlyMap<string, number> =>
  new Map(units.map(([name, factor]) => [name.toLowerCase(), factor]))
const FACTORS = {
  bytes: new Map([...factors(BYTES), ['b', 1], ['bytes', 1]]),
  milliseconds: factors(MILLISECONDS)
} as const

/** In the unit that gives the shortest whole number. */
function scaled(value: number, units: readonly (readonly [string, number])[]): string | undefined {
  const whole = value === 0 ? [] : units.filter(([, factor]) => value % factor === 0)
  const [best] = whole.map(([name, factor]) => ({ name, count: value / factor })).sort((a, b) => a.count - b.count)
  return best === undefined ? undefined : `${best.count} ${best.name}`
}
