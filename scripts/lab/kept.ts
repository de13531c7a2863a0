/** What full runs of the network lab found, the latest of each scenario, in results.json beside this file. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileAtomic } from '../../node/store/atomic-file.ts'

const keptSchema = z.object({
  scenario: z.string(),
  date: z.string(),
  machine: z.string(),
  /** Processes that ran or waited for a core in the minute before: of others, if the machine was not idle */
  load: z.number(),
  /** Wall clock */
  seconds: z.number(),
  findings: z.array(z.object({ before: z.string(), wanted: z.string(), measured: z.string(), met: z.boolean() })),
  /** What the lab's script printed, run by run */
  figures: z.array(z.unknown())
})

export type Kept = z.infer<typeof keptSchema>

const file = join(import.meta.dirname, 'results.json')

/** Throws `ZodError` for a file that was not written by `keep`. */
export async function readKept(): Promise<Kept[]> {
  try {
    return z.array(keptSchema).parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** In the place of an earlier run of the same scenario. */
export async function keep(outcome: Kept): Promise<void> {
  const others = (await readKept()).filter(({ scenario }) => scenario !== outcome.scenario)
  await writeFileAtomic(file, new TextEncoder().encode(`${JSON.stringify([...others, outcome], undefined, 1)}\n`))
}
