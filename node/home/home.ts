/**
 * The home directory of a node and the names in it. No name is taken from the network: swarms are named by their checked CID,
 * journals by the hash of what they are about.
 *
 *   version                 of this layout (version.ts)
 *   backup-<version>/       files as they were before a migration (backup.ts); may be deleted
 *   installation.json       is this the directory in which its identity was always used? (installation.ts)
 *   config.json             what the operator changed (config.ts)
 *   identity.key            Ed25519 private key, 0600 (identity.ts)
 *   LOCK/                   the process that has the home (lock.ts)
 *   api.json                address and token of the running daemon
 *   blocks/                 content-addressed blocks (store/durable-blockstore.ts)
 *   datastore/              libp2p and Helia: peers, pins, DHT; may be deleted
 *   pins.json               what gc keeps besides the swarms (pins.ts)
 *   keys/                   names of datasets: keys 0600, and the last record signed with each (publish-name.ts)
 *   spool/                  files of a publish in progress; emptied at start
 *   swarms/<swarm CID>/
 *     manifest.cbor         the signed manifest
 *     addresses.json        where members were met last
 *     records.log           signed records, write-ahead (store/record-log.ts)
 *     sequence              own sequence numbers (store/sequence.ts)
 *     progress/<hash>       unfinished computations (store/progress-journal.ts)
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { isSafeCid, parseCid } from '../../src/codec.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { removeTemporaries } from '../store/atomic-file.ts'
import {
  DIRECTORY_MODE,
  errorCode,
  nodeFileSystem,
  storeError,
  syncDirectory,
  type FileSystem
} from '../store/file-system.ts'

export interface SwarmPaths {
  readonly directory: string
  readonly manifest: string
  readonly addresses: string
  readonly log: string
  readonly sequence: string
  readonly progress: string
  /** Journal of the computation that `name` describes (any text; hashed, so it need not be a file name) */
  journal(name: string): string
}

export interface Home {
  readonly root: string
  readonly config: string
  readonly identity: string
  readonly api: string
  readonly blocks: string
  readonly datastore: string
  readonly spool: string
  readonly swarms: string
  /** Throws `InvalidInputError` for a CID that is not one of ours. */
  swarm(id: CID): SwarmPaths
}

export function homeAt(root: string): Home {
  const swarms = join(root, 'swarms')
  return {
    root,
    config: join(root, 'config.json'),
    identity: join(root, 'identity.key'),
    api: join(root, 'api.json'),
    blocks: join(root, 'blocks'),
    datastore: join(root, 'datastore'),
    spool: join(root, 'spool'),
    swarms,
    swarm: id => swarmPaths(join(swarms, nameOf(id)))
  }
}

/**
 * Create the directories of the home, for the owner only, and remove what a killed process left unfinished: call while holding
 * the lock.
 */
export async function prepareHome(home: Home, fs: FileSystem = nodeFileSystem): Promise<void> {
  await makeDirectories(fs, [home.root, home.datastore, home.swarms])
  await inside(home.root, async () => {
    await removeTemporaries(home.root, fs)
    await rm(home.spool, { recursive: true, force: true }) // can be gigabytes
  })
}

/** Create the directories of one swarm. Call while holding the lock: left-over temporary files are removed. */
export async function prepareSwarm(home: Home, id: CID, fs: FileSystem = nodeFileSystem): Promise<SwarmPaths> {
  const paths = home.swarm(id)
  await makeDirectories(fs, [paths.directory, paths.progress])
  await inside(paths.directory, async () => {
    for (const directory of [paths.directory, paths.progress]) await removeTemporaries(directory, fs)
    await syncDirectory(fs, home.swarms)
  })
  return paths
}

/** The swarms of this home; entries whose names are not CIDs are left alone. */
export async function listSwarms(home: Home, fs: FileSystem = nodeFileSystem): Promise<CID[]> {
  let names: string[]
  try {
    names = await fs.readdir(home.swarms)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError(error, 'list', home.swarms)
  }
  return names.sort().flatMap(name => {
    try {
      return [parseCid(name)]
    } catch (error) {
      if (error instanceof InvalidContentError) return []
      throw error
    }
  })
}

// --- internal ---

function swarmPaths(directory: string): SwarmPaths {
  const progress = join(directory, 'progress')
  return {
    directory,
    manifest: join(directory, 'manifest.cbor'),
    addresses: join(directory, 'addresses.json'),
    log: join(directory, 'records.log'),
    sequence: join(directory, 'sequence'),
    progress,
    journal: name => join(progress, createHash('sha256').update(name).digest('hex'))
  }
}

/** A safe CID's base32 text: lower-case letters and digits only. */
function nameOf(cid: CID): string {
  if (!isSafeCid(cid)) throw new InvalidInputError(`${String(cid)} is not a CID that is used here`)
  return cid.toString()
}

async function makeDirectories(fs: FileSystem, paths: string[]): Promise<void> {
  for (const path of paths) {
    await inside(path, async () => {
      await fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE })
      await syncDirectory(fs, join(path, '..'))
    })
  }
}

async function inside(path: string, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    throw storeError(error, 'prepare', path)
  }
}
