/** Seconds that one core needs for an image by each prior: reading is left out, decoding and the model are in it. Measured once and cached. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { openImages } from '../../node/lab/simulate/image-set.ts'
import { loadPrior } from '../../node/priors/load-prior.ts'
import type { DataFiles } from './image-files.ts'
import { writeJson } from './simulations.ts'

/** A node's default */
const BATCH = 32
/** The least of so many batches: other work on the machine only adds to a measurement. */
const BATCHES = 6

const storedSchema = z.record(z.string(), z.number())

export type Paces = (priors: readonly string[]) => Promise<ReadonlyMap<string, number>>

export function createPaces(data: DataFiles, { cache, signal }: { cache: string; signal: AbortSignal }): Paces {
  return async priors => {
    const file = join(cache, 'pace.json')
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}'
      throw error
    })
    const known = storedSchema.parse(JSON.parse(text))
    const missing = priors.filter(name => known[name] === undefined)
    if (missing.length > 0) {
      const images = await openImages(data.images, signal)
      try {
        const batch = await Promise.all(Array.from({ length: BATCH }, async (_, i) => await images.read(i)))
        for (const name of missing) {
          const prior = await loadPrior(data.prior(name), { threads: 1, name })
          try {
            let least = Infinity
            for (let i = 0; i < BATCHES; i++) {
              const started = performance.now()
              await prior.embed(batch, { signal })
              least = Math.min(least, (performance.now() - started) / 1000 / BATCH)
            }
            known[name] = least
          } finally {
            await prior.close()
          }
        }
      } finally {
        await images.close()
      }
      await writeJson(file, known)
    }
    return new Map(priors.map(name => [name, known[name] ?? 0]))
  }
}
