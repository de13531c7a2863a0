/**
 * Chooses what to do next under a view. Time and leases enter here and only here: they decide what this node does, never what is true.
 *
 * In order: own raw targets that wait for the elected reference (seconds from being finished); partitions that nobody has done; partitions
 * of which some rows have no target yet; partitions whose unconfirmed work this node could not get or found wrong, or nobody can judge (node/checks); raw targets
 * that their author has not aligned; partitions done by clearly weaker priors (takeover.ts); and rather than idle, what another peer has been
 * working on for longer than a lease.
 */
import { nextPartition } from '../../src/distribute/assignment.ts'
import { equalBytes } from '../../src/codec.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import type { Choice, Pending, SwarmView } from '../../src/merge/views.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import type { LeaseTable } from '../state/leases.ts'
import { strengthIn, takeovers } from './takeover.ts'

export type Task =
  | { readonly do: 'optimize'; readonly partition: number; readonly improving: boolean }
  | { readonly do: 'align'; readonly partition: number; readonly work: Pending; readonly own: boolean }
  /** Nothing now, but something soon: a node that left would leave its own work unaligned, or rows without targets. */
  | { readonly do: 'wait'; readonly partition: number }

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
  /** Does this node leave when the dataset is complete and what clearly weaker priors did is improved? A node that stays improves more. */
  readonly once: boolean
  /** Has the election been unchanged for long enough to align to it? */
  readonly isReferenceStable: boolean
  /** Has this result waited for its author so long that others may align it? */
  isAbandoned(work: Pending): boolean
  /** Is this result (by key) or partition (by number as text) set aside for now, after work on it failed? */
  isSetAside(key: string): boolean
  /** Has this node looked at chosen work that nobody confirmed, and could not get it or found it wrong? */
  isDoubted(work: Choice): boolean
  /** Is it chosen work that nobody who is here can judge, this node neither (checks/undecided.ts)? */
  isUndecided(work: Choice): boolean
  /** Could others judge the work of the own prior, so that doing such work again may help? */
  mayRetry: boolean
  /** Has the own prior given its targets for this partition? It knows no further rows then. */
  hasOwnResult(partition: number): boolean
}

export function nextTask(s: Situation): Task | undefined {
  const { view, manifest, score } = s
  const { isBetter } = strengthIn(view, manifest)
  const unconfirmed = view.unconfirmed.flatMap(p => view.chosen.get(p) ?? []).filter(work => !isAuthor(work, s.self))
  const doubted = unconfirmed.filter(s.isDoubted).map(({ partition }) => partition)
  const undecided = unconfirmed.filter(s.isUndecided).map(({ partition }) => partition)
  const doubtful = [...new Set([...doubted, ...undecided])]
  /** Would aligning this work change the dataset? More rows come first, as in the view's choice. */
  const wouldBeChosen = ({ partition, score: by, result, byOthers }: Pending): boolean => {
    const chosen = view.chosen.get(partition)
    if (chosen === undefined || doubtful.includes(partition) || (byOthers && chosen.result.key === result.key))
      return true
    const moreRows = result.body.present - chosen.result.body.present
    return moreRows > 0 || (moreRows === 0 && isBetter(by, chosen.score))
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
  const incomplete = view.incomplete.filter(index => !s.hasOwnResult(index))
  // labels of people may come first, and are never the reference
  const canAlign = s.isReferenceStable && view.election.reference?.cid !== undefined
  if (canAlign) {
    const own = waiting.find(w => isBy(w, s.self) && wouldBeChosen(w) && !s.isSetAside(w.result.key))
    if (own !== undefined) return { do: 'align', partition: own.partition, work: own, own: true }
  }
  if (s.admissible && s.mayTake) {
    // raw targets that nobody can align do not count
    const stuck = [...view.pending].filter(
      ([p, works]) =>
        !hasAllRows(manifest, view, p) &&
        !s.hasOwnResult(p) &&
        works.filter(wouldBeChosen).every(w => !isBy(w, s.self) && s.isSetAside(w.result.key))
    )
    const fresh = choose([...view.missing, ...stuck.map(([p]) => p)]) ?? choose(incomplete)
    if (fresh !== undefined) return { do: 'optimize', partition: fresh, improving: false }
    const again =
      choose(doubted.filter(p => !s.hasOwnResult(p))) ??
      (s.mayRetry ? choose(undecided.filter(p => !s.hasOwnResult(p))) : undefined)
    if (again !== undefined) return { do: 'optimize', partition: again, improving: true }
  }
  if (canAlign) {
    const abandoned = waiting.filter(
      w => !isBy(w, s.self) && !w.byOthers && wouldBeChosen(w) && s.isAbandoned(w) && !s.isSetAside(w.result.key)
    )
    const partition = choose(new Set(abandoned.map(w => w.partition)))
    const work = abandoned.find(w => w.partition === partition)
    if (work !== undefined) return { do: 'align', partition: work.partition, work, own: false }
  }
  if (s.admissible && s.mayTake && view.chosen.size === manifest.partitions.length) {
    const weaker = takeovers(view, manifest, score, s.once)
    // a second result of the same prior would be the first one again: what displaced it has more rows
    const partition = choose(weaker.filter(p => !s.hasOwnResult(p)))
    if (partition !== undefined) return { do: 'optimize', partition, improving: true }
  }
  if (s.admissible && s.mayTake) {
    // nothing else to do: a peer that has held a partition for longer than a lease may be slow, or never deliver
    const slow = s.leases.oldestHeld([...view.missing, ...incomplete].filter(index => !s.isSetAside(`${index}`)))
    if (slow !== undefined) return { do: 'optimize', partition: slow, improving: false }
  }
  // own targets wait for the reference to settle; rows that lack targets wait for their holder, for one lease at most
  const unsettled = s.isReferenceStable
    ? undefined
    : waiting.find(w => isBy(w, s.self) && wouldBeChosen(w) && !s.isSetAside(w.result.key))
  if (unsettled !== undefined) return { do: 'wait', partition: unsettled.partition }
  const held = incomplete.find(p => s.leases.isHeldByOther(p) && !s.isSetAside(`${p}`))
  return held === undefined || !s.admissible || !s.mayTake ? undefined : { do: 'wait', partition: held }
}

/** Has this score's author published its prior's targets for the partition? */
export function hasResultBy(set: RecordSet, score: SignedRecord<Score>, partition: number): boolean {
  const { author } = score.body
  return set
    .byPartition(partition)
    .some(({ body }) => body.type === 'result' && body.score.equals(score.id) && equalBytes(body.author, author))
}

/** Has every row of the partition a target in its chosen shard? */
export function hasAllRows({ partitions }: Manifest, { chosen }: SwarmView, partition: number): boolean {
  return chosen.get(partition)?.result.body.present === partitions[partition]?.rows
}

// --- internal ---

function isAuthor({ result }: Choice, key: PeerKey): boolean {
  return equalBytes(result.body.author, key)
}

function isBy(work: Pending, key: PeerKey): boolean {
  return equalBytes(work.result.body.author, key)
}
