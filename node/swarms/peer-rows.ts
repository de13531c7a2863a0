/** What a node knows of a swarm's priors, reference and peers, as the plain values of the API (api/reports.ts). */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { peerIdOf } from '../../src/peer-key.ts'
import { countedScores, MAX_COUNTED_SCORES, MAX_SCORES_PER_AUTHOR } from '../../src/merge/counted-scores.ts'
import { assessmentKey, isScore, qualityKey, type SwarmView } from '../../src/merge/views.ts'
import type { Election } from '../../src/align/candidate.ts'
import type { PeerReport, PeerRow, ReferenceReport } from '../api/reports.ts'
import type { Membership } from './membership.ts'
import type { ReadableState } from '../state/swarm-state.ts'

/** In the row of a score that is left out, whatever its quality. */
const NOT_COUNTED = `not judged: a swarm judges ${MAX_SCORES_PER_AUTHOR} scores of one peer and ${MAX_COUNTED_SCORES} in all`

/** One row per prior of each peer, in the order of the record ids; one that is not judged says so among its refusals. */
export function peerRows(state: Pick<ReadableState, 'evidence' | 'set'>, view: SwarmView): PeerRow[] {
  const reference = view.election.reference?.cid
  const counted = new Set(countedScores(state.set).map(({ key }) => key))
  const ranked = new Map(view.election.ranking.map(entry => [entry.key, entry]))
  return state.set.byType('score').map(({ key, body }) => {
    const assessment = state.evidence.assessments.get(assessmentKey(body))
    const quality =
      reference === undefined ? undefined : state.evidence.qualities.get(qualityKey(body.targets, reference))
    const reason = ranked.get(key)?.reason
    return {
      peer: peerIdOf(body.author),
      prior: body.prior.name,
      ...(assessment === undefined ? {} : { uniformValue: assessment.uniformValue, eligible: assessment.admissible }),
      refusals: [
        ...(counted.has(key) ? [] : [NOT_COUNTED]),
        ...(assessment?.refusals ?? []),
        ...(reason === undefined ? [] : [reason])
      ],
      ...(quality === undefined ? {} : { looR2: quality.looR2, looCosine: quality.looCosine }),
      partitions: [...view.chosen.values()].filter(choice => choice.score.key === key).length,
      ...(view.confirmation?.isCaught(body.author) === true ? { caught: true } : {})
    }
  })
}

/** The reference, if the record of its prior is in the set; of a computed one how many priors it was made of. */
export function referenceReport(
  state: Pick<ReadableState, 'evidence' | 'set'>,
  election: Election
): ReferenceReport | undefined {
  const { reference } = election
  const cid: CID | undefined = reference?.cid
  if (cid !== undefined && reference?.matrix !== undefined)
    return { cid: cid.toString(), prior: `consensus of ${reference.provenance.from.length} priors` }
  const from = reference?.provenance.from[0]
  const score = from === undefined ? undefined : state.set.get(from)
  if (cid === undefined || score === undefined || !isScore(score)) return undefined
  const assessment = state.evidence.assessments.get(assessmentKey(score.body))
  return {
    cid: cid.toString(),
    peer: peerIdOf(score.body.author),
    prior: score.body.prior.name,
    uniformValue: assessment?.uniformValue ?? score.body.uniformValue
  }
}

/** Every peer of which this node knows an address, with the swarms that it showed to belong to. */
export async function peerReports(
  libp2p: Libp2p,
  memberships: readonly Pick<Membership, 'members' | 'swarm'>[]
): Promise<PeerReport[]> {
  const all = await libp2p.peerStore.all()
  return all.map(({ id, addresses, metadata }) => {
    const connection = libp2p.getConnections(id)[0]
    const agent = metadata.get('AgentVersion')
    return {
      peer: id.toString(),
      addresses:
        connection === undefined ? addresses.map(a => a.multiaddr.toString()) : [connection.remoteAddr.toString()],
      connected: connection !== undefined,
      swarms: memberships.filter(m => m.members().some(member => member.equals(id))).map(m => m.swarm.id.toString()),
      ...(agent === undefined ? {} : { agent: new TextDecoder().decode(agent) }),
      ...(connection?.rtt === undefined ? {} : { latencyMs: connection.rtt })
    }
  })
}
