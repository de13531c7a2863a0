/**
 * Step 4 as a participant takes it: blocks durable, then the record in the log, then the view, then the network. When it resolves, record and
 * blocks survive any crash, and no peer has heard of a record that would not.
 */
import type { RecordBody, SignedRecord } from '../../src/publish/record.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Content } from '../content/content.ts'
import type { Draft, SwarmState } from '../state/swarm-state.ts'

export interface PublishStepComponents {
  content: Pick<Content, 'barrier'>
  state: Pick<SwarmState, 'publish'>
  /** Tell the other members about an own record */
  announce(record: SignedRecord): Promise<void>
  onEvent(event: ApiEvent): void
}

/** Publish a record whose blocks have been put. `sizes`: bytes that the work added, for the event */
export type Publish = <T extends RecordBody>(
  draft: Draft,
  sizes?: { newBytes?: number; targetBytes?: number }
) => Promise<SignedRecord<T>>

export function createPublishStep({ content, state, announce, onEvent }: PublishStepComponents): Publish {
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
