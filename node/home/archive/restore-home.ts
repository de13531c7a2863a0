/**
 * `coopt restore`: a home from a backup, in a directory that has none.
 *
 * Everything is checked before anything is written: hashes, the key, the settings, that each manifest is that of its swarm and each record is the
 * identity's own. `installation.json` comes first and says that this home was restored (installation.ts), so that also one that a crash left half
 * restored is never taken for the original; `config.json` comes last: from there on the home counts as made.
 */
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { equalBytes } from '../../../src/codec.ts'
import { openManifest, type Swarm } from '../../../src/distribute/manifest.ts'
import { CoOptError, InvalidInputError } from '../../../src/errors.ts'
import { openRecord } from '../../../src/publish/record.ts'
import { verify } from '../../process/verify-signature.ts'
import { createFileAtomic } from '../../store/atomic-file.ts'
import { DIRECTORY_MODE, errorCode, storeError } from '../../store/file-system.ts'
import { parseRecords } from '../../store/record-log.ts'
import { parseConfig } from '../config.ts'
import { homeAt, prepareHome, prepareSwarm } from '../home.ts'
import { parseIdentity, type Identity } from '../identity.ts'
import { markRestored } from '../installation.ts'
import { lockHome } from '../lock.ts'
import { HOME_VERSION, writeHomeVersion } from '../version.ts'
import { archiveName, parseArchiveName, pathOf, type ArchivedFile } from './archived-files.ts'
import { readArchive, type Archive } from './archive-file.ts'

export interface RestoreReport {
  readonly home: string
  readonly peer: string
  /** When the backup was made */
  readonly at: string
  readonly swarms: number
  readonly records: number
}

/** Another directory entry is somebody's; this one is what locking makes. */
const LOCK = 'LOCK'

/**
 * Throws `InvalidInputError` when the directory holds anything, or the backup is not whole; `HomeLockedError`. Nothing is overwritten.
 */
export async function restoreHome(file: string, path: string): Promise<RestoreReport> {
  const root = resolve(path)
  await assertVacant(root)
  const archive = await readArchive(file)
  const { manifest } = archive
  if (manifest.homeVersion > HOME_VERSION)
    throw new InvalidInputError(
      `${file} holds a home of version ${manifest.homeVersion}, and this coopt reads versions up to ${HOME_VERSION}: update coopt`
    )
  const checked = checkArchive(file, archive)
  const home = homeAt(root)
  const lock = await lockHome(root, { what: 'coopt restore' })
  try {
    await assertVacant(root) // another process was faster
    await prepareHome(home)
    await markRestored(home)
    await writeHomeVersion(root, manifest.homeVersion)
    for (const { id } of checked.swarms) await prepareSwarm(home, id)
    const last = archiveName({ kind: 'top', file: 'config.json' })
    const names = [...archive.files.keys()].filter(name => name !== last)
    for (const name of [...names, last]) {
      const target = pathOf(root, parsed(name))
      await mkdir(dirname(target), { recursive: true, mode: DIRECTORY_MODE })
      await createFileAtomic(target, archive.files.get(name) as Uint8Array)
    }
  } finally {
    await lock.release()
  }
  return {
    home: root,
    peer: checked.identity.peerId,
    at: manifest.at,
    swarms: checked.swarms.length,
    records: checked.records
  }
}

// --- internal ---

/** What hashes cannot show: that key, settings, manifests and records are what their names say, and belong together. */
function checkArchive(
  file: string,
  { manifest, files }: Archive
): { identity: Identity; swarms: readonly Swarm[]; records: number } {
  const refuse = (name: string, cause: unknown): InvalidInputError =>
    new InvalidInputError(
      `${file} cannot be restored: ${name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause
      }
    )
  const within = <T>(name: string, check: (bytes: Uint8Array) => T): T => {
    const bytes = files.get(name)
    if (bytes === undefined) throw refuse(name, 'it is missing')
    try {
      return check(bytes)
    } catch (error) {
      if (error instanceof CoOptError || error instanceof SyntaxError) throw refuse(name, error)
      throw error
    }
  }
  const identity = within('identity.key', bytes => parseIdentity(bytes, 'the key is damaged'))
  if (identity.peerId !== manifest.peer)
    throw refuse('identity.key', `it is the key of ${identity.peerId}, not of ${manifest.peer}`)
  within('config.json', bytes => {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    // keys of an older version are migrated when the node starts
    if (manifest.homeVersion === HOME_VERSION) parseConfig(value, 'the settings')
  })
  const swarms: Swarm[] = []
  let records = 0
  for (const name of files.keys()) {
    const one = parsed(name)
    if (one.kind !== 'swarm') continue
    const manifestName = archiveName({ ...one, file: 'manifest.cbor' })
    const swarm = within(manifestName, bytes => openManifest(bytes, verify))
    if (!swarm.id.equals(one.swarm)) throw refuse(manifestName, `it is the manifest of ${swarm.id.toString()}`)
    if (one.file === 'manifest.cbor') swarms.push(swarm)
    if (one.file !== 'records.log') continue
    within(name, bytes => {
      for (const record of parseRecords(bytes)) {
        if (!equalBytes(openRecord(record, swarm, verify).body.author, identity.key))
          throw new InvalidInputError('it holds a record of another peer')
        records++
      }
    })
  }
  return { identity, swarms, records }
}

/** The archive's reader has refused every other name. */
function parsed(name: string): ArchivedFile {
  const file = parseArchiveName(name)
  if (file === undefined) throw new InvalidInputError(`${JSON.stringify(name)} is not a file of a backup`)
  return file
}

async function assertVacant(root: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(root)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw storeError(error, 'list', root)
  }
  const found = names.find(name => name !== LOCK)
  if (found !== undefined)
    throw new InvalidInputError(
      `${root} is not empty (it has ${JSON.stringify(found)}): restore into a new directory (--home), nothing is ever overwritten`
    )
}
