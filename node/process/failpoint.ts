/**
 * Named points at which a test can kill or fail a real process: `COOPT_FAILPOINT="publish:log#3=kill,merge=throw:ENOSPC"`.
 *
 *   name    where, see `FAILPOINTS`
 *   #n      at the n-th passage (from 1; default 1)
 *   kill    SIGKILL to the own process: nothing is flushed, no handler runs
 *   throw:E reject with an error whose `code` is E
 *   exit    end the process with code 70
 *
 * The variable is read once, at start. Without it `failpoint` is an empty function.
 */
import { InvalidInputError } from '../../src/errors.ts'

/** Every point and the moment it stands for. */
export const FAILPOINTS = {
  'optimize:batch': 'a batch of targets is in the progress journal',
  'publish:blocks': 'all blocks of a record are on disk, its sequence number is taken, the record is not logged',
  'publish:log': 'the record is in the synced log, not yet announced',
  'publish:announce': 'the record was handed to the network',
  merge: 'the merged directory is computed, not all of its blocks are stored'
} as const

export type FailpointName = keyof typeof FAILPOINTS

type Action = { kind: 'kill' } | { kind: 'exit' } | { kind: 'throw'; code: string }

interface Point {
  left: number
  action: Action
}

/** Pass the point `name`; resolves at once unless a test wants otherwise. */
export const failpoint: (name: FailpointName) => Promise<void> = createFailpoint(process.env['COOPT_FAILPOINT'])

/** A `failpoint` for the given specification. Throws `InvalidInputError` when it names no point or no action. */
export function createFailpoint(specification: string | undefined): (name: FailpointName) => Promise<void> {
  if (specification === undefined || specification === '') return async () => {}
  const points = new Map(specification.split(',').map(parsePoint))
  return async name => {
    const point = points.get(name)
    if (point === undefined || --point.left !== 0) return
    await act(name, point.action)
  }
}

// --- internal ---

function parsePoint(text: string): [FailpointName, Point] {
  const match = /^(?<name>[a-z:]+)(?:#(?<count>[1-9]\d{0,8}))?=(?<action>kill|exit|throw:(?<code>E[A-Z0-9]+))$/.exec(
    text
  )
  const { name = '', count = '1', action = '', code = '' } = match?.groups ?? {}
  if (!isFailpoint(name)) {
    const known = Object.keys(FAILPOINTS).join(', ')
    throw new InvalidInputError(
      `COOPT_FAILPOINT "${text}": expected name#count=kill, =exit or =throw:CODE, with a name of ${known}`
    )
  }
  const kind = action === 'kill' || action === 'exit' ? { kind: action } : { kind: 'throw' as const, code }
  return [name, { left: Number(count), action: kind as Action }]
}

function isFailpoint(name: string): name is FailpointName {
  return Object.hasOwn(FAILPOINTS, name)
}

async function act(name: FailpointName, action: Action): Promise<void> {
  if (action.kind === 'throw') {
    throw Object.assign(new Error(`${action.code}: failpoint ${name}`), { code: action.code })
  }
  if (action.kind === 'exit') process.exit(70)
  process.kill(process.pid, 'SIGKILL')
  await new Promise<never>(() => {}) // the signal is on its way: nothing behind the point may run
}
