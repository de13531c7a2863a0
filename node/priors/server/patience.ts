/** Asks a server again: at once after a failure by chance, and after any time up to a limit when the server is away. */
import { setTimeout as pause } from 'node:timers/promises'
import { InferenceError, InvalidPriorError, ModelUnavailableError } from '../../../src/errors.ts'
import { ServerAwayError, ServerSlowError, ServerStatusError } from './http-client.ts'

/** Pause before the next attempt, doubling up to the longest: a server that comes back is found within a quarter of a minute. */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000
/** A server that is ready whenever it is asked and away whenever it should work is not waited for without end. */
const MAX_ABSENCES = 20

export interface PatienceInit {
  /** Longest absence, ms */
  waitMs: number
  /** Failures of one request that are forgiven, absences apart */
  retries: number
  /** Is the model there and ready? Throws `ServerAwayError` or `ServerSlowError` when the server does not answer */
  ready(signal: AbortSignal | undefined): Promise<boolean>
  /** Called when the server is there again: is it the same model? Throws what is to end the work */
  check(signal: AbortSignal | undefined): Promise<void>
  /** Absences and returns, for people */
  onWarning(message: string): void
}

export interface Patience {
  /**
   * `once` until it succeeds. `what` names the work in errors. Throws `InvalidPriorError` when the server refuses although it is ready,
   * `ModelUnavailableError` when it was away for too long, `InferenceError` when it failed too often, or the signal's reason.
   */
  attempt<T>(what: string, once: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

/** Requests in flight share one wait: the first that finds the server away waits for all. */
export function createPatience({ waitMs, retries, ready, check, onWarning }: PatienceInit): Patience {
  let waiting: Promise<void> | undefined

  const untilThere = async (why: string, signal: AbortSignal | undefined): Promise<void> => {
    onWarning(`${why}: waiting up to ${durationText(waitMs)} for the model; what is finished is kept`)
    const started = performance.now()
    for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(LONGEST_PAUSE_MS, ms * 2)) {
      const left = waitMs - (performance.now() - started)
      if (left <= 0)
        throw new ModelUnavailableError(
          `${why}; given up after ${durationText(waitMs)}: start the server, or give the right URL, and run this again`
        )
      await pause(Math.min(ms, left), undefined, { signal }).catch(() => undefined) // the next line throws the signal's own reason
      signal?.throwIfAborted()
      try {
        if (!(await ready(signal))) continue
        await check(signal)
        break
      } catch (error) {
        if (!isAbsence(error)) throw error
      }
    }
    onWarning('the model server answers again: work goes on')
  }

  return {
    async attempt(what, once, signal) {
      let failures = 0
      for (let absences = 0; ;) {
        try {
          return await once()
        } catch (error) {
          if (error instanceof ServerStatusError && (await isThere(ready, signal))) {
            // its own fault may be one by chance; what it refuses it will refuse again
            if (error.status < 500) throw new InvalidPriorError(`${what}: ${error.message}`, { cause: error })
            if (++failures > retries) throw new InferenceError(`${what}: ${error.message}`, { cause: error })
          } else if (error instanceof ServerSlowError) {
            if (++failures > retries) throw new InferenceError(`${what}: ${error.message}`, { cause: error })
          } else if (error instanceof ServerAwayError || error instanceof ServerStatusError) {
            if (++absences > MAX_ABSENCES)
              throw new ModelUnavailableError(
                `${what}: ${error.message}; the server says that it is ready, but was away ${absences} times`,
                { cause: error }
              )
            waiting ??= untilThere(error.message, signal).finally(() => {
              waiting = undefined
            })
            await waiting
            continue
          } else throw error
          await pause(FIRST_PAUSE_MS * 2 ** failures, undefined, { signal }).catch(() => undefined)
          signal?.throwIfAborted()
        }
      }
    }
  }
}

// --- internal ---

const isAbsence = (error: unknown): boolean =>
  error instanceof ServerAwayError || error instanceof ServerSlowError || error instanceof ServerStatusError

async function isThere(ready: PatienceInit['ready'], signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return await ready(signal)
  } catch (error) {
    if (isAbsence(error)) return false
    throw error
  }
}

function durationText(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}
