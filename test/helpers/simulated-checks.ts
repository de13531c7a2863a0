/** What must hold of replicas that have come to rest. */
import type { CID } from 'multiformats/cid'
import { elect } from '../../src/align/election.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { candidatesOf, viewOf, type SwarmView } from '../../src/merge/views.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { shuffle, type RandomStream } from '../../src/random.ts'
import type { Replica, Truth } from './simulated-replica.ts'
import { testEvidence } from './test-evidence.ts'

export interface Accused {
  /** Peers that signed twice under one number */
  readonly guilty: readonly string[]
  /** These, and those that publish what is not so */
  readonly liars: readonly string[]
  /** What the raw targets or the shard at this CID are */
  truth(cid: CID): Truth
}

export interface Findings {
  readonly records: number
  readonly complete: boolean
  readonly equivocators: number
  readonly checks: number
  /** Results whose targets are of other images, or nowhere */
  readonly falseResults: number
  readonly root: string
}

/**
 * Throws unless all replicas hold the same records, all that was ever durable among them, see the same work, which is also what follows
 * from the records in any order, and merge to one CID; and unless only `guilty` peers signed twice and the work is done. With checks nothing confirmed may be false, and no honest member caught.
 */
export async function checkReplicas(
  swarm: Swarm,
  replicas: readonly Replica[],
  { guilty, liars, truth }: Accused,
  stream: RandomStream
): Promise<Findings> {
  const [first] = replicas
  if (first === undefined) throw new Error('there is no replica')
  const { set } = first.state
  const view = first.state.view()
  const expected = summary(view)
  const listed = set.records().map(r => r.key)
  const roots = new Set<string>()
  for (const { name, peer, state, durable } of replicas) {
    const records = state.set.records()
    same(records.map(r => r.key).join(' '), listed.join(' '), `the records of ${name}`)
    same(summary(state.view()), expected, `the view of ${name}`)
    for (const key of durable) {
      if (!set.has(key) && !guilty.includes(peer.id)) throw new Error(`${name} published ${key}, and it is lost`)
    }
    const scratch = createRecordSet(Array.from(shuffle(records.length, stream), i => records[i] as SignedRecord))
    const evidence = testEvidence(records)
    const election = elect(swarm.manifest, candidatesOf(scratch, evidence))
    same(
      summary(viewOf(swarm.manifest, scratch, evidence, election)),
      expected,
      `what follows from the records of ${name}`
    )
    roots.add((await mergeDataset(swarm, state.set, state.evidence, state.view())).root.toString())
  }
  if (roots.size !== 1) throw new Error(`merged to ${[...roots].join(', ')}`)
  const forked = [...set.equivocators()]
  for (const id of forked) if (!guilty.includes(id)) throw new Error(`${id} signed two records under one number`)
  const { confirmation } = view
  const honest = replicas.filter(({ peer }) => !liars.includes(peer.id))
  if (confirmation !== undefined) {
    for (const { partition, result, alignment } of view.chosen.values()) {
      const isFalse = [result.body.raw, alignment.body.shard].some(cid => truth(cid) !== 'sound')
      if (isFalse && !view.unconfirmed.includes(partition)) throw new Error(`false work of ${partition} is confirmed`)
    }
    for (const { name, peer } of honest) if (confirmation.isCaught(peer.key)) throw new Error(`${name} is caught`)
  }
  const voices = honest.filter(({ peer }) => confirmation?.hasVoice(peer.key) !== false).length
  // the author of the reference can align to it and has all the time in the world; two others outvote one liar
  if (view.election.reference !== undefined && !view.complete && (confirmation === undefined || voices >= NEEDED))
    throw new Error(`nobody does ${[...view.missing, ...view.unconfirmed].join()}: ${expected}`)
  const falseResults = set.byType('result').filter(({ body }) => truth(body.raw) !== 'sound').length
  const checks = set.byType('check').length
  return {
    records: set.size,
    complete: view.complete,
    equivocators: forked.length,
    checks,
    falseResults,
    root: [...roots].join()
  }
}

// --- internal ---

/** Honest voices with which work is finished whoever lies: its author, and two that outvote a liar. */
const NEEDED = 4

/** What a view says, as comparable text. */
function summary(view: SwarmView): string {
  const sorted = <T>(map: ReadonlyMap<number, T>): [number, T][] => [...map].sort(([a], [b]) => a - b)
  return JSON.stringify({
    reference: view.election.reference,
    ranking: view.election.ranking,
    chosen: sorted(view.chosen).map(([p, c]) => [p, c.score.key, c.result.key, c.alignment.key]),
    pending: sorted(view.pending).map(([p, list]) => [p, list.map(w => w.result.key)]),
    missing: view.missing,
    unconfirmed: view.unconfirmed,
    standings: sorted(view.chosen).map(([, { standing }]) => standing),
    contenders: sorted(view.contenders).map(([p, list]) => [p, list.map(c => c.alignment.key)]),
    refuted: sorted(view.refuted).map(([p, list]) => [p, list.map(c => c.alignment.key)]),
    rows: view.rows,
    complete: view.complete
  })
}

function same(actual: string, expected: string, what: string): void {
  if (actual === expected) return
  let at = 0
  while (actual[at] === expected[at]) at++
  const part = (text: string): string => text.slice(Math.max(0, at - 100), at + 200)
  throw new Error(`${what}:\n…${part(actual)}…\ninstead of\n…${part(expected)}…`)
}
