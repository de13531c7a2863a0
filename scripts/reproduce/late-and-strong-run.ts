/** Runs scripts/reproduce/late-and-strong.ts once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeJson } from './simulations.ts'

const PROGRAM = join(import.meta.dirname, 'late-and-strong.ts')

const reportSchema = z.object({
  mergedCid: z.string(),
  reference: z.string(),
  leavers: z.array(
    z.object({
      name: z.string(),
      uniformValue: z.number(),
      partitions: z.number(),
      rows: z.number(),
      seconds: z.number(),
      leftWith: z.string(),
      later: z.string()
    })
  ),
  /** Accuracy in percent, by seed */
  students: z.array(z.number())
})
export type LateAndStrong = z.infer<typeof reportSchema>

/** Runs once; cached. `python` has PyTorch. Rejects when a process fails. */
export function createLateAndStrong(
  { data, python }: { data: string; python: string },
  { cache, signal }: { cache: string; signal: AbortSignal }
) {
  return async (): Promise<LateAndStrong> => {
    const stored = join(cache, 'late-and-strong.json')
    const known = await readFile(stored, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (known !== undefined) return reportSchema.parse(JSON.parse(known))
    const child = spawn(process.execPath, [PROGRAM, '--data', data, '--python', python, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      signal
    })
    const exited = once(child, 'close')
    exited.catch(() => undefined)
    let out = ''
    for await (const text of child.stdout.setEncoding('utf8')) out += text
    await exited
    if (out === '') throw new Error('the swarm of priors of different speed did not end')
    const report = reportSchema.parse(JSON.parse(out))
    await writeJson(stored, report)
    return report
  }
}
