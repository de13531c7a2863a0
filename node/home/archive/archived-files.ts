/**
 * Which files of a home a backup holds, under which names, and how large each may be. Restoring takes the names apart and builds its own paths from
 * the parts: a name that is not one of these is refused, so no archive can write anywhere else.
 *
 * Not in it: blocks (other members have what was published), the records of others, unfinished work, the peer store.
 */
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { isSafeCid, parseCid } from '../../../src/codec.ts'
import { MAX_MANIFEST_BYTES } from '../../../src/distribute/manifest.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { MAX_LOG_BYTES } from '../../store/record-log.ts'
import { homeAt } from '../home.ts'

/** Keys have 68 bytes, sequence files 30, IPNS records some 400. */
const SMALL = 16 * 1024
/** Those that are read as JSON have at most this (store/atomic-file.ts). */
const JSON_BYTES = 1024 * 1024

/** Files directly in the home, and how large each may be */
const TOP = {
  'identity.key': SMALL,
  'config.json': JSON_BYTES,
  'pins.json': JSON_BYTES
} as const

/** Files of each swarm */
const OF_SWARM = {
  'manifest.cbor': MAX_MANIFEST_BYTES + SMALL, // and its envelope
  'addresses.json': JSON_BYTES,
  'records.log': MAX_LOG_BYTES,
  sequence: SMALL
} as const

/** As upkeep/ipns-names.ts names them: never a path. */
const KEY_FILE = /^[a-z0-9][a-z0-9_-]{0,63}\.(?:key|ipns-record)$/

export type ArchivedFile =
  | { readonly kind: 'top'; readonly file: keyof typeof TOP }
  | { readonly kind: 'key'; readonly file: string }
  | { readonly kind: 'swarm'; readonly swarm: CID; readonly file: keyof typeof OF_SWARM }

export const TOP_FILES = Object.keys(TOP) as (keyof typeof TOP)[]
export const SWARM_FILES = Object.keys(OF_SWARM) as (keyof typeof OF_SWARM)[]

export const isKeyFile = (name: string): boolean => KEY_FILE.test(name)

/** Its name in the archive, with forward slashes */
export function archiveName(file: ArchivedFile): string {
  if (file.kind === 'top') return file.file
  return file.kind === 'key' ? `keys/${file.file}` : `swarms/${file.swarm.toString()}/${file.file}`
}

/** Undefined for every name that `archiveName` does not give. */
export function parseArchiveName(name: string): ArchivedFile | undefined {
  const [first = '', second = '', third, more] = name.split('/')
  const found = ((): ArchivedFile | undefined => {
    if (Object.hasOwn(TOP, name)) return { kind: 'top', file: name as keyof typeof TOP }
    if (first === 'keys' && isKeyFile(second) && third === undefined) return { kind: 'key', file: second }
    if (first !== 'swarms' || third === undefined || more !== undefined || !Object.hasOwn(OF_SWARM, third))
      return undefined
    const swarm = safeCid(second)
    return swarm === undefined ? undefined : { kind: 'swarm', swarm, file: third as keyof typeof OF_SWARM }
  })()
  // other spellings of a CID among them
  return found !== undefined && archiveName(found) === name ? found : undefined
}

/** Most bytes that such a file has */
export function mostBytes(file: ArchivedFile): number {
  if (file.kind === 'top') return TOP[file.file]
  return file.kind === 'key' ? SMALL : OF_SWARM[file.file]
}

/** Where it is in the home at `root` */
export function pathOf(root: string, file: ArchivedFile): string {
  if (file.kind === 'top') return join(root, file.file)
  if (file.kind === 'key') return join(root, 'keys', file.file)
  return join(homeAt(root).swarm(file.swarm).directory, file.file)
}

// --- internal ---

function safeCid(text: string): CID | undefined {
  try {
    const cid = parseCid(text)
    return isSafeCid(cid) ? cid : undefined
  } catch (error) {
    if (error instanceof InvalidContentError) return undefined
    throw error
  }
}
