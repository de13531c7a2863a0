/** Step 4 as a participant takes it: blocks durable, then the record in the log, then the view, then the network. */
import type { RecordBody, SignedRecord } from '../../src/publish/record.ts'
import type { ParticipantComponents } from './components.ts'
import type { Draft } from '../state/swarm-state.ts'

/** Publish a record whose blocks have been put. When it resolves, the record survives any crash. */
export type Publish = <T extends RecordBody>(
  draft: Draft,
  sizes?: { newBytes?: number; targetBytes?: number }
) => Promise<SignedRecord<T>>

export function createPublishStep({ content, state, announce, onEvent }: ParticipantComponents): Publish {
  return async <T extends RecordBody>(draft: Draft, sizes = {}) => {
    await content.barrier()
    const record = await state.publish(draft)
    await announce(record)
    onEvent({
      type: 'published',
      record: record.key,
      kind: draft.type,
      ...('partition' in draft ? { partition: draft.partition } : {}),
      ...sizes
    })
    return record as SignedRecord<T>
  }
}
