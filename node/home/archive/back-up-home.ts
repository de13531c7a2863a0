/**
 * `coopt backup`: what cannot be got back from anybody else. Identity, settings, keys and records of names, pins, and of every swarm its manifest,
 * addresses of members, the own records and the sequence number.
 *
 * Takes no lock, so a running node is backed up as well: every file is replaced whole or only appended to, and a sequence is read after the records
 * that use it. What is published later is missing; that is why a restored node listens before it signs anything (swarms/twin-watch.ts).
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { equalBytes } from '../../../src/codec.ts'
import { openManifest } from '../../../src/distribute/manifest.ts'
import type { PeerKey } from '../../../src/envelope.ts'
import { DamagedStoreError, InvalidRecordError } from '../../../src/errors.ts'
import { openRecord } from '../../../src/publish/record.ts'
import { verify } from '../../process/verify-signature.ts'
import { errorCode, storeError } from '../../store/file-system.ts'
import { encodeRecords, readRecords } from '../../store/record-log.ts'
import { loadConfig } from '../config.ts'
import { homeAt, listSwarms } from '../home.ts'
import { loadIdentity } from '../identity.ts'
import { readHomeVersion } from '../version.ts'
import { archiveName, isKeyFile, pathOf, TOP_FILES, type ArchivedFile } from './archived-files.ts'
import { writeArchive } from './archive-file.ts'

export interface BackupReport {
  readonly file: string
  readonly peer: string
  readonly swarms: number
  /** Own records */
  readonly records: number
  /** Keys of names */
  readonly keys: number
  /** Swarms whose manifest is damaged, left out: their records cannot be told apart */
  readonly leftOut: readonly string[]
  /** Files elsewhere that the configuration names */
  readonly elsewhere: readonly string[]
}

/**
 * Write the backup to `file`, which must not exist. Throws `InvalidInputError` for a file that exists or a home that does not, `HomeVersionError`,
 * `DamagedStoreError` for a damaged identity, or a home in the middle of a migration.
 */
export async function backUpHome(root: string, file: string, now: Date = new Date()): Promise<BackupReport> {
  const { version, isMigrating } = await readHomeVersion(root)
  const home = homeAt(root)
  const config = await loadConfig(home)
  if (isMigrating)
    throw new DamagedStoreError(`the home ${root} is in the middle of an upgrade: start the node once, then back it up`)
  const identity = await loadIdentity(home.identity)
  const files = new Map<string, Uint8Array>()
  const take = async (one: ArchivedFile): Promise<void> => {
    const bytes = await readIfThere(pathOf(root, one))
    if (bytes !== undefined) files.set(archiveName(one), bytes)
  }
  for (const top of TOP_FILES) await take({ kind: 'top', file: top })
  const keys = (await namesIn(join(root, 'keys'))).filter(isKeyFile)
  for (const key of keys) await take({ kind: 'key', file: key })
  let records = 0
  const leftOut: string[] = []
  const swarms = await listSwarms(home)
  for (const swarm of swarms) {
    const own = await ownRecords(root, swarm, identity.key)
    if (own === undefined) {
      leftOut.push(swarm.toString())
      continue
    }
    records += own.length
    files.set(archiveName({ kind: 'swarm', swarm, file: 'records.log' }), encodeRecords(own))
    for (const name of ['manifest.cbor', 'addresses.json', 'sequence'] as const)
      await take({ kind: 'swarm', swarm, file: name })
  }
  await writeArchive(file, { homeVersion: version, peer: identity.peerId, at: now.toISOString() }, files)
  const { swarmKey } = config.network
  return {
    file,
    peer: identity.peerId,
    swarms: swarms.length - leftOut.length,
    records,
    keys: keys.filter(name => name.endsWith('.key')).length,
    leftOut,
    elsewhere: swarmKey === undefined ? [] : [swarmKey]
  }
}

// --- internal ---

/** Undefined without a manifest that can be read. */
async function ownRecords(root: string, id: CID, self: PeerKey): Promise<Uint8Array[] | undefined> {
  const paths = homeAt(root).swarm(id)
  const bytes = await readIfThere(paths.manifest)
  if (bytes === undefined) return undefined
  let swarm
  try {
    swarm = openManifest(bytes, verify)
  } catch (error) {
    if (error instanceof Error && error.name === 'InvalidManifestError') return undefined
    throw error
  }
  return (await readRecords(paths.log)).filter(record => {
    try {
      return equalBytes(openRecord(record, swarm, verify).body.author, self)
    } catch (error) {
      if (error instanceof InvalidRecordError) return false // the node leaves it out as well, and says so
      throw error
    }
  })
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw storeError(error, 'read', path)
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError(error, 'list', path)
  }
}
