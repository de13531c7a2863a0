/**
 * What crosses the local API besides the arguments and results of the operations (../operations.ts).
 *
 *   POST /v1/OPERATION   body: JSON array of arguments    answer: NDJSON, see server.ts
 *   DELETE /v1/calls/ID  finish the batch in flight, then leave: what the first Ctrl-C means
 */
import { z } from 'zod'
import { apiEventSchema } from '../events.ts'
import { wireErrorSchema } from './wire-error.ts'

/** One line of an answer: any number of events, then one result or error. */
export const answerLineSchema = z.union([
  z.strictObject({ event: apiEventSchema }),
  z.strictObject({ error: wireErrorSchema }),
  z.strictObject({ result: z.unknown() })
])

export const CALL_HEADER = 'x-coopt-call'
/** Made by the client, so that it can ask for the end of a call before the first byte of the answer. */
export const callIdSchema = z.string().regex(/^[0-9a-f-]{36}$/)
