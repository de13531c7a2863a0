/**
 * Progress of long operations on stderr: bars on a terminal, otherwise a sparse line now and then that a log can keep.
 */
import { MultiBar, Presets, type SingleBar } from 'cli-progress'
import type { ApiEvent } from '../api/events.ts'
import { eventText, progressOf } from './event-text.ts'

/** In a log file, one line per operation in this time is enough to see that it moves. */
const SPARSE_MS = 10_000

export interface Progress {
  event(event: ApiEvent): void
  /** Ends the bars; lines may be printed again. */
  stop(): void
}

export interface ProgressInit {
  terminal: boolean
  write: (text: string) => void
  /** Monotonic milliseconds */
  now?: () => number
}

export function createProgress({ terminal, write, now = () => performance.now() }: ProgressInit): Progress {
  return terminal ? barProgress() : sparseProgress(write, now)
}

// --- internal ---

function sparseProgress(write: (text: string) => void, now: () => number): Progress {
  const printedAt = new Map<string, number>()
  return {
    event(event) {
      const text = eventText(event)
      if (text !== undefined) write(`${text}\n`)
      const progress = progressOf(event)
      if (progress === undefined) return
      const { key, done, total } = progress
      const last = printedAt.get(key)
      if (last === undefined) printedAt.set(key, now())
      if (done === total) printedAt.delete(key)
      else if (last !== undefined && now() - last >= SPARSE_MS) {
        printedAt.set(key, now())
        write(`${key}: ${done}${total === undefined ? '' : ` of ${total}`}\n`)
      }
    },
    stop: () => printedAt.clear()
  }
}

function barProgress(): Progress {
  const bars = new Map<string, SingleBar>()
  const multi = new MultiBar(
    { format: '{key} [{bar}] {value}/{total}', stream: process.stderr, hideCursor: true, clearOnComplete: true },
    Presets.legacy
  )
  return {
    event(event) {
      const text = eventText(event)
      if (text !== undefined) multi.log(`${text}\n`)
      const progress = progressOf(event)
      if (progress === undefined) return
      const { key, done, total = done } = progress
      const bar = bars.get(key) ?? multi.create(total, 0, { key })
      bars.set(key, bar)
      bar.setTotal(total)
      bar.update(done)
      if (progress.total !== done) return
      multi.remove(bar)
      bars.delete(key)
    },
    stop: () => multi.stop()
  }
}
