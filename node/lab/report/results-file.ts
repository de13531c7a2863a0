/** results.json of `npm run reproduce`: figures of trained students, each of them optional. */
import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { InvalidInputError } from '../../../src/errors.ts'

/** Results files have a few kilobytes. */
const MAX_BYTES = 4 * 1024 * 1024
/** More than any figure can show. */
const MAX_ROWS = 256

const name = z.string().min(1).max(128)
const figure = z.object({ mean: z.number(), deviation: z.number().nonnegative() })
const table = <T extends z.ZodType>(row: T) => z.object({ rows: z.array(row).min(1).max(MAX_ROWS) })

const resultsSchema = z.object({
  tables: z.object({
    /** Accuracy per alignment strategy */
    tab7: table(figure.extend({ name })).optional(),
    /** Accuracy after each continuous round */
    fig4: table(figure.extend({ round: z.number() })).optional(),
    /** Accuracy and held-out cosine per size of the shared set */
    tab8: table(figure.extend({ m: z.number().positive(), cosine: z.number() })).optional(),
    /** Accuracy while a student trains */
    fig6d: z
      .object({
        curves: z
          .array(
            z.object({
              name,
              points: z
                .array(figure.extend({ epoch: z.number() }))
                .min(1)
                .max(4096)
            })
          )
          .min(1)
          .max(MAX_ROWS)
      })
      .optional()
  })
})

export type Results = z.infer<typeof resultsSchema>['tables']

/** Throws `InvalidInputError` with the reason. */
export async function readResults(path: string): Promise<Results> {
  let content: unknown
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw new InvalidInputError(`it has ${size} bytes; at most ${MAX_BYTES} are accepted`)
    content = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${path} cannot be read as results: ${reason}`, { cause })
  }
  const parsed = resultsSchema.safeParse(content)
  if (!parsed.success) throw new InvalidInputError(`${path} is not a results file: ${z.prettifyError(parsed.error)}`)
  return parsed.data.tables
}
