/**
 * `installation.json`: is this directory the one in which its identity has been used all along? Two nodes with one identity sign different records
 * under one number, which discredits the identity for good. A home that was restored from a backup, or copied, may be the second one, and its
 * sequence numbers may be old: it listens in each of its swarms before it signs there (swarms/twin-watch.ts). `heard` lists where it has.
 *
 * A copy is noticed by its place: the key file has another inode, or the machine another id. The clone of a whole virtual machine has the same place;
 * there only listening to what others know helps. A file system that gives new inodes at each mount costs the wait, and nothing else.
 */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { StoreFullError } from '../../src/errors.ts'
import { readJson, writeJsonAtomic } from '../store/atomic-file.ts'
import { errorCode, storeError } from '../store/file-system.ts'
import type { Home } from './home.ts'

/** Far more than the swarms of any home; the oldest is forgotten, which costs one wait. */
const MAX_HEARD = 4096

const schema = z.strictObject({
  v: z.literal(1),
  origin: z.enum(['made', 'restored', 'copied']),
  /** Absent until the first start of a restored home */
  place: z.string().max(64).optional(),
  heard: z.array(z.string().max(128)).max(MAX_HEARD)
})

type State = z.infer<typeof schema>

export interface Installation {
  readonly origin: State['origin']
  /** May the identity sign in this swarm without listening first? */
  isAssured(swarm: CID): boolean
  /** It has listened there. Durable when it resolves, unless the disk is full: then the next start listens again. */
  assure(swarm: CID): Promise<void>
}

/** Call while holding the lock, with the key in place. Throws `DamagedStoreError` for an unparsable file, errors naming the path. */
export async function openInstallation(home: Pick<Home, 'root' | 'identity'>): Promise<Installation> {
  const path = pathIn(home)
  const place = await placeOf(home.identity)
  const known = await readJson(path, schema)
  // without the file: made by `coopt init`, or by a version before the file existed
  let state: State = known ?? { v: 1, origin: 'made', place, heard: [] }
  if (state.place === undefined) state = { ...state, place }
  else if (state.place !== place) state = { v: 1, origin: 'copied', place, heard: [] }
  if (state !== known) await writeUnlessFull(path, state)
  return {
    origin: state.origin,
    isAssured: swarm => state.origin === 'made' || state.heard.includes(swarm.toString()),
    assure: async swarm => {
      const heard = [...state.heard.filter(id => id !== swarm.toString()), swarm.toString()].slice(-MAX_HEARD)
      state = { ...state, heard }
      await writeUnlessFull(path, state)
    }
  }
}

/** Says that the home about to be written is a restored one. */
export async function markRestored(home: Pick<Home, 'root'>): Promise<void> {
  await writeJsonAtomic(pathIn(home), { v: 1, origin: 'restored', heard: [] } satisfies State)
}

// --- internal ---

const pathIn = ({ root }: Pick<Home, 'root'>): string => join(root, 'installation.json')

/** A node must start on a full disk, so that `coopt gc` can free some. */
async function writeUnlessFull(path: string, state: State): Promise<void> {
  try {
    await writeJsonAtomic(path, state)
  } catch (error) {
    if (!(error instanceof StoreFullError)) throw error
  }
}

async function placeOf(key: string): Promise<string> {
  let inode: number
  try {
    inode = (await stat(key)).ino
  } catch (error) {
    throw storeError(error, 'look at', key)
  }
  return createHash('sha256')
    .update(`${inode}\n${await machineId()}`)
    .digest('hex')
}

/** Empty where there is none, as in most containers. Never the host name: a container gets another one each time it is made. */
async function machineId(): Promise<string> {
  try {
    return (await readFile('/etc/machine-id', 'utf8')).trim()
  } catch (error) {
    if (errorCode(error) === '') throw error
    return ''
  }
}
