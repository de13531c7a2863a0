/**
 * Rate limits per key: the generic cell rate algorithm (ITU-T I.371). One number per key, the theoretical arrival time of its next
 * message; no timers. Allows `burst` at once and `perSecond` on average.
 */
import { MAX_LIMITED_KEYS } from './constants.ts'

/** Milliseconds that never go backwards. */
export type MonotonicClock = () => number

export interface RateLimit {
  perSecond: number
  burst: number
}

export interface RateLimiter {
  /** Consumes `cost` from the key's allowance, if it is large enough; returns whether it was. */
  take(key: string, cost?: number): boolean
}

export function createRateLimiter(limit: RateLimit, now: MonotonicClock = () => performance.now()): RateLimiter {
  const interval = 1000 / limit.perSecond
  const tolerance = interval * limit.burst
  const arrivals = new Map<string, number>() // in order of last use

  return {
    take(key, cost = 1) {
      const time = now()
      const next = Math.max(arrivals.get(key) ?? time, time) + interval * cost
      if (next - time > tolerance) return false
      arrivals.delete(key)
      arrivals.set(key, next)
      // the least recently used key is the one whose allowance is most likely full again
      if (arrivals.size > MAX_LIMITED_KEYS) arrivals.delete(arrivals.keys().next().value as string)
      return true
    }
  }
}
