/** What an operator should look at, each with what to do: a pure function of an overview. */
import { byteText } from '../process/quantities.ts'
import type { NodeOverview, SwarmOverview, Warning } from './overview.ts'

/** A lease lasts a minute and is renewed while rows are done: after ten, its holder is slow or stuck. */
const LONG_HELD_MS = 10 * 60_000

/** Right after the start nobody has had time to connect. */
const ALONE_AFTER_MS = 60_000

export type Facts = Omit<NodeOverview, 'warnings'> & {
  /** Since the start of the node */
  readonly upMs: number
  readonly counts: Readonly<Record<'store_faults' | 'unhandled_errors' | 'worker_losses', number>>
}

export function warningsOf(facts: Facts): Warning[] {
  return [
    ...disk(facts),
    ...network(facts),
    ...facts.swarms.flatMap(swarm => [...ofSwarm(swarm, facts)].map(one => ({ ...one, swarm: swarm.manifest }))),
    ...faults(facts)
  ]
}

// --- internal ---

function* disk({ disk, swarms }: Facts): Generator<Warning> {
  const spare = disk.freeBytes - disk.minFreeBytes
  if (disk.state === 'low')
    yield {
      level: 'fail',
      text: `The disk is low: ${byteText(disk.freeBytes)} free, nothing new is stored.`,
      remedy: 'Free space, run "coopt gc", or change store.maxBytes or store.minFreeBytes.'
    }
  const need = swarms.reduce((sum, { needBytes, role }) => sum + (role === 'observer' ? 0 : needBytes), 0)
  const room = Math.min(spare, (disk.maxBytes ?? Number.POSITIVE_INFINITY) - disk.storeBytes)
  if (disk.state === 'ok' && need > room)
    yield {
      level: 'warn',
      text: `Finishing here may need ${byteText(need)}, and ${byteText(Math.max(0, room))} may be used.`,
      remedy: 'Free space or raise store.maxBytes; otherwise this node stops taking partitions when the disk is low.'
    }
}

function* network({ connections, swarms, wasReached, addresses, upMs, opening }: Facts): Generator<Warning> {
  const isWaiting = swarms.some(({ complete }) => !complete) || opening.length > 0
  if (isWaiting && connections.length === 0 && upMs > ALONE_AFTER_MS)
    yield {
      level: 'warn',
      text: 'No peer is connected.',
      remedy: 'Run "coopt doctor": it tries the addresses of the invite one by one.'
    }
  else if (isWaiting && !wasReached && addresses.length > 0 && upMs > ALONE_AFTER_MS)
    yield {
      level: 'warn',
      text: 'No peer from another machine has connected to this node directly since it started.',
      remedy:
        'If others should reach it, forward its TCP port and set network.announce; "coopt doctor" checks the port.'
    }
  for (const id of opening)
    yield {
      level: 'warn',
      text: `Swarm ${id} waits for content that no member sends.`,
      remedy: 'Ask its publisher to run "coopt up", or join it again with a fresh invite.'
    }
}

function* ofSwarm(swarm: SwarmOverview, { peer }: Facts): Generator<Warning> {
  const { name, scores, partitions, election, members } = swarm
  if (scores.unjudged > 0)
    yield {
      level: 'warn',
      text: `${name}: ${scores.unjudged} scores are not judged yet, because their targets did not arrive.`,
      remedy:
        members === 0
          ? 'Wait for a member, or check the connection.'
          : 'Their authors may be offline; they are tried again.'
    }
  for (const candidate of election.candidates) {
    if (candidate.peer !== peer || candidate.refusals.length === 0 || candidate.kind === 'human') continue
    yield {
      level: 'fail',
      text: `${name}: the prior ${candidate.prior} of this node is refused: ${candidate.refusals.join('; ')}.`,
      remedy: 'Check its preprocessing with "coopt prior check MODEL --shared INVITE".'
    }
  }
  for (const { index, heldMs = 0, peer: holder, done = 0, rows } of partitions) {
    if (heldMs < LONG_HELD_MS) continue
    yield {
      level: 'warn',
      text: `${name}: partition ${index} has been with ${holder} for ${Math.round(heldMs / 60_000)} minutes (${done} of ${rows} rows).`,
      remedy: 'Nothing to do: a node without other work takes it over.'
    }
  }
}

function* faults({ counts }: Facts): Generator<Warning> {
  if (counts.store_faults > 0)
    yield {
      level: 'warn',
      text: `${counts.store_faults} blocks of the store were damaged; they are fetched again.`,
      remedy: 'Check the disk and its cables; "coopt verify CID" reads a whole dataset.'
    }
  if (counts.worker_losses > 0)
    yield {
      level: 'warn',
      text: `The inference process was lost ${counts.worker_losses} times and started again.`,
      remedy: 'See the log; raise inference.memoryBytes, or lower batchSize.'
    }
  if (counts.unhandled_errors > 0)
    yield {
      level: 'warn',
      text: `${counts.unhandled_errors} errors were not handled, which is a bug.`,
      remedy: 'Please report what the log says.'
    }
}
