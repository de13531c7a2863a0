/** Which attacks `coopt simulate` knows, by what they attack (simulate.md describes each). */

/** S_Y itself: noise, or a better figure than the prior deserves */
export const SCORE_ATTACKS = ['noise', 'whiten', 'blend'] as const

/** S_Y of somebody else, so they wait until there is one */
export const COPY_ATTACKS = ['copy', 'consensus', 'consensus-mapped'] as const

/** Partitions, behind an honest S_Y */
export const WORK_ATTACKS = [
  'garbage',
  'ghosts',
  'permuted',
  'other-partition',
  'first-rows',
  'constant',
  'shared-again',
  'mixed'
] as const

export const ATTACKS = [...SCORE_ATTACKS, ...COPY_ATTACKS, ...WORK_ATTACKS] as const

export type CopyAttack = (typeof COPY_ATTACKS)[number]
export type WorkAttack = (typeof WORK_ATTACKS)[number]
export type Attack = (typeof ATTACKS)[number]

/** What `mixed` publishes, in turn by the number of the partition */
export const MIXED: ReadonlyArray<Exclude<WorkAttack, 'mixed'>> = WORK_ATTACKS.filter(attack => attack !== 'mixed')

/**
 * How a participant checks the work of others. `none`: not at all. `accuse`: whatever it is, it is wrong. `praise`: what others of the clique publish is
 * sound, and the rest is checked honestly, so that the voice counts. `conspire`: the clique's work is sound, all other work is wrong.
 */
export const CHECKERS = ['honest', 'none', 'accuse', 'praise', 'conspire'] as const
export type Checker = (typeof CHECKERS)[number]

/** Whose work these liars praise: that of each other. */
export const isOfClique = (checks: Checker): boolean => checks === 'praise' || checks === 'conspire'

export const isCopyAttack = (attack: Attack): attack is CopyAttack => COPY_ATTACKS.some(name => name === attack)
export const isWorkAttack = (attack: Attack): attack is WorkAttack => WORK_ATTACKS.some(name => name === attack)
