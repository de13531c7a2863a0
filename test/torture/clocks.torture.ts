import { expect, test } from 'vitest'
import { figure, sizeOf } from '../helpers/effort.ts'
import { simulate } from '../helpers/simulator.ts'

const SEEDS = sizeOf('COOPT_SEEDS', 5)

test(`members whose clocks are wrong by ten minutes to a year, and jump, come to one dataset (${SEEDS} histories)`, async () => {
  let records = 0
  let complete = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const report = await simulate(seed, undefined, { clocks: true })
    records += report.records
    complete += Number(report.complete)
  }
  figure('records', records)
  figure('complete', complete)
  expect(complete).toBeGreaterThan(0.8 * SEEDS)
})
