/**
 * Sequence numbers of own records in one swarm. Two different records under one number are equivocation, so a number must never be issued twice, not
 * even after a crash, a truncated log or a full disk: the next number is stored durably, in a separate file, before this one is used. A number whose
 * record was never logged is a gap, and gaps are harmless.
 */
import { z } from 'zod'
import { DamagedStoreError } from '../../src/errors.ts'
import { readJson, writeJsonAtomic } from './atomic-file.ts'
import { nodeFileSystem, type FileSystem } from './file-system.ts'

export interface Sequence {
  /** No number from this one on was ever issued here. */
  readonly unused: number
  /**
   * A number not used before and not below `known`, one more than the highest own number among the records (a home restored from
   * a backup, or a lost file). Rejects with `StoreFullError` or an error naming the path; then no number was issued.
   */
  next(known: number): Promise<number>
}

/** `next`: no number from this one on was ever issued. */
const schema = z.strictObject({ v: z.literal(1), next: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER) })

/** Throws `DamagedStoreError` for an unparsable file, because guessing could repeat a number. */
export async function openSequence(path: string, { fs = nodeFileSystem }: { fs?: FileSystem } = {}): Promise<Sequence> {
  let unused = (await readSequence(path, fs)) ?? 0
  let last: Promise<unknown> = Promise.resolve()

  const take = async (known: number): Promise<number> => {
    const number = Math.max(unused, known)
    await writeJsonAtomic(path, { v: 1, next: number + 1 }, { fs })
    unused = number + 1
    return number
  }

  return {
    get unused() {
      return unused
    },
    next: known => {
      const mine = last.then(() => take(known))
      last = mine.catch(() => undefined) // its caller gets the error; the next call retries
      return mine
    }
  }
}

// --- internal ---

async function readSequence(path: string, fs: FileSystem): Promise<number | undefined> {
  try {
    return (await readJson(path, schema, { fs }))?.next
  } catch (cause) {
    if (!(cause instanceof DamagedStoreError)) throw cause
    throw new DamagedStoreError(
      `${cause.message}. It records which sequence numbers were used; write {"v":1,"next":N} with an N that is certainly higher than any`,
      { cause }
    )
  }
}
