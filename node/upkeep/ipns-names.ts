/**
 * Names of datasets: keys of the home (`keys/NAME.key`, mode 0600, created on first use) and the last record signed with each
 * (`keys/NAME.ipns-record`).
 *
 * Guarantees that no sequence number of a key stands for two values: records of one key are made one at a time, and each is on the disk
 * before anybody gets it. The home's lock excludes other processes.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { parseCid } from '../../src/codec.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createIdentity, loadIdentity, type Identity } from '../home/identity.ts'
import { createTurns, type InTurn } from '../process/turns.ts'
import { writeFileAtomic } from '../store/atomic-file.ts'
import { DIRECTORY_MODE, errorCode, storeError } from '../store/file-system.ts'
import { ipnsName, openIpnsRecord, sealIpnsRecord, type IpnsRecord } from './ipns-record.ts'

/** A valid file name on every system, and never a path. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/
/** A complete dataset does not change: its record is valid for a year, and resolvers ask again every hour. */
const VALID_MS = 365 * 24 * 3600 * 1000
const RECORD = '.ipns-record'
const TTL_NS = 3600n * 10n ** 9n

interface PublishedName {
  /** `k51…` */
  name: string
  /** Path of the signed record */
  record: string
  sequence: number
}

export interface IpnsNames {
  /**
   * Throws `InvalidInputError` for a name that cannot be a file's, `DamagedStoreError` for a damaged key, `InvalidContentError` for a
   * damaged record.
   */
  publish(keyName: string, cid: CID, now: Date): Promise<PublishedName>
  /** What the names point to: `coopt gc` keeps it. Errors as above. */
  roots(): Promise<CID[]>
}

export function createIpnsNames(home: string): IpnsNames {
  const folder = join(home, 'keys')
  const turns = new Map<string, InTurn>()

  const publish = async (keyName: string, cid: CID, now: Date): Promise<PublishedName> => {
    await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE })
    const { privateKey } = await keyAt(join(folder, `${keyName}.key`))
    const path = join(folder, `${keyName}${RECORD}`)
    const last = await recordAt(path, privateKey)
    // the same value again gets a number of its own too: its later expiry must replace the old record
    const sequence = last === undefined ? 0n : last.sequence + 1n
    const validUntil = new Date(now.getTime() + VALID_MS)
    const bytes = await sealIpnsRecord({ value: `/ipfs/${cid}`, sequence, validUntil, ttlNs: TTL_NS }, privateKey)
    await writeFileAtomic(path, bytes)
    return { name: ipnsName(privateKey.publicKey), record: path, sequence: Number(sequence) }
  }

  return {
    publish: async (keyName, cid, now) => {
      if (!NAME.test(keyName))
        throw new InvalidInputError(
          `"${keyName}" cannot name a key: use up to 64 of a-z, 0-9, - and _, a letter or digit first`
        )
      const inTurn = turns.get(keyName) ?? createTurns()
      turns.set(keyName, inTurn)
      return await inTurn(async () => await publish(keyName, cid, now))
    },

    roots: async () => {
      let files: string[]
      try {
        files = await readdir(folder)
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return []
        throw storeError(error, 'list', folder)
      }
      const roots: CID[] = []
      for (const file of files.filter(name => name.endsWith(RECORD))) {
        const { privateKey } = await loadIdentity(join(folder, `${file.slice(0, -RECORD.length)}.key`))
        const record = await recordAt(join(folder, file), privateKey)
        if (record !== undefined) roots.push(parseCid(record.value.slice('/ipfs/'.length)))
      }
      return roots
    }
  }
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

async function recordAt(path: string, { publicKey }: Identity['privateKey']): Promise<IpnsRecord | undefined> {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await readFile(path))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw storeError(error, 'read the record', path)
  }
  return await openIpnsRecord(bytes, publicKey)
}
