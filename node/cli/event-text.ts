/** One line for a person about one event, or undefined when progress alone shows it. */
import type { ApiEvent } from '../api/events.ts'
import { referenceText } from './swarm-text.ts'
import { shortId } from './text-table.ts'

export function eventText(event: ApiEvent): string | undefined {
  switch (event.type) {
    case 'score':
      return `score: prior ${event.name}, uniform value ${event.uniformValue.toFixed(4)}`
    case 'election':
      return `${event.reference.peer === undefined ? 'reference' : 'elected'}: ${referenceText(event.reference)}`
    case 'partition':
      return `partition ${event.partition}: ${PARTITION_WORDS[event.state]} (${event.rows} rows)`
    case 'alignment':
      return `aligned to ${shortId(event.reference)}: leave-one-out R2 ${event.looR2.toFixed(4)}, cosine ${event.looCosine.toFixed(4)}`
    case 'pinning':
      return `${event.service}: ${event.status}`
    case 'peer':
      return `${event.connected ? 'connected to' : 'disconnected from'} ${shortId(event.peer)}`
    case 'listening':
      return (
        (event.addresses.length === 0 ? 'not listening' : `listening on ${event.addresses.join(', ')}`) +
        (event.gateway === undefined ? '' : `; gateway ${event.gateway}`)
      )
    case 'log':
      return event.level === 'debug' ? undefined : `${event.level}: ${event.message}`
    case 'complete':
      return `complete: ${event.mergedCid}`
    default:
      return undefined
  }
}

/** What a progress event counts, and how far it is; undefined for other events. */
export function progressOf(event: ApiEvent): { key: string; done: number; total?: number } | undefined {
  switch (event.type) {
    case 'building':
      return {
        key: BUILDING_WORDS[event.step],
        done: event.done,
        ...(event.total === undefined ? {} : { total: event.total })
      }
    case 'scoring':
      return { key: 'shared set', done: event.done, total: event.rows }
    case 'exporting':
      return {
        key: EXPORTING_WORDS[event.step],
        done: event.done,
        ...(event.total === undefined ? {} : { total: event.total })
      }
    case 'evaluating':
      return {
        key: EVALUATING_WORDS[event.step],
        done: event.done,
        ...(event.total === undefined ? {} : { total: event.total })
      }
    case 'batch':
      return { key: `partition ${event.partition}`, done: event.done, total: event.rows }
    default:
      return undefined
  }
}

// --- internal ---

const PARTITION_WORDS = { started: 'started', left: 'finished by another peer', done: 'done' } as const
const EXPORTING_WORDS = {
  fetch: 'files fetched',
  files: 'files written',
  car: 'blocks written',
  webdataset: 'samples written',
  npy: 'targets written',
  import: 'blocks read'
} as const
const EVALUATING_WORDS = {
  images: 'images matched',
  rows: 'rows read',
  alignments: 'alignments fitted',
  probes: 'probes',
  inconsistency: 'pairs compared',
  student: 'training images',
  test: 'test images',
  report: 'projections'
} as const
const BUILDING_WORDS = {
  hash: 'reading images',
  partitions: 'writing partitions',
  shared: 'writing shared set',
  features: 'reference features'
} as const
