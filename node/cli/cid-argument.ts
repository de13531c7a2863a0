/** A CID given to a command. The codec is loaded when it is needed: `--help` does without. */
import { InvalidInputError } from '../../src/errors.ts'

/** Throws `InvalidInputError` when it is none. */
export async function checkCid(text: string): Promise<void> {
  const { parseCid } = await import('../../src/codec.ts')
  try {
    parseCid(text)
  } catch (cause) {
    throw new InvalidInputError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
