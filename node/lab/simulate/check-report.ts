/** What checks came to in a simulated swarm: which rows are confirmed and what they are worth, whom they caught, and what they cost. */
import { round6 } from '../../../src/align/gate.ts'
import type { Choice } from '../../../src/merge/views.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import type { SimulatedSwarm } from './simulated-swarm.ts'

/** Rows of partitions whose chosen work is of this kind; `lost`: honest, and nobody who is there has it */
export interface RowsByKind {
  readonly honest: number
  readonly garbage: number
  readonly ghost: number
  readonly lost: number
}

export interface ChecksReport {
  readonly complete: boolean
  readonly confirmed: RowsByKind
  readonly unconfirmed: RowsByKind
  /** Results of honest participants that count as refuted in the end */
  readonly refutedHonest: number
  /** Results that count as refuted and are garbage or ghosts */
  readonly refutedFalse: number
  /** Participants whose voice counts for nothing, by name */
  readonly caught: readonly string[]
  readonly caughtHonest: number
  /** Check records, and those with an opinion */
  readonly checks: number
  readonly opinions: number
  /** Rows of inference for checks, for partitions by honest participants, and the share of the first in both */
  readonly checkRows: number
  readonly workRows: number
  readonly share: number
  /** Targets that checkers fetched, and how often those of the whole dataset that is */
  readonly bytes: number
  readonly timesTargets: number
  /** Unit of `speed`: when the last work or check was done */
  readonly seconds: number
}

/** Undefined in a swarm without checks. */
export function checksReport(
  swarm: SimulatedSwarm,
  participants: readonly SimulatedParticipant[]
): ChecksReport | undefined {
  const { manifest } = swarm.swarm
  const view = swarm.view()
  const { confirmation } = view
  if (confirmation === undefined) return undefined
  const byKey = new Map(participants.map(p => [hex(p.peer.key), p]))
  const authorOf = ({ result }: Choice): SimulatedParticipant | undefined => byKey.get(hex(result.body.author))
  const kindOf = (choice: Choice): keyof RowsByKind => {
    const wrong = authorOf(choice)?.source.falseWork?.(choice.partition)
    if (wrong !== undefined) return wrong
    return swarm.checks.isHeld(choice.alignment.body.shard.toString()) ? 'honest' : 'lost'
  }
  const rowsOf = (choices: Iterable<Choice>): RowsByKind => {
    const rows = { honest: 0, garbage: 0, ghost: 0, lost: 0 }
    for (const choice of choices) rows[kindOf(choice)] += choice.result.body.present
    return rows
  }
  const unconfirmed = new Set(view.unconfirmed)
  const chosen = [...view.chosen.values()]
  const refuted = new Map([...view.refuted.values()].flat().map(choice => [choice.result.key, choice]))
  const isFalse = (choice: Choice): boolean => authorOf(choice)?.source.falseWork?.(choice.partition) !== undefined
  const refutedFalse = [...refuted.values()].filter(isFalse).length
  const caught = participants.filter(p => confirmation.isCaught(p.peer.key))
  const { checks, opinions, rows, bytes } = swarm.checks.costs
  return {
    complete: view.complete,
    confirmed: rowsOf(chosen.filter(({ partition }) => !unconfirmed.has(partition))),
    unconfirmed: rowsOf(chosen.filter(({ partition }) => unconfirmed.has(partition))),
    refutedHonest: refuted.size - refutedFalse,
    refutedFalse,
    caught: caught.map(({ name }) => name).sort(),
    caughtHonest: caught.filter(isHonest).length,
    checks,
    opinions,
    checkRows: rows,
    workRows: swarm.workRows,
    share: rows === 0 ? 0 : round6(rows / (rows + swarm.workRows)),
    bytes,
    timesTargets: round6(bytes / (4 * manifest.samples * manifest.dimension)),
    seconds: round6(swarm.lastDone)
  }
}

/** Does it neither publish what is false nor say it about others? */
export function isHonest({ source, checks = 'honest' }: SimulatedParticipant): boolean {
  return source.attack === undefined && checks === 'honest'
}

// --- internal ---

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')
