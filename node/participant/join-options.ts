/**
 * Checks what `coopt join` was asked for before any work: the record that would refuse a name or a licence is made when the whole shared set has
 * been computed, which takes minutes to hours.
 */
import { InvalidInputError } from '../../src/errors.ts'
import type { PriorDescriptor } from '../../src/optimize/prior.ts'
import { scoreSchema } from '../../src/publish/record.ts'
import { joinOptionsSchema, type JoinOptions } from '../api/options.ts'

const { shape: published } = scoreSchema.shape.prior

/** Throws `InvalidInputError` naming the option. */
export function checkJoinOptions(options: JoinOptions): void {
  const { success, error } = joinOptionsSchema.safeParse(options)
  if (!success) {
    const [issue] = error.issues
    throw new InvalidInputError(`option "${issue?.path.join('.')}": ${issue?.message}`)
  }
  if (options.name !== undefined) checkText('option "name"', published.name, options.name, 64)
  if (options.license !== undefined) checkText('option "license"', published.license, options.license, 128)
}

/** What a loaded prior says of itself, by its files. Throws `InvalidInputError` saying which option replaces it. */
export function checkPublishedFacts({ name, license, dimension }: PriorDescriptor): void {
  checkText(
    `the name of the prior, ${JSON.stringify(name)}, cannot be published: give another with --name`,
    published.name,
    name,
    64
  )
  if (license !== undefined)
    checkText('the licence of the prior cannot be published: state it with --license', published.license, license, 128)
  if (!published.dimension.safeParse(dimension).success)
    throw new InvalidInputError(
      `the prior has features of ${dimension} dimensions, which no record can state: choose others with --output`
    )
}

// --- internal ---

function checkText(
  what: string,
  schema: { safeParse(value: unknown): { success: boolean } },
  value: string,
  most: number
): void {
  if (!schema.safeParse(value).success)
    throw new InvalidInputError(`${what}: 1 to ${most} printable characters in one line are needed`)
}
