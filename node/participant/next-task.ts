/**
 * What to do next under a view. Time and leases enter here and only here: they decide what this node does, never what is true.
 *
 * In order: own raw targets that wait for the elected reference (seconds from being finished); partitions nobody has done; raw targets
 * whose author does not come round to aligning them; for nodes that stay, partitions done by clearly weaker priors; and rather than idle,
 * what somebody has been at for longer than a lease.
 */
import { nextPartition } from '../../src/distribute/assignment.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import { electedValues, type Choice, type Pending, type SwarmView } from '../../src/merge/views.ts'
import { NO_VALUE } from '../../src/align/candidate.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import type { LeaseTable } from '../state/leases.ts'

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
  /** Is this result (by key) or partition (by number as text) put aside for now, after work on it failed? */
  isSetAside(key: string): boolean
}

export function nextTask(s: Situation): Task | undefined {
  const { view, manifest, score } = s
  const values = electedValues(view.election)
  const valueOf = (by: SignedRecord<Score>): number => values.get(by.key) ?? NO_VALUE
  /** Is this prior clearly better than the one whose work is chosen? Labels of people are not displaced by a figure. */
  const isBetter = (by: SignedRecord<Score>, { score: theirs }: Choice): boolean =>
    theirs.body.prior.kind !== 'human' && valueOf(by) < valueOf(theirs) - manifest.election.margin
  /** Would finishing this work change the dataset? */
  const isWorth = ({ partition, score: by, result, byOthers }: Pending): boolean => {
    const chosen = view.chosen.get(partition)
    return chosen === undefined || (byOthers && chosen.result.key === result.key) || isBetter(by, chosen)
  }
  const choose = (partitions: Iterable<number>): number | undefined =>
    nextPartition({
      self: s.self,
      peers: s.leases.activePeers(),
      open: [...partitions].flatMap(index => {
        const file = manifest.partitions[index]
        if (file === undefined || s.isSetAside(`${index}`) || s.leases.isHeldByOther(index)) return []
        return [{ index, cid: file.cid }]
      })
    })

  const waiting = [...view.pending.values()].flat()
  // labels of people may come first, and are never the reference
  const canAlign = s.settled && view.election.reference?.cid !== undefined
  if (canAlign) {
    const own = waiting.find(w => isBy(w, s.self) && isWorth(w) && !s.isSetAside(w.result.key))
    if (own !== undefined) return { do: 'align', partition: own.partition, work: own, own: true }
  }
  if (s.admissible && s.mayTake) {
    // what others left there and nobody can align is as good as nothing
    const stuck = [...view.pending].filter(
      ([p, works]) => !view.chosen.has(p) && works.every(w => !isBy(w, s.self) && s.isSetAside(w.result.key))
    )
    const fresh = choose([...view.missing, ...stuck.map(([p]) => p)])
    if (fresh !== undefined) return { do: 'optimize', partition: fresh, improving: false }
  }
  if (canAlign) {
    const abandoned = waiting.filter(
      w => !isBy(w, s.self) && !w.byOthers && isWorth(w) && s.isAbandoned(w) && !s.isSetAside(w.result.key)
    )
    const partition = choose(new Set(abandoned.map(w => w.partition)))
    const work = abandoned.find(w => w.partition === partition)
    if (work !== undefined) return { do: 'align', partition: work.partition, work, own: false }
  }
  if (!s.once && s.admissible && s.mayTake && view.complete) {
    const weaker = [...view.chosen.values()]
      .filter(c => isBetter(score, c) && !waiting.some(w => w.partition === c.partition && isBy(w, s.self)))
      .map(c => c.partition)
    const partition = choose(weaker)
    if (partition !== undefined) return { do: 'optimize', partition, improving: true }
  }
  if (s.admissible && s.mayTake) {
    // nothing else to do: whoever has held a partition for longer than a lease may be slow, or never deliver
    const slow = s.leases.oldestHeld(view.missing.filter(index => !s.isSetAside(`${index}`)))
    if (slow !== undefined) return { do: 'optimize', partition: slow, improving: false }
  }
  return undefined
}

// --- internal ---

function isBy(work: Pending, key: PeerKey): boolean {
  return work.result.body.author.every((byte, i) => byte === key[i])
}
