/** What must hold of replicas that have come to rest. */
import { elect } from '../../src/align/election.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { candidatesOf, viewOf, type SwarmView } from '../../src/merge/views.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { shuffle, type RandomStream } from '../../src/random.ts'
import type { Replica } from './simulated-replica.ts'
import { testEvidence } from './test-evidence.ts'

export interface Findings {
  readonly records: number
  readonly complete: boolean
  readonly equivocators: number
  readonly root: string
}

/**
 * Throws unless all replicas hold the same records, all that was ever durable among them, see the same work, which is also what follows
 * from the records in any order, and merge to one CID; and unless only `guilty` peers signed twice and the work is done.
 */
export async function checkReplicas(
  swarm: Swarm,
  replicas: readonly Replica[],
  guilty: readonly string[],
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
  // the author of the reference can align to it and has all the time in the world
  if (view.election.reference !== undefined && !view.complete)
    throw new Error(`nobody does ${view.missing.join()}: ${expected}`)
  return { records: set.size, complete: view.complete, equivocators: forked.length, root: [...roots].join() }
}

// --- internal ---

/** What a view says, as comparable text. */
function summary(view: SwarmView): string {
  const sorted = <T>(map: ReadonlyMap<number, T>): [number, T][] => [...map].sort(([a], [b]) => a - b)
  return JSON.stringify({
    reference: view.election.reference,
    ranking: view.election.ranking,
    chosen: sorted(view.chosen).map(([p, c]) => [p, c.score.key, c.result.key, c.alignment.key]),
    pending: sorted(view.pending).map(([p, list]) => [p, list.map(w => w.result.key)]),
    missing: view.missing,
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
