/** The LevelDB of libp2p and Helia (peers, provider records, pins). Its contents can be rebuilt: the folder may be deleted. */
import { ClassicLevel } from 'classic-level'
import { LevelDatastore } from 'datastore-level'
import { DamagedStoreError, StoreFullError } from '../../src/errors.ts'

/** Opened at `path`. Throws `StoreFullError` on a full disk, `DamagedStoreError` for anything else that LevelDB refuses, with its reason. */
export async function openDatastore(path: string): Promise<LevelDatastore> {
  const datastore = new LevelDatastore(path)
  try {
    await datastore.open()
    return datastore
  } catch (error) {
    const reason = await reasonAt(path, error)
    const cause = { cause: error }
    if (/no space left|quota exceeded/i.test(reason))
      throw new StoreFullError(`cannot open ${path}: ${reason}; free disk space ("coopt gc" does) and try again`, cause)
    throw new DamagedStoreError(
      `cannot open ${path}: ${reason}; it only caches addresses of peers: delete the folder, the node will recreate it`,
      cause
    )
  }
}

// --- internal ---

/** What LevelDB says: `LevelDatastore` drops it (datastore-level 13.0.1), so the database is opened once more without it. */
async function reasonAt(path: string, first: unknown): Promise<string> {
  const database = new ClassicLevel(path)
  try {
    await database.open()
    await database.close()
    return messageOf(first)
  } catch (error) {
    return messageOf(error)
  }
}

/** The message of the innermost cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : messageOf(error.cause)
}
