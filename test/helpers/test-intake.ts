/** A set of records with the way in that a node has (`takeRecord`), which says when a record entered it. */
import type { Swarm } from '../../src/distribute/manifest.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import { takeRecord, type Taken } from '../../src/merge/take-record.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { verify } from './signed-swarm.ts'

export interface TestIntake {
  readonly records: RecordSet
  /** 'record': one entered the set */
  readonly events: EventTarget
  receive(bytes: Uint8Array): Taken
}

export function testIntake(swarm: Swarm, known: Iterable<SignedRecord> = []): TestIntake {
  const records = createRecordSet(known, swarm.manifest.quotas)
  const events = new EventTarget()
  return {
    records,
    events,
    receive: bytes => {
      const taken = takeRecord(bytes, { swarm, verify, set: records })
      if ('record' in taken) events.dispatchEvent(new Event('record'))
      return taken
    }
  }
}
