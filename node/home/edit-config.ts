/**
 * Reads and changes single keys of `config.json`. A change is checked as a whole before anything is written: a file that a node refuses to start
 * with is never the result. A running node goes on with what it read at its start.
 */
import { InvalidInputError } from '../../src/errors.ts'
import { writeJsonAtomic } from '../store/atomic-file.ts'
import { loadConfig, parseConfig, readConfigFile } from './config.ts'
import { configKeys, quantity, type ConfigKey } from './config-keys.ts'
import { homeAt } from './home.ts'
import { readHomeVersion } from './version.ts'

export interface ConfigEntry extends ConfigKey {
  /** What applies */
  readonly value: unknown
  /** Is it in the file? */
  readonly isSet: boolean
}

/**
 * Every key with its value, in the order of the schema. `key` picks one, or all below it (`store`).
 *
 * Throws `InvalidInputError` for a key that does not exist, and as `loadConfig`.
 */
export async function readEntries(root: string, key?: string): Promise<ConfigEntry[]> {
  await readHomeVersion(root)
  const home = homeAt(root)
  const effective = await loadConfig(home)
  const written = await readConfigFile(home)
  return keysBelow(key).map(one => ({
    ...one,
    value: valueAt(effective, one.key) ?? one.fallback,
    isSet: valueAt(written, one.key) !== undefined
  }))
}

/** Set one key; `values` as typed, several for a list. Undefined values take the key out of the file. Errors as above. */
export async function changeEntry(
  root: string,
  key: string,
  values: readonly string[] | undefined
): Promise<ConfigEntry> {
  await readHomeVersion(root)
  const home = homeAt(root)
  const [entry, ...others] = keysBelow(key)
  if (entry === undefined || entry.key !== key)
    throw new InvalidInputError(`"${key}" is a group of keys: name one of ${list([entry, ...others])}`)
  await loadConfig(home)
  const written = await readConfigFile(home)
  const changed = withValue(written, key.split('.'), values === undefined ? undefined : parseValues(entry, values))
  parseConfig(changed, 'the changed configuration')
  await writeJsonAtomic(home.config, changed)
  const [after] = await readEntries(root, key)
  return after ?? { ...entry, value: undefined, isSet: false }
}

// --- internal ---

type Json = Record<string, unknown>

function keysBelow(key: string | undefined): ConfigKey[] {
  const all = configKeys()
  if (key === undefined) return all
  const found = all.filter(one => one.key === key || one.key.startsWith(`${key}.`))
  if (found.length > 0) return found
  const last = key.split('.').at(-1)?.toLowerCase() ?? ''
  const similar = all.filter(one => one.key.toLowerCase().includes(last))
  throw new InvalidInputError(
    `there is no key "${key}"${similar.length === 0 || last === '' ? '' : `; there is ${list(similar.slice(0, 5))}`}; "coopt config show" lists all`
  )
}

function list(keys: readonly (ConfigKey | undefined)[]): string {
  return keys.flatMap(one => (one === undefined ? [] : [`"${one.key}"`])).join(', ')
}

function parseValues(entry: ConfigKey, values: readonly string[]): unknown {
  if (entry.type === 'list') return values
  const [text = '', ...more] = values
  if (more.length > 0) throw new InvalidInputError(`"${entry.key}" takes one value: ${entry.takes}`)
  if (entry.type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  if (entry.type === 'integer') {
    const value = quantity(text, entry.unit)
    if (value !== undefined) return value
  }
  if (entry.type === 'string') return text
  throw new InvalidInputError(`"${entry.key}" is ${JSON.stringify(text)}: expected ${entry.takes}`)
}

function valueAt(value: unknown, key: string): unknown {
  let found = value
  for (const name of key.split('.')) found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined
  return found
}

/** A copy with the key set or, for undefined, left out together with groups that have become empty. */
function withValue(object: Json, [name = '', ...rest]: readonly string[], value: unknown): Json {
  const inner = object[name]
  const next = rest.length === 0 ? value : withValue(isObject(inner) ? inner : {}, rest, value)
  const { [name]: _, ...others } = object
  const isGone = next === undefined || (rest.length > 0 && isObject(next) && Object.keys(next).length === 0)
  return isGone ? others : Object.hasOwn(object, name) ? { ...object, [name]: next } : { ...others, [name]: next }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
