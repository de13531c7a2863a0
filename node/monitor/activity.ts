/** What this node itself is doing in each swarm, from the events of its operations: for people who watch it. Nothing is decided by it. */
import type { ApiEvent } from '../api/events.ts'
import { count } from '../process/counters.ts'

export interface OwnWork {
  readonly partition: number
  readonly done: number
  readonly rows: number
}

export interface SwarmActivity {
  /** Partitions in work */
  readonly work: readonly OwnWork[]
  /** Rows on the shared set so far, while they are computed */
  readonly scoring?: { readonly done: number; readonly rows: number }
  /** Over the last minute of work; 0 when nothing is computed */
  readonly rowsPerSecond: number
}

export interface Activity {
  /** Passes every event on and remembers what it says. `swarm`: manifest CID */
  tap(swarm: string, onEvent: (event: ApiEvent) => void): (event: ApiEvent) => void
  /** The operation in this swarm has ended. */
  ended(swarm: string): void
  of(swarm: string): SwarmActivity
}

/** Long enough for a batch of a large model, short enough to follow a change of load. */
const WINDOW_MS = 60_000

interface Entry {
  work: Map<number, { done: number; rows: number }>
  scoring: { done: number; rows: number } | undefined
  recent: { at: number; rows: number }[]
}

/** `now`: monotonic milliseconds */
export function createActivity(now: () => number = () => performance.now()): Activity {
  const entries = new Map<string, Entry>()

  const computed = (entry: Entry, rows: number): void => {
    if (rows <= 0) return
    count('rows_computed', rows)
    entry.recent.push({ at: now(), rows })
  }

  const note = (entry: Entry, event: ApiEvent): void => {
    if (event.type === 'scoring') {
      computed(entry, event.done - (entry.scoring?.done ?? 0))
      entry.scoring = event.done < event.rows ? { done: event.done, rows: event.rows } : undefined
    } else if (event.type === 'batch') {
      const { partition, done, rows } = event
      computed(entry, done - (entry.work.get(partition)?.done ?? 0))
      entry.work.set(partition, { done, rows })
    } else if (event.type === 'partition') {
      if (event.state === 'started') entry.work.set(event.partition, { done: 0, rows: event.rows })
      else entry.work.delete(event.partition)
    } else if (event.type === 'published' && event.kind === 'result' && event.partition !== undefined) {
      entry.work.delete(event.partition)
    }
  }

  return {
    tap: (swarm, onEvent) => {
      const entry: Entry = { work: new Map(), scoring: undefined, recent: [] }
      entries.set(swarm, entry)
      return event => {
        note(entry, event)
        onEvent(event)
      }
    },
    ended: swarm => void entries.delete(swarm),
    of: swarm => {
      const entry = entries.get(swarm)
      if (entry === undefined) return { work: [], rowsPerSecond: 0 }
      const from = now() - WINDOW_MS
      entry.recent = entry.recent.filter(({ at }) => at >= from)
      const [first] = entry.recent
      // the rows of the first batch were computed before it was told
      const rows = entry.recent.slice(1).reduce((sum, one) => sum + one.rows, 0)
      const seconds = first === undefined ? 0 : (now() - first.at) / 1000
      return {
        work: [...entry.work].map(([partition, { done, rows: all }]) => ({ partition, done, rows: all })),
        ...(entry.scoring === undefined ? {} : { scoring: entry.scoring }),
        rowsPerSecond: seconds > 0 ? rows / seconds : 0
      }
    }
  }
}
