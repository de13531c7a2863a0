/** The node's own swarm state in a simulation: one for all participants, whose records it takes as a member takes those of others. */
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { assessmentKey, belowFloor, qualityKey } from '../../../src/merge/views.ts'
import { sealRecord, type RecordBody, type Score, type SignedRecord } from '../../../src/publish/record.ts'
import { createLogger } from '../../process/logger.ts'
import { verify } from '../../process/verify-signature.ts'
import { createSwarmState, type Draft, type SwarmState } from '../../state/swarm-state.ts'
import type { DirectExact } from './direct-exact.ts'
import type { Draw } from './draw.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import { simulatedPeer } from './simulated-peer.ts'

export interface SimulatedState {
  readonly state: SwarmState
  /** Sign in the name of this participant. Throws if no member would take the record. */
  publish<T extends RecordBody>(by: SimulatedParticipant, draft: Draft): Promise<SignedRecord<T>>
  /** Publish the scores of these participants and wait for all verdicts. */
  publishScores(participants: readonly SimulatedParticipant[]): Promise<void>
  /** A participant whose prior is refused or cannot be aligned stops (participant/participant.ts). */
  isUsable(score: SignedRecord<Score>): boolean
}

export function createSimulatedState(draw: Draw, swarm: Swarm, exact: DirectExact): SimulatedState {
  const { key: self, sign } = simulatedPeer('observer')
  const state = createSwarmState({
    swarm,
    self,
    sign,
    verify,
    patient: false,
    // refusals are results here and reported as such
    logger: createLogger({ levels: 'error' }),
    log: { append: async () => {} },
    sequence: { next: async known => known },
    exact,
    fetchTargets: async score => draw.sharedMatrix(score.body.targets)
  })
  state.start()
  const publish = async <T extends RecordBody>(
    { peer }: SimulatedParticipant,
    draft: Draft
  ): Promise<SignedRecord<T>> => {
    const seq = state.set.nextSeq(peer.key)
    const body = { ...draft, v: 1 as const, swarm: swarm.id, author: peer.key, seq } as RecordBody
    const { bytes } = await sealRecord(body, peer.sign)
    const taken = state.receive(bytes)
    if (!('record' in taken)) throw new Error(`a simulated record was not taken: ${taken.outcome}`)
    return taken.record as SignedRecord<T>
  }
  return {
    state,
    publish,
    publishScores: async authors => {
      exact.expected += authors.length
      for (const author of authors) {
        const { cid, matrix, present } = await author.source.shared()
        author.score = await publish<Score>(author, {
          type: 'score',
          prior: author.source.prior,
          targets: cid,
          present,
          uniformValue: await exact.uniformValue(matrix)
        })
      }
      await state.untilJudged()
    },
    isUsable: score => {
      const reference = state.view().election.reference?.cid
      if (state.evidence.assessments.get(assessmentKey(score.body))?.admissible !== true || reference === undefined)
        return false
      const quality = state.evidence.qualities.get(qualityKey(score.body.targets, reference))
      return quality !== undefined && belowFloor(swarm.manifest, quality) === undefined
    }
  }
}
