/** One swarm as this node sees it now. Reads what is in memory, and of the disk only which files are complete (remembered by the content). */
import { countedScores } from '../../src/merge/counted-scores.ts'
import { assessmentKey, qualityKey, type SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Content } from '../content/content.ts'
import { mergeSwarm, UNSTORED } from '../merge/merge-swarm.ts'
import { diskNeed } from '../participant/disk-need.ts'
import type { Membership } from '../swarms/membership.ts'
import { checksReport } from '../swarms/check-report.ts'
import { peerRows, referenceReport } from '../swarms/peer-rows.ts'
import type { SwarmActivity } from './activity.ts'
import type { CandidateOverview, PartitionOverview, SwarmOverview } from './overview.ts'
import type { Pace } from './pace.ts'

export type Watched = Pick<Membership, 'swarm' | 'state' | 'leases' | 'members'>

export interface SwarmOverviewInit {
  /** This node */
  peer: string
  content: Pick<Content, 'holdsEach'>
  activity: SwarmActivity
  pace: Pace
}

export async function swarmOverview(
  { swarm, state, leases, members }: Watched,
  { peer, content, activity, pace }: SwarmOverviewInit
): Promise<SwarmOverview> {
  const { manifest } = swarm
  const view = state.view()
  const held = leases.held()
  const candidates = candidatesOf({ swarm, state }, view)
  const reference = referenceReport(state, view.election)
  const counted = countedScores(state.set)
  const unjudged = state.unjudged()
  const [first, second] = view.election.ranking.filter(({ electable }) => electable)
  const progress = pace.observe(swarm.id.toString(), rowsWithTargets(manifest, view), manifest.samples)
  const records = (type: 'score' | 'result' | 'alignment' | 'check'): number => state.set.byType(type).length
  const checks = checksReport({ set: state.set, swarm }, view, new Set([peer, ...members().map(String)]))
  const isPublisher = peerIdOf(manifest.publisher) === peer
  return {
    manifest: swarm.id.toString(),
    name: manifest.name,
    role: isPublisher ? 'publisher' : candidates.some(one => one.peer === peer) ? 'participant' : 'observer',
    samples: manifest.samples,
    dimension: manifest.dimension,
    partitions: partitionsOf({ swarm, leases }, view, activity, peer),
    coverage: view.rows / manifest.samples,
    complete: view.complete,
    ...(checks === undefined ? {} : { checks }),
    ...(view.complete ? { mergedCid: await mergedCid({ swarm, state }, view) } : {}),
    election: {
      policy: manifest.election.policy,
      isLowerBetter: manifest.election.policy === 'uniformity' || manifest.election.policy === 'consensus',
      ...(reference === undefined ? {} : { reference }),
      ...(first === undefined || second === undefined ? {} : { lead: second.value - first.value }),
      margin: manifest.election.margin,
      minZ: manifest.gate.minZ,
      minLooZ: manifest.alignment.minLooZ,
      candidates
    },
    records: {
      score: records('score'),
      result: records('result'),
      alignment: records('alignment'),
      check: records('check'),
      bytes: state.set.bytes
    },
    scores: { judged: counted.length - unjudged, unjudged },
    members: members().length,
    leases: { own: activity.work.length, others: held.length },
    own: {
      rowsPerSecond: activity.rowsPerSecond,
      ...(activity.scoring === undefined ? {} : { scoring: activity.scoring })
    },
    ...(progress === undefined ? {} : { pace: progress }),
    needBytes: view.complete ? 0 : (await diskNeed(manifest, async cids => await content.holdsEach(cids))).everything
  }
}

// --- internal ---

function partitionsOf(
  { swarm, leases }: Pick<Watched, 'swarm' | 'leases'>,
  view: SwarmView,
  activity: SwarmActivity,
  peer: string
): PartitionOverview[] {
  const work = new Map(leases.held().map(lease => [lease.partition, lease]))
  const own = new Map(activity.work.map(one => [one.partition, one]))
  const partial = new Set(view.incomplete)
  return swarm.manifest.partitions.map(({ rows }, index) => {
    const isPartial = partial.has(index) ? { isPartial: true } : {}
    const choice = view.chosen.get(index)
    if (choice !== undefined) {
      const { body } = choice.result
      return {
        index,
        rows,
        state: choice.standing === undefined || choice.standing.state === 'open' ? 'done' : choice.standing.state,
        peer: peerIdOf(body.author),
        prior: choice.score.body.prior.name,
        ...isPartial
      }
    }
    const mine = own.get(index)
    if (mine !== undefined) return { index, rows, state: 'working', peer, done: mine.done }
    const lease = work.get(index)
    if (lease?.task === 'optimize')
      return { index, rows, state: 'working', peer: peerIdOf(lease.author), done: lease.done, heldMs: lease.heldMs }
    const [pending] = view.pending.get(index) ?? []
    if (pending === undefined)
      return { index, rows, state: (view.refuted.get(index)?.length ?? 0) > 0 ? 'refuted' : 'missing' }
    const { result, score } = pending
    return {
      index,
      rows,
      state: 'waiting',
      peer: peerIdOf(result.body.author),
      prior: score.body.prior.name,
      ...isPartial
    }
  })
}

function candidatesOf({ swarm, state }: Pick<Watched, 'swarm' | 'state'>, view: SwarmView): CandidateOverview[] {
  const { minZ } = swarm.manifest.gate
  const { reference } = view.election
  const ranks = new Map(view.election.ranking.map((entry, i) => [entry.key, { ...entry, rank: i + 1 }]))
  const from = new Set(reference?.provenance.from)
  const rows = peerRows(state, view)
  const all = state.set.byType('score').map(({ key, body }, i): CandidateOverview => {
    const row = rows[i]
    const ranked = ranks.get(key)
    const assessment = state.evidence.assessments.get(assessmentKey(body))
    const quality =
      reference?.cid === undefined ? undefined : state.evidence.qualities.get(qualityKey(body.targets, reference.cid))
    return {
      peer: peerIdOf(body.author),
      prior: body.prior.name,
      kind: body.prior.kind,
      ...(ranked?.electable === true ? { rank: ranked.rank } : {}),
      ...(ranked?.figure === undefined ? {} : { figure: ranked.figure }),
      ...(assessment === undefined
        ? {}
        : { z: assessment.z, gateMargin: assessment.z - minZ, eligible: assessment.admissible }),
      refusals: row?.refusals ?? [],
      ...(quality === undefined ? {} : { looR2: quality.looR2, looCosine: quality.looCosine, looZ: quality.looZ }),
      partitions: row?.partitions ?? 0,
      isReference: from.has(key)
    }
  })
  return all.sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || (a.peer < b.peer ? -1 : 1))
}

/** Rows that somebody has targets for, aligned or not: what inference has been done. */
function rowsWithTargets({ partitions }: Watched['swarm']['manifest'], view: SwarmView): number {
  const missing = new Set(view.missing)
  return partitions.reduce((sum, { rows }, i) => sum + (missing.has(i) ? 0 : rows), 0)
}

const merged = new WeakMap<SwarmView, Promise<string>>()

/** Merging hashes every record: once for each view. */
async function mergedCid(source: Pick<Watched, 'swarm' | 'state'>, view: SwarmView): Promise<string> {
  const known = merged.get(view)
  if (known !== undefined) return await known
  const made = mergeSwarm(source, UNSTORED).then(({ root }) => root.toString())
  merged.set(view, made)
  return await made
}
