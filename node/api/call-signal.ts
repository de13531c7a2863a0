/** One signal for operations that need not tell a graceful end from an immediate one. */
import type { CallOptions } from './api.ts'

/** Fires with either signal of a call; never for a call without any. */
export function callSignal({ signal, kill }: CallOptions): AbortSignal {
  return AbortSignal.any([signal, kill].filter(one => one !== undefined))
}
