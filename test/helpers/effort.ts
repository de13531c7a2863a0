/** How hard a test tries: as written in `npm test`, longer in `npm run torture`. Sizes come from the environment, figures go to a file. */
import { appendFileSync } from 'node:fs'

/** The size of a test: that of the environment variable, else `usual`. Throws if the variable is no positive number. */
export function sizeOf(variable: string, usual: number): number {
  const text = process.env[variable]
  if (text === undefined) return usual
  const size = Number(text)
  if (!Number.isInteger(size) || size <= 0)
    throw new Error(`${variable} is "${text}": a positive whole number is needed`)
  return size
}

/** Whether `npm run torture` runs this, which keeps the figures. */
export const isTorture = process.env['COOPT_FIGURES'] !== undefined

/** Note a measured figure for the page of the run (`scripts/torture`); outside of it nothing happens. */
export function figure(name: string, value: number | string): void {
  const path = process.env['COOPT_FIGURES']
  if (path !== undefined) appendFileSync(path, `${JSON.stringify({ name, value })}\n`)
}

/** The value that 95 of 100 do not exceed. */
export function p95(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0
}
