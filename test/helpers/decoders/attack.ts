/** Throw inputs at a decoder: it reads them or refuses them with an error of ours, in time, and nothing stays behind. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { HttpProblem } from '../../../node/gateway/http-problem.ts'
import { NonFiniteRow } from '../../../node/priors/table/vector-source.ts'
import { CoOptError } from '../../../src/errors.ts'
import type { Decoder } from './decoder.ts'

export interface AttackReport {
  inputs: number
  refused: number
  /** Milliseconds of the slowest input, at its best of `TRIES` */
  worst: number
}

/** Errors thrown on purpose: the second has a status, the third is turned into the first by its only caller. */
const OURS = [CoOptError, HttpProblem, NonFiniteRow] as const

/** What an input may take: of a decoder that is `slow` a second. */
const LIMIT_MS = 50
const SLOW_LIMIT_MS = 1000
/** An input over the limit is tried again: a machine that does something else for a moment is no hang. */
const TRIES = 10

/** Run `inputs`; throws an error that names the decoder and holds the smallest input (hexadecimal) for anything that must not be. */
export async function attack(
  decoder: Decoder,
  inputs: fc.Arbitrary<Uint8Array | Promise<Uint8Array>>,
  { runs, folder, seed }: { runs: number; folder: string; seed?: number }
): Promise<AttackReport> {
  const report: AttackReport = { inputs: 0, refused: 0, worst: 0 }
  const path = join(folder, 'input')
  const limit = decoder.slow === true ? SLOW_LIMIT_MS : LIMIT_MS
  const once = async (bytes: Uint8Array): Promise<number> => {
    if (decoder.needsFile === true) await writeFile(path, bytes)
    const startedAt = performance.now()
    try {
      await decoder.read(bytes, path)
    } catch (error) {
      if (!OURS.some(of => error instanceof of)) throw error
      report.refused++
    }
    return performance.now() - startedAt
  }
  await fc.assert(
    fc.asyncProperty(inputs, async made => {
      const bytes = await made
      report.inputs++
      let taken = await once(bytes)
      for (let i = 1; i < TRIES && taken > limit; i++) taken = Math.min(taken, await once(bytes))
      report.worst = Math.max(report.worst, taken)
      if (taken > limit)
        throw new Error(
          `${decoder.name}: ${taken.toFixed(0)} ms for ${Buffer.from(bytes).toString('hex').slice(0, 4000)}`
        )
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }) }
  )
  return report
}
