/** What a swarm needs of the store, as roots: everything below them is needed too. A function of its set of records and evidence. */
import type { CID } from 'multiformats/cid'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { equalBytes } from '../../src/codec.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { countedScores } from '../../src/merge/counted-scores.ts'
import { assessmentKey, type Evidence, type SwarmView } from '../../src/merge/views.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'

export interface SwarmNeeds {
  readonly swarm: Swarm
  readonly state: { readonly set: RecordSet; readonly evidence: Evidence; view(): SwarmView }
}

/** While scores wait to be judged every record may still count. `self` is this node. */
export function* neededRoots({ swarm, state }: SwarmNeeds, self: PeerKey): Generator<CID> {
  const { manifest } = swarm
  const { set, evidence } = state
  const view = state.view()
  yield* [swarm.id, manifest.shared.cid, manifest.referenceFeatures.cid]
  for (const { cid } of manifest.partitions) yield cid
  const scores = set.byType('score')
  for (const { body } of scores) {
    yield body.targets
    // a bundle that came here stays: with it, others can run the prior again
    if (body.prior.bundle !== undefined) yield body.prior.bundle.cid
  }
  // raw targets stay: under a better reference they cost a matrix product, computing them again costs inference
  for (const { body } of set.byType('result')) yield body.raw
  // with the targets that checks compared, anybody can compute their verdicts again
  for (const { body } of set.byType('check')) if (body.opinion !== undefined) yield body.opinion.targets
  const isJudged = countedScores(set).every(({ body }) => evidence.assessments.has(assessmentKey(body)))
  // what this node has vouched for it must be able to show: raw targets stay anyway
  const vouched = new Set(
    set.byType('check').flatMap(({ body }) => (equalBytes(body.author, self) ? [body.alignment.toString()] : []))
  )
  const reference = view.election.reference?.cid
  if (reference !== undefined) yield reference // a computed one is in no score
  for (const { body, key } of set.byType('alignment')) {
    const isChosen = view.chosen.get(body.partition)?.alignment.key === key
    const isPast = reference !== undefined && !body.reference.equals(reference)
    // own shards stay whatever the reference: should it win again, the record counts again, and nobody else may have the shard
    const isOurs = equalBytes(body.author, self) || vouched.has(key)
    if (isChosen || !isJudged || !isPast || isOurs) yield body.shard
  }
}
