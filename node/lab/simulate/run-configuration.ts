/** One configuration of a plan, from participants to its output line and files. */
import { MAX_Z, sealManifest, type Swarm } from '../../../src/distribute/manifest.ts'
import type { PeerKey } from '../../../src/envelope.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { compareBytes } from '../../../src/codec.ts'
import { createDirectExact } from './direct-exact.ts'
import type { Draw } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import type { ImageLabels } from './image-set.ts'
import { probeOf, type Probe } from './measure.ts'
import { mergedTargets } from './merged-targets.ts'
import { makeParticipants } from './make-participants.ts'
import type { Configuration, Settings } from './plan.ts'
import { reportOf, type ConfigurationReport, type RoundReport } from './report.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import { createSimulatedSwarm, type SimulatedSwarm } from './simulated-swarm.ts'
import { simulatedPeer } from './simulated-peer.ts'
import { honestSource } from './target-source.ts'
import type { MergedTargets } from './write-targets.ts'

export interface RunContext {
  readonly draw: Draw
  readonly priors: ReadonlyMap<string, PriorFeatures>
  /** The publisher's reference prior */
  readonly untrained: PriorFeatures
  readonly labels: ImageLabels | undefined
  /** Probe of a prior's own features on the rows of this draw; computed once */
  priorProbe(prior: PriorFeatures): Promise<Probe | undefined>
  /** Merged targets of the configuration, or of one of its rounds */
  write(name: string, merged: MergedTargets): Promise<void>
  onRound(round: number, of: number): void
  readonly signal: AbortSignal
}

export async function runConfiguration(
  { name, settings }: Configuration,
  context: RunContext
): Promise<ConfigurationReport> {
  const { draw, priors, labels } = context
  const { participants, copycats } = makeParticipants(draw, settings, context)
  const members = [...participants, ...copycats.map(c => c.participant)].map(p => p.peer.key)
  const swarm = await swarmOf(draw, settings, members)
  const exact = createDirectExact({ draw, manifest: swarm.manifest, settings, priors })
  const unaligned = settings.alignTo === 'none'
  const simulated = createSimulatedSwarm({
    draw,
    swarm,
    exact,
    participants: [...participants, ...copycats.map(c => c.participant)],
    unaligned
  })
  try {
    await simulated.publishScores(participants)
    if (copycats.length > 0) {
      const victim = victimOf(simulated, participants)
      for (const { copy } of copycats) await copy(victim, participants)
      await simulated.publishScores(copycats.map(c => c.participant))
    }
    const everybody = [...participants, ...copycats.map(c => c.participant)]
    const rounds: RoundReport[] = []
    let merged: MergedTargets | undefined
    let before = new Map<number, string>()
    for (let round = 1; round <= settings.rounds; round++) {
      context.signal.throwIfAborted()
      context.onRound(round, settings.rounds)
      const upgraded = round === 1 ? [] : await upgrade(simulated, everybody, settings, context, round)
      await simulated.work({ once: round === 1 })
      merged = await mergedTargets(simulated, {
        draw,
        exact,
        participants: everybody,
        opinions: settings.opinions,
        unaligned
      })
      await context.write(settings.rounds === 1 ? name : `${name}-round${round}`, merged)
      const chosen = new Map([...simulated.view().chosen].map(([p, { result }]) => [p, result.key]))
      rounds.push({
        round,
        upgraded,
        reference: referenceName(simulated),
        replaced: [...chosen].filter(([p, key]) => before.has(p) && before.get(p) !== key).length,
        done: chosen.size,
        rows: merged.images.length,
        ...(labels === undefined ? {} : { probe: await probeOf(merged.targets, merged.images, labels, settings.seed) })
      })
      before = chosen
    }
    return await reportOf({
      name,
      settings,
      simulated,
      exact,
      participants: everybody,
      rounds,
      priors,
      priorProbe: context.priorProbe
    })
  } finally {
    await simulated.stop()
  }
}

// --- internal ---

/** The draw's manifest with the rules of this configuration; the same manifest if these are the defaults. */
async function swarmOf(
  { swarm }: Draw,
  { policy, centred, gate, alignTo, ridgeGrid, acceptance }: Settings,
  members: readonly PeerKey[]
): Promise<Swarm> {
  const { manifest } = swarm
  // no floor for targets aligned to a prescribed reference, or elected without a gate: they are measured however poor they are
  const measured = !gate || alignTo === 'random' || alignTo === 'none'
  return await sealManifest(
    {
      ...manifest,
      election: { ...manifest.election, policy },
      uniformity: { ...manifest.uniformity, centred },
      alignment: { grid: ridgeGrid, minLooZ: measured ? -MAX_Z : manifest.alignment.minLooZ },
      ...(acceptance === undefined ? {} : { acceptance }),
      // whose members count must list them
      ...(acceptance?.voters === 'members' ? { admission: [...members].sort(compareBytes) } : {})
    },
    simulatedPeer('publisher').sign
  )
}

/** Whose S_Y is copied: that of the elected participant, if there is one, otherwise that of the first electable one. */
function victimOf(simulated: SimulatedSwarm, participants: readonly SimulatedParticipant[]): SimulatedParticipant {
  const { ranking, reference } = simulated.view().election
  const key = reference?.provenance.from[0] ?? ranking.find(r => r.electable)?.key
  const victim = participants.find(p => p.score?.key === key) ?? participants[0]
  if (victim === undefined) throw new Error('a copy needs a participant to copy')
  return victim
}

function referenceName(simulated: SimulatedSwarm): string | undefined {
  const { reference } = simulated.view().election
  const score = reference?.provenance.from.map(key => simulated.state.set.get(key)?.body).find(b => b?.type === 'score')
  return reference === undefined
    ? undefined
    : score?.type === 'score' && reference.provenance.from.length === 1
      ? score.prior.name
      : reference.provenance.policy
}

/** A share of the participants gets better priors and may redo its part of the partitions; all others realign if necessary. */
async function upgrade(
  simulated: SimulatedSwarm,
  participants: readonly SimulatedParticipant[],
  { upgradeShare, upgrades, seed, partitions }: Settings,
  { draw, priors }: RunContext,
  round: number
): Promise<string[]> {
  for (const p of participants) p.budget = 0
  const candidates = participants
    .filter(p => p.source.attack === undefined && Object.hasOwn(upgrades, p.source.prior.name))
    .sort((a, b) => compareBytes(a.peer.key, b.peer.key))
  const order = shuffle(candidates.length, createRandomStream('coopt/1/simulate/upgrades', `${seed}`, `${round}`))
  const count = Math.min(candidates.length, Math.ceil(upgradeShare * participants.length))
  const chosen = [...order.subarray(0, count)].map(i => candidates[i] as SimulatedParticipant)
  for (const participant of chosen) {
    const better = priors.get(upgrades[participant.source.prior.name] as string)
    if (better === undefined) throw new Error(`prior ${upgrades[participant.source.prior.name]} was not loaded`)
    participant.source = honestSource(draw, better)
    participant.budget = Math.ceil(partitions / participants.length)
  }
  if (chosen.length > 0) await simulated.publishScores(chosen)
  return chosen.map(p => p.name).sort()
}
