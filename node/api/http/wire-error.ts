/**
 * An error as the daemon sends it to a command: name, message and exit code, without stack and cause.
 */
import { z } from 'zod'
import { exitCodeOf } from '../exit-codes.ts'

/** Longer messages are cut. */
const MAX_MESSAGE = 16_384

export const wireErrorSchema = z.object({
  name: z.string().max(128),
  message: z.string().max(MAX_MESSAGE),
  exitCode: z.number().int().min(0).max(125)
})

export type WireError = z.infer<typeof wireErrorSchema>

export function toWireError(error: unknown): WireError {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  return { name: name.slice(0, 128), message: message.slice(0, MAX_MESSAGE), exitCode: exitCodeOf(error) }
}

/** An error of the same name and message. Test `name`: `instanceof` does not work across processes. */
export function fromWireError({ name, message }: WireError): Error {
  const error = new Error(message)
  error.name = name
  return error
}
