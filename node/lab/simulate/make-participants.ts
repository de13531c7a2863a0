/** The participants of a configuration: names, keys, priors, attackers under all their identities, and human labellers. */
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { attackerSource } from './attack.ts'
import { isCopyAttack, isWorkAttack } from './attack-names.ts'
import { copySource } from './copy-attack.ts'
import type { Draw } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import { humanFeatures } from './feature-cache.ts'
import type { ImageLabels } from './image-set.ts'
import type { Participant, Settings } from './plan.ts'
import { simulatedPeer } from './simulated-peer.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import { honestSource, type TargetSource } from './target-source.ts'

export interface Copycat {
  readonly participant: SimulatedParticipant
  /** Copy another S_Y, or what these have in common, once there are some */
  copy(victim: SimulatedParticipant, all: readonly SimulatedParticipant[]): Promise<void>
}

export interface Cast {
  /** Participants that publish first */
  readonly participants: SimulatedParticipant[]
  /** Participants that wait for another S_Y */
  readonly copycats: Copycat[]
}

export function makeParticipants(
  draw: Draw,
  settings: Settings,
  {
    priors,
    untrained,
    labels
  }: { priors: ReadonlyMap<string, PriorFeatures>; untrained: PriorFeatures; labels: ImageLabels | undefined }
): Cast {
  const participants: SimulatedParticipant[] = []
  const copycats: Copycat[] = []
  const taken = new Set(settings.participants.flatMap(({ name }) => name ?? []))
  const join = (
    name: string,
    source: TargetSource,
    { speed = 1, checks, leavesAfter }: Pick<Participant, 'speed' | 'checks' | 'leavesAfter'>
  ): SimulatedParticipant => ({
    name,
    peer: simulatedPeer(`${settings.seed}`, name),
    speed,
    source,
    checks,
    leavesAfter,
    score: undefined,
    taken: 0,
    budget: 0
  })
  const priorOf = ({ prior }: Participant): PriorFeatures | undefined => {
    if (prior === undefined) return undefined
    const found = priors.get(prior)
    if (found === undefined) throw new InvalidInputError(`plan: prior "${prior}" is not in "priors"`)
    return found
  }

  for (const given of settings.participants) {
    const { attack, sybils = 1 } = given
    const prior = priorOf(given)
    const head = given.name ?? [prior?.name, attack].filter(part => part !== undefined).join('-')
    for (let identity = 1; identity <= sybils; identity++) {
      const own = given.name !== undefined && identity === 1
      const name = own ? head : unused(head, taken)
      taken.add(name)
      if (attack === undefined && prior !== undefined) participants.push(join(name, honestSource(draw, prior), given))
      else if (attack !== undefined && isCopyAttack(attack) && prior !== undefined) {
        const copy = copySource(draw, attack, prior, name)
        copycats.push({
          participant: join(name, copy.source, given),
          copy: async (victim, all) => await copy.from(victim.source, all.map(p => p.source).filter(isBelievable))
        })
      } else if (attack !== undefined && !isCopyAttack(attack)) {
        const init = { prior, untrained, name, identity }
        participants.push(join(name, attackerSource(draw, { ...given, attack }, init), given))
      }
    }
  }
  if (settings.human !== undefined && labels !== undefined) {
    const people = humanFeatures(unused('human', taken), labels)
    participants.push(join(people.name, humanSource(draw, people, settings.human.share), { speed: HUMAN_SPEED }))
  }
  return { participants, copycats }
}

// --- internal ---

/** Labels exist already: no model has to run. */
const HUMAN_SPEED = Number.POSITIVE_INFINITY

/** Whose S_Y is that of a prior: what a copy of the consensus is made of. */
function isBelievable({ attack, prior }: TargetSource): boolean {
  return prior.kind !== 'human' && (attack === undefined || isWorkAttack(attack))
}

function unused(head: string, taken: ReadonlySet<string>): string {
  let name = head
  for (let i = 2; taken.has(name); i++) name = `${head}-${i}`
  return name
}

/** Human labels of the shared set and of a share of the partitions, drawn by the seed; other partitions stay unlabelled. */
function humanSource(draw: Draw, people: PriorFeatures, share: number): TargetSource {
  const { partitions, seed } = draw.swarm.manifest
  const order = shuffle(partitions.length, createRandomStream('coopt/1/simulate/human', seed))
  const labelled = new Set(order.subarray(0, Math.round(share * partitions.length)))
  const source = honestSource(draw, people)
  return {
    ...source,
    partition: async index => {
      const all = await source.partition(index)
      return labelled.has(index) ? all : { ...all, present: 0 }
    }
  }
}
