/**
 * The record log of a swarm and the set that it replays to. Every record is checked again, by the same code as on arrival; one that is not
 * valid any more is left out and reported, and so is damage to the file.
 */
import type { Swarm } from '../../src/distribute/manifest.ts'
import { CoOptError } from '../../src/errors.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import { takeRecord } from '../../src/merge/take-record.ts'
import type { Logger } from '../process/logger.ts'
import { verify } from '../process/verify-signature.ts'
import { openRecordLog, type RecordLog } from '../store/record-log.ts'

/** The log is open when this resolves: the caller closes it. Throws like `openRecordLog`. */
export async function openLog(
  path: string,
  swarm: Swarm,
  logger: Logger
): Promise<{ readonly log: RecordLog; readonly set: RecordSet }> {
  const set = createRecordSet([], swarm.manifest.quotas)
  const replay = (bytes: Uint8Array): void => {
    try {
      takeRecord(bytes, { swarm, verify, set })
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error
      logger.warn('a record in the log is not valid and is left out', { reason: error.message })
    }
  }
  const log = await openRecordLog(path, { replay })
  if (log.report.lostBytes > 0) {
    logger.warn('the record log was damaged; what could be read was kept, the rest is asked of the other members', {
      ...log.report
    })
  }
  return { log, set }
}
