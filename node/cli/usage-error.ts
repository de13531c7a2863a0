/** A wrong command line, as opposed to input that cannot be used. */
import { CoOptError } from '../../src/errors.ts'

/** Exit code 2. */
export class UsageError extends CoOptError {
  static override readonly name = 'UsageError'
}
