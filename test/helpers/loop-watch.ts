/** How long a thread computes without a turn of its event loop: in CPU time, so that other processes of the machine do not count. */
import { p95 } from './effort.ts'

export interface LoopWatch {
  /** What the thread did since the last turn does not count: a test's own work */
  reset(): void
  /** Milliseconds of CPU between two turns: the value that 99 of 100 do not exceed, that 95 do not, and the most */
  stop(): { p99: number; p95: number; most: number; turns: number }
}

/** A turn is looked at so often. */
const EVERY_MS = 5

export function watchLoop(): LoopWatch {
  const taken: number[] = []
  let before = process.threadCpuUsage()
  const timer = setInterval(() => {
    const now = process.threadCpuUsage()
    taken.push((now.user + now.system - before.user - before.system) / 1000)
    before = now
  }, EVERY_MS)
  return {
    reset: () => {
      before = process.threadCpuUsage()
    },
    stop: () => {
      clearInterval(timer)
      const sorted = taken.toSorted((a, b) => a - b)
      return {
        p99: sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0,
        p95: p95(taken),
        most: sorted.at(-1) ?? 0,
        turns: taken.length
      }
    }
  }
}
