/**
 * What to do next under a view. Time and leases enter here and only here: they decide what this node does, never what is true.
 *
 * In order: own raw targets that wait for the elected reference (seconds from being finished); partitions nobody has done; raw targets
 * whose author does not come round to aligning them; and, for nodes that stay, partitions done by clearly weaker priors.
 */
import { nextPartition } from '../src/distribute/assignment.ts'
import type { PeerKey } from '../src/envelope.ts'
import type { Manifest } from '../src/distribute/manifest.ts'
import type { Pending, SwarmView } from '../src/merge/views.ts'
import type { Score, SignedRecord } from '../src/publish/record.ts'
import type { LeaseTable } from './leases.ts'

export type Task =
  | { readonly do: 'optimize'; readonly partition: number; readonly improving: boolean }
  | { readonly do: 'align'; readonly partition: number; readonly work: Pending; readonly own: boolean }

export interface Situation {
  readonly self: PeerKey
  readonly manifest: Manifest
  readonly view: SwarmView
  /** Own score record */
  readonly score: SignedRecord<Score>
  /** Did the own prior pass the gate? */
  readonly admissible: boolean
  readonly leases: LeaseTable
  /** May more partitions be taken? */
  readonly mayTake: boolean
  /** Leave the improving of finished work to others */
  readonly once: boolean
  /** Has the election been unchanged for long enough to align to it? */
  readonly settled: boolean
  /** Has this result waited for its author so long that others may align it? */
  isAbandoned(work: Pending): boolean
  /** Is this partition put aside for now, after its content could not be had? */
  isSetAside(partition: number): boolean
}

export function nextTask(s: Situation): Task | undefined {
  const { view, manifest, score } = s
  const values = new Map(view.election.ranking.map(ranked => [ranked.key, ranked.value]))
  const valueOf = (record: SignedRecord<Score>): number => values.get(record.key) ?? Number.POSITIVE_INFINITY
  /** Would finishing this work change the dataset? */
  const isWorth = (partition: number, by: SignedRecord<Score>): boolean => {
    const chosen = view.chosen.get(partition)
    return chosen === undefined || valueOf(by) < valueOf(chosen.score) - manifest.election.margin
  }
  const choose = (partitions: Iterable<number>): number | undefined =>
    nextPartition({
      self: s.self,
      peers: s.leases.activePeers(),
      open: [...partitions].flatMap(index => {
        const file = manifest.partitions[index]
        if (file === undefined || s.isSetAside(index) || s.leases.isHeldByOther(index)) return []
        return [{ index, cid: file.cid }]
      })
    })

  const waiting = [...view.pending.values()].flat()
  if (s.settled) {
    const own = waiting.find(w => isBy(w, s.self) && isWorth(w.partition, w.score) && !s.isSetAside(w.partition))
    if (own !== undefined) return { do: 'align', partition: own.partition, work: own, own: true }
  }
  if (s.admissible && s.mayTake) {
    const fresh = choose(view.missing)
    if (fresh !== undefined) return { do: 'optimize', partition: fresh, improving: false }
  }
  if (s.settled) {
    const abandoned = waiting.filter(w => !isBy(w, s.self) && isWorth(w.partition, w.score) && s.isAbandoned(w))
    const partition = choose(new Set(abandoned.map(w => w.partition)))
    const work = abandoned.find(w => w.partition === partition)
    if (work !== undefined) return { do: 'align', partition: work.partition, work, own: false }
  }
  if (!s.once && s.admissible && s.mayTake && view.complete) {
    const weaker = [...view.chosen.keys()].filter(
      p => isWorth(p, score) && !waiting.some(w => w.partition === p && isBy(w, s.self))
    )
    const partition = choose(weaker)
    if (partition !== undefined) return { do: 'optimize', partition, improving: true }
  }
  return undefined
}

// --- internal ---

function isBy(work: Pending, key: PeerKey): boolean {
  return work.result.body.author.every((byte, i) => byte === key[i])
}
