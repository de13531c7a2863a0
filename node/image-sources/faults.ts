/** Images and archives that cannot be used: told one by one where they are left out, else in one error. */
import { InvalidInputError } from '../../src/errors.ts'

export interface Faults {
  add(name: string, fault: string, what?: 'image' | 'archive'): void
  readonly count: number
  /** The first names */
  readonly names: readonly string[]
  error(source: string): InvalidInputError
}

/** Names in the error. */
const NAMED_FAULTS = 10

export function createFaults(onBroken: ((name: string, fault: string) => void) | undefined): Faults {
  const named: string[] = []
  const names: string[] = []
  let count = 0
  let hasArchives = false
  return {
    add: (name, fault, what = 'image') => {
      count++
      hasArchives ||= what === 'archive'
      onBroken?.(name, fault)
      if (named.length === NAMED_FAULTS) return
      named.push(`${name}: ${fault}`)
      names.push(name)
    },
    get count() {
      return count
    },
    names,
    error: source => {
      const more = count > named.length ? `\n… and ${count - named.length} more` : ''
      return new InvalidInputError(
        `${source}: ${count} of the ${hasArchives ? 'files' : 'images'} cannot be used; repair or remove them, or leave them out with --skip-bad. Nothing was published:\n${named.join('\n')}${more}`
      )
    }
  }
}
