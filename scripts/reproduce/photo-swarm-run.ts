/** Runs scripts/photo-swarm.ts once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeJson } from './simulations.ts'

const PROGRAM = join(import.meta.dirname, '..', 'photo-swarm.ts')

const reportSchema = z.object({
  mergedCids: z.array(z.string()),
  seconds: z.number(),
  processes: z.array(
    z.object({
      name: z.string(),
      seconds: z.number(),
      peakBytes: z.number(),
      childPeakBytes: z.number(),
      partitions: z.number().optional()
    })
  )
})
export type PhotoSwarm = z.infer<typeof reportSchema>

/** Runs once; cached. Rejects when a process fails. */
export function createPhotoSwarm(data: string, { cache, signal }: { cache: string; signal: AbortSignal }) {
  return async (): Promise<PhotoSwarm> => {
    const stored = join(cache, 'photo-swarm.json')
    const known = await readFile(stored, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (known !== undefined) return reportSchema.parse(JSON.parse(known))
    const child = spawn(process.execPath, [PROGRAM, '--data', data, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      signal
    })
    const exited = once(child, 'close')
    exited.catch(() => undefined)
    let out = ''
    for await (const text of child.stdout.setEncoding('utf8')) out += text
    await exited
    if (out === '') throw new Error('the swarm of photos did not end')
    const report = reportSchema.parse(JSON.parse(out))
    await writeJson(stored, report)
    return report
  }
}
