/** The output line of one configuration. It does not depend on time, machine load or the order of lists. */
import { round6 } from '../../../src/align/gate.ts'
import type { Ranked } from '../../../src/align/candidate.ts'
import { plainGemm } from '../../../src/gemm.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { assessmentKey, qualityKey } from '../../../src/merge/views.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { checksReport, type ChecksReport } from './check-report.ts'
import type { DirectExact } from './direct-exact.ts'
import { alignedShared, meanDistance, type Probe } from './measure.ts'
import type { PriorFeatures } from './feature-cache.ts'
import type { Attack } from './attack-names.ts'
import type { Settings } from './plan.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import type { SimulatedSwarm } from './simulated-swarm.ts'

export interface RankingReport {
  readonly participant: string
  readonly prior: string
  readonly attack?: Attack
  /** V (lower is better), or predictivity and the like (higher is better) */
  readonly figure?: number
  readonly electable: boolean
  readonly reason?: string
}

export interface SimulatedParticipantReport {
  readonly participant: string
  readonly prior: string
  readonly attack?: Attack
  readonly uniformValue: number
  readonly predictivity?: number
  readonly eligible: boolean
  readonly refusals?: readonly string[]
  /** Of the gate's test of independence */
  readonly z: number
  /** How far z is above the gate's threshold; negative is below */
  readonly margin: number
  readonly looR2?: number
  readonly looCosine?: number
  readonly partitions: number
}

export interface RoundReport {
  readonly round: number
  readonly upgraded: readonly string[]
  readonly reference: string | undefined
  readonly replaced: number
  readonly done: number
  readonly rows: number
  readonly probe?: Probe
}

export interface ConfigurationReport {
  readonly name: string
  readonly config: Settings
  /** Absent if no prior could be elected. `prior` is set only if the reference is one prior's S_Y. */
  readonly reference?: {
    readonly cid: string
    readonly prior?: string
    readonly policy: string
    readonly from: readonly string[]
  }
  readonly ranking: readonly RankingReport[]
  readonly participants: readonly SimulatedParticipantReport[]
  readonly rows: number
  readonly coverage: number
  readonly rounds: readonly RoundReport[]
  readonly probe?: Probe
  /** Of each prior's own features, over all rows of the configuration */
  readonly priorProbes?: Readonly<Record<string, Probe>>
  /** Mean over pairs of eligible participants of 1 - mean cosine on the shared set */
  /** Absent in a swarm without checks */
  readonly checks?: ChecksReport
  readonly inconsistency: { readonly before?: number; readonly after?: number }
}

interface ReportInit {
  readonly name: string
  readonly settings: Settings
  readonly simulated: SimulatedSwarm
  readonly exact: DirectExact
  readonly participants: readonly SimulatedParticipant[]
  readonly rounds: readonly RoundReport[]
  readonly priors: ReadonlyMap<string, PriorFeatures>
  priorProbe(prior: PriorFeatures): Promise<Probe | undefined>
}

export async function reportOf({
  name,
  settings,
  simulated,
  exact,
  participants,
  rounds,
  priors,
  priorProbe
}: ReportInit): Promise<ConfigurationReport> {
  const { manifest } = simulated.swarm
  const { election, chosen } = simulated.view()
  const { ranking, reference } = election
  const ranks = new Map(ranking.map(r => [r.key, r]))
  const byPeer = new Map(participants.map(p => [p.peer.id, p]))
  const nameOf = ({
    author,
    key
  }: Pick<Ranked, 'author' | 'key'>): Pick<RankingReport, 'participant' | 'prior' | 'attack'> => {
    const p = byPeer.get(author)
    const body = simulated.state.set.get(key)?.body
    const prior = body?.type === 'score' ? body.prior.name : ''
    return {
      participant: p?.name ?? author,
      prior,
      ...(p?.source.attack === undefined ? {} : { attack: p.source.attack })
    }
  }
  const names = new Map(ranking.map(r => [r.key, nameOf(r)]))
  const done = new Map<string, number>()
  for (const { result } of chosen.values()) {
    const author = peerIdOf(result.body.author)
    done.set(author, (done.get(author) ?? 0) + 1)
  }

  const reports: SimulatedParticipantReport[] = []
  const before: Matrix32[] = []
  const after: Matrix32[] = []
  for (const p of participants.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { score } = p
    const assessment =
      score === undefined ? undefined : simulated.state.evidence.assessments.get(assessmentKey(score.body))
    if (score === undefined || assessment === undefined) continue
    const quality =
      reference?.cid === undefined
        ? undefined
        : simulated.state.evidence.qualities.get(qualityKey(score.body.targets, reference.cid))
    const figure = ranks.get(score.key)?.figure
    reports.push({
      participant: p.name,
      prior: p.source.prior.name,
      ...(p.source.attack === undefined ? {} : { attack: p.source.attack }),
      uniformValue: round6(assessment.uniformValue),
      ...(settings.policy === 'predictivity' && figure !== undefined ? { predictivity: figure } : {}),
      eligible: assessment.admissible,
      ...(assessment.admissible ? {} : { refusals: assessment.refusals }),
      z: assessment.z,
      margin: round6(assessment.z - manifest.gate.minZ),
      ...(quality === undefined ? {} : { looR2: round6(quality.looR2), looCosine: round6(quality.looCosine) }),
      partitions: done.get(p.peer.id) ?? 0
    })
    if (!assessment.admissible || reference?.cid === undefined || quality === undefined || quality.looR2 <= -1) continue
    const { matrix } = await p.source.shared()
    before.push(matrix)
    if (settings.alignTo === 'none') continue
    after.push(await alignedShared(await exact.fit(score.body.targets, reference.cid, plainGemm), matrix))
  }

  const probes: [string, Probe][] = []
  for (const [key, prior] of priors) {
    const used = participants.some(p => p.source.prior.name === key)
    const probe = used ? await priorProbe(prior) : undefined
    if (probe !== undefined) probes.push([key, probe])
  }
  const last = rounds.at(-1)
  const checks = checksReport(simulated, participants)
  const distances = { before: meanDistance(before), after: meanDistance(after) }
  return {
    name,
    config: settings,
    ...(reference?.cid === undefined
      ? {}
      : { reference: referenceReport(reference.cid.toString(), reference.provenance, names) }),
    ranking: ranking.map(({ key, figure, electable, reason }) => ({
      ...(names.get(key) ?? { participant: key, prior: '' }),
      ...(figure === undefined ? {} : { figure }),
      electable,
      ...(reason === undefined ? {} : { reason })
    })),
    participants: reports,
    rows: last?.rows ?? 0,
    coverage: round6((last?.rows ?? 0) / manifest.samples),
    rounds,
    ...(last?.probe === undefined ? {} : { probe: last.probe }),
    ...(probes.length === 0 ? {} : { priorProbes: Object.fromEntries(probes) }),
    ...(checks === undefined ? {} : { checks }),
    inconsistency: {
      ...(distances.before === undefined ? {} : { before: distances.before }),
      ...(distances.after === undefined ? {} : { after: distances.after })
    }
  }
}

// --- internal ---

function referenceReport(
  cid: string,
  { policy, from }: { policy: string; from: readonly string[] },
  names: ReadonlyMap<string, { participant: string; prior: string }>
): NonNullable<ConfigurationReport['reference']> {
  const authors = from.flatMap(key => names.get(key) ?? [])
  const [only] = authors
  return {
    cid,
    ...(authors.length === 1 && only !== undefined ? { prior: only.prior } : {}),
    policy,
    from: authors.map(({ participant }) => participant)
  }
}
