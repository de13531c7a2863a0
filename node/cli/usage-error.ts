import { CoOptError } from '../../src/errors.ts'

/** The command line itself is wrong: exit code 2. */
export class UsageError extends CoOptError {
  static override readonly name = 'UsageError'
}
