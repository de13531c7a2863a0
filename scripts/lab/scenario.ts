/** What a scenario of the network lab is, and words that its judges share. */
import { z } from 'zod'

/** Of one run: what was measured before this was worked on, what is wanted, what was measured now, and whether that will do */
export interface Finding {
  readonly before: string
  readonly wanted: string
  readonly measured: string
  readonly met: boolean
}

/** The lab's script with these options, once for each list: most scenarios are one run, some compare two. */
export type Runs = readonly (readonly string[])[]

export interface Scenario {
  readonly name: string
  /** The lab's script, without its ending */
  readonly script: string
  readonly runs: Runs
  /** How long members stay for the prior of one that is not ready yet (`timing.patienceMs`), where that is not what is measured; else the default */
  readonly patienceMs?: number
  /** The same on a smaller scale, for every run of CI; undefined where none says anything in two minutes */
  readonly quick?: Runs
  /** `figures`: what each run printed. Throws `ZodError` where something is missing. */
  judge(figures: readonly unknown[], size: 'full' | 'quick'): Finding[]
}

export const exitCode = z.number().nullish()
export const duration = z.number().nullish()

export const exits = (code: number | null | undefined): string =>
  typeof code === 'number' ? String(code) : 'none: too slow'

export const exitsWithZero = (before: string, wanted: string, code: number | null | undefined): Finding => ({
  before,
  wanted,
  measured: `exit ${exits(code)}`,
  met: code === 0
})

/** `what` took no longer than `most` seconds. */
export const inTime = (before: string, what: string, seconds: number | null | undefined, most: number): Finding => ({
  before,
  wanted: `${what} within ${most} s`,
  measured: typeof seconds === 'number' ? `${seconds} s` : 'never',
  met: typeof seconds === 'number' && seconds <= most
})
