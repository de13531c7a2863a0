/**
 * Names of datasets: keys of the home (`keys/NAME.key`, 0600, made on first use) and the last record signed with each
 * (`keys/NAME.ipns-record`). The record is on the disk before anybody is told, so a sequence number never stands for two values.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { parseCid } from '../../src/codec.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { verify } from '../process/verify-signature.ts'
import { createIdentity, loadIdentity, type Identity } from '../home/identity.ts'
import { ipnsName, openIpnsRecord, sealIpnsRecord, type IpnsRecord } from './ipns-record.ts'
import { writeFileAtomic } from '../store/atomic-file.ts'
import { DIRECTORY_MODE, errorCode, storeError } from '../store/file-system.ts'

/** A file name wherever homes lie, and no path. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/
/** A dataset that is complete does not change: believed for a year, asked about again every hour. */
const VALID_MS = 365 * 24 * 3600 * 1000
const RECORD = '.ipns-record'
const TTL_NS = 3600n * 10n ** 9n

export interface PublishedName {
  /** `k51…` */
  name: string
  /** Path of the signed record */
  record: string
  sequence: number
}

/** Throws `InvalidInputError` for a name that cannot be a file's, `DamagedStoreError` for a damaged key, `InvalidContentError` for a damaged record. */
export async function publishName(home: string, keyName: string, cid: CID, now: Date): Promise<PublishedName> {
  if (!NAME.test(keyName))
    throw new InvalidInputError(
      `"${keyName}" cannot name a key: use up to 64 of a-z, 0-9, - and _, a letter or digit first`
    )
  const folder = join(home, 'keys')
  await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE })
  const identity = await keyAt(join(folder, `${keyName}.key`))
  const path = join(folder, `${keyName}${RECORD}`)
  const last = await recordAt(path, identity)
  const value = `/ipfs/${cid}`
  // the same value again only needs a later end, which must win over the old record all the same
  const sequence = last === undefined ? 0n : last.sequence + 1n
  const validUntil = new Date(now.getTime() + VALID_MS)
  await writeFileAtomic(path, await sealIpnsRecord({ value, sequence, validUntil, ttl: TTL_NS }, identity.sign))
  return { name: ipnsName(identity.key), record: path, sequence: Number(sequence) }
}

/** What the names of a home point to: kept by `coopt gc`. Errors as above. */
export async function namedRoots(home: string): Promise<CID[]> {
  const folder = join(home, 'keys')
  let files: string[]
  try {
    files = await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw storeError(error, 'list', folder)
  }
  const roots: CID[] = []
  for (const file of files.filter(name => name.endsWith(RECORD))) {
    const identity = await loadIdentity(join(folder, `${file.slice(0, -RECORD.length)}.key`))
    const record = await recordAt(join(folder, file), identity)
    if (record !== undefined) roots.push(parseCid(record.value.slice('/ipfs/'.length)))
  }
  return roots
}

// --- internal ---

async function keyAt(path: string): Promise<Identity> {
  try {
    return await createIdentity(path)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return await loadIdentity(path)
    throw error
  }
}

async function recordAt(path: string, { key }: Identity): Promise<IpnsRecord | undefined> {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await readFile(path))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw storeError(error, 'read the record', path)
  }
  return openIpnsRecord(bytes, key, verify)
}
