/** Peers with distinct eligible priors in one swarm, their work and what they say of each other's: for tests of who looks at what. */
import type { Election } from '../../src/align/candidate.ts'
import type { Manifest, Swarm } from '../../src/distribute/manifest.ts'
import type { Choice } from '../../src/merge/views.ts'
import type { Check, Score, SignedRecord } from '../../src/publish/record.ts'
import {
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  type TestPeer
} from './swarm-factory.ts'

export interface CheckParties<Name extends string> {
  readonly swarm: Swarm
  readonly election: Election
  peer(name: Name): TestPeer
  score(name: Name): SignedRecord<Score>
  workOf(by: Name, partition?: number): Promise<Choice>
  /** A word on the shard, or an opinion with the own prior */
  says(
    by: Name,
    work: Choice,
    what: Check['shard'] | 'plausible' | 'implausible' | 'abstain'
  ): Promise<SignedRecord<Check>>
}

/** `prefix`: of the names from which keys follow, and with them the order in which peers look at work. */
export async function checkParties<Name extends string>(
  names: readonly Name[],
  { prefix = '', ...overrides }: Partial<Manifest> & { prefix?: string } = {}
): Promise<CheckParties<Name>> {
  const swarm = await makeSwarm(overrides)
  const peers = new Map(names.map(name => [name, testPeer(`${prefix}${name}`)]))
  const scores = new Map<Name, SignedRecord<Score>>()
  for (const [name, one] of peers) scores.set(name, await makeScore(swarm, one, 0))
  const peer = (name: Name): TestPeer => peers.get(name) as TestPeer
  const score = (name: Name): SignedRecord<Score> => scores.get(name) as SignedRecord<Score>
  let seq = 10
  return {
    swarm,
    election: {
      ranking: names.map(name => ({
        key: score(name).key,
        author: peer(name).id,
        value: -1,
        electable: true,
        distinct: name
      }))
    },
    peer,
    score,
    workOf: async (by, partition = 0) => {
      const result = await makeResult(swarm, peer(by), seq++, score(by), partition)
      const alignment = await makeAlignment(swarm, peer(by), seq++, result, testCid('reference'))
      return { partition, score: score(by), result, alignment }
    },
    says: async (by, { alignment }, what) =>
      what === 'sound' || what === 'wrong' || what === 'lost'
        ? await makeCheck(swarm, peer(by), seq++, alignment, undefined, { shard: what })
        : await makeCheck(swarm, peer(by), seq++, alignment, { by: score(by), verdict: what })
  }
}
