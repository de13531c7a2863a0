/**
 * Reads one block and checks it. Every failure ends in `NotFoundError`, the only error after which bitswap continues and the block is fetched again;
 * the reason is reported.
 */
import { NotFoundError } from 'interface-store'
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../src/errors.ts'
import type { BlockDirectory } from './block-directory.ts'
import { hashesTo, type BlockFile } from './block-files.ts'
import { errorCode, persevering, storeError } from './file-system.ts'

/** `damaged`: the file was not the block; `io`: the file system failed. */
export interface StoreFault {
  readonly kind: 'damaged' | 'io'
  readonly cid: CID
  readonly path: string
  readonly error: Error
}

export interface BlockReading {
  directory: BlockDirectory
  /** Run an action while nothing else changes this file */
  alone(action: () => Promise<void>): Promise<void>
  /** Called before a damaged file is set aside */
  onDamage(): void
  report(kind: StoreFault['kind'], error: Error): void
}

/** The bytes of a block, which hash to its CID. Rejects with `NotFoundError` only. */
export async function readBlock(cid: CID, file: BlockFile, reading: BlockReading): Promise<Uint8Array> {
  try {
    const bytes = await persevering(() => reading.directory.read(file.path))
    if (bytes !== undefined && hashesTo(bytes, file.digest)) return bytes
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw notFound(cid, 'is not in the store', error)
    const told = storeError(error, 'read', file.path)
    reading.report('io', told)
    throw notFound(cid, `cannot be read: ${told.message}`, told)
  }
  return await setAside(cid, file, reading)
}

// --- internal ---

/** Move a damaged file to quarantine, or return its bytes if a put has repaired it meanwhile. */
async function setAside(
  cid: CID,
  file: BlockFile,
  { directory, alone, onDamage, report }: BlockReading
): Promise<Uint8Array> {
  let repaired: Uint8Array | undefined
  let damage: Error = new InvalidContentError(
    `${file.path} does not hash to its name: moved to quarantine, the block will be fetched again`
  )
  try {
    await alone(async () => {
      const bytes = await directory.read(file.path)
      if (bytes !== undefined && hashesTo(bytes, file.digest)) {
        repaired = bytes
        return
      }
      onDamage()
      await directory.quarantine(file)
    })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw notFound(cid, 'was damaged and is gone', error)
    damage = storeError(error, 'set aside the damaged', file.path)
  }
  if (repaired !== undefined) return repaired
  report('damaged', damage)
  throw notFound(cid, `is damaged: ${damage.message}`, damage)
}

function notFound(cid: CID, what: string, cause: unknown): NotFoundError {
  return Object.assign(new NotFoundError(`${cid.toString()} ${what}`), { cause })
}
