/** The error for a source that can be read in several ways: only the operator can decide. */
import { InvalidInputError } from '../../src/errors.ts'

/**
 * A source can be read in several ways. Stops everything, broken parts left out or not: no part is damaged, and a guess could publish
 * another dataset than was meant. The message says what was found and which option decides.
 */
export class SourceChoiceError extends InvalidInputError {
  constructor(message: string) {
    super(message)
    this.name = 'InvalidInputError' // to callers and exit codes it is one
  }
}
