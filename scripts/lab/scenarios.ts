/**
 * The scenarios of the network lab, and what each has to show. Those with `quick` runs are cheap enough for CI, whose machine is busy: figures have
 * room there where noise moves them; what is counted has none. Wanted are the figures of a node that works between labs: on long lines, behind NATs,
 * with members that leave, sleep and move.
 */
import { LINES } from './scenarios-lines.ts'
import { MEMBERS } from './scenarios-members.ts'
import { REACH } from './scenarios-reach.ts'
import type { Scenario } from './scenario.ts'

export const SCENARIOS: readonly Scenario[] = [...REACH, ...LINES, ...MEMBERS]

/** Thresholds that the present code does not reach, as `scenario: wanted`. They are reported and do not fail the run; one that is met must go. */
export const NOT_YET: readonly string[] = []
