/**
 * Which work of others this node looks at next, under a view. Pure: time, randomness and who is connected are passed in, and decide only what this
 * node does next, never what is true.
 *
 * Everybody orders the members that may judge a piece of work by rendezvous hashing. As many of them as votes are lacking look at it, the first ones
 * that have not; who cannot tell (an abstention, or a word on the shard alone) makes room for the next. So an honest swarm checks every shard once for
 * each member of the quorum, whoever is there. Work that has waited for long is everybody's: a member that never looks delays it only.
 *
 * An author with a history (merge/confirmation.ts) needs no opinion; one is given all the same for 1 in h results, h its length. What counts as refuted
 * is looked at by every member that has not judged it, after everything else: accusers are few, and the work may be honest. What is confirmed is not
 * looked at here: see due-audits.ts and due-copies.ts, and due-work.ts for all of it.
 */
import { rendezvousWeight } from '../../src/distribute/assignment.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { TRUSTED_AFTER, type Confirmation } from '../../src/merge/confirmation.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { Choice, SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Check, Score, SignedRecord } from '../../src/publish/record.ts'
import { wordsOf, type CheckWords } from './words.ts'

export interface CheckSituation {
  readonly self: PeerKey
  readonly view: SwarmView
  readonly set: Pick<RecordSet, 'byType'>
  /** Members that are here now, with or without this node */
  readonly members: Iterable<PeerKey>
  /** Own score, if its prior is loaded and can give opinions */
  readonly score?: SignedRecord<Score> | undefined
  /** Has this work waited so long for the word of others that everybody may give theirs? */
  isOverdue(work: Choice): boolean
  /** May this node, which could not get the shard or the raw targets of this work, ask for them again? */
  mayAskAgain(work: Choice): boolean
  /** Is it known that the own prior has no opinion on this work? */
  isBeyond(work: Choice): boolean
  /** A number in [0, 1) for this result that no author can know */
  chance(result: string): number
}

export interface DueCheck {
  readonly work: Choice
  /** With an opinion on the targets, or only a word on the shard? */
  readonly opinion: boolean
  /** A second look at what others found plausible and nobody doubts: fewer rows are enough */
  readonly again?: true
}

/** What is due, the most urgent first; empty in a swarm without checks, and for a node without a voice. */
export function dueChecks(s: CheckSituation, said: CheckWords = wordsOf(s.set)): DueCheck[] {
  const { view, self } = s
  const { confirmation, acceptance } = view
  if (confirmation === undefined || acceptance === undefined) return []
  const members = [...new Map([...s.members, self].map(key => [peerIdOf(key), key])).values()]
  const me = peerIdOf(self)

  const dueOf = (work: Choice): DueCheck | undefined => {
    const voice = confirmation.voiceOn(self, work.result)
    if (voice === undefined || peerIdOf(work.alignment.body.author) === me) return undefined
    const onShard = said.shards.get(work.alignment.key)
    const own = onShard?.get(me)?.shard
    const isSilent = own === undefined || (own === 'lost' && s.mayAskAgain(work))
    const onResult = said.opinions.get(work.result.key)
    const isRefuted = work.standing?.state === 'refuted'
    const mayOpine =
      voice === 'opinion' &&
      s.score !== undefined &&
      (isSilent || own === 'sound') &&
      onResult?.has(me) !== true &&
      !s.isBeyond(work)
    const lacks = lacking(work, acceptance.quorum, confirmation, s.chance)
    if (isRefuted) {
      return isSilent || mayOpine ? { work, opinion: mayOpine } : undefined
    }
    const isEverybodys = s.isOverdue(work)
    const others = members.filter(key => confirmation.voiceOn(key, work.result) !== undefined)
    const isMine = (votes: number, able: (key: PeerKey, peer: string) => boolean): boolean => {
      if (votes <= 0) return false
      if (isEverybodys) return true
      const weight = rendezvousWeight(self, work.alignment.id)
      const before = others.filter(key => {
        const peer = peerIdOf(key)
        return peer !== me && able(key, peer) && rendezvousWeight(key, work.alignment.id) > weight
      })
      return before.length < votes
    }
    const isHolder = isSilent && isMine(lacks.holders, (_, peer) => onShard?.has(peer) !== true)
    const isAsked =
      voice === 'opinion' &&
      isMine(
        lacks.opinions,
        // who gave its word on the shard and no opinion has none to give
        (key, peer) =>
          confirmation.voiceOn(key, work.result) === 'opinion' &&
          onResult?.has(peer) !== true &&
          onShard?.has(peer) !== true
      )
    const opinion = mayOpine && isAsked
    // without an opinion to give it makes room for the next, which waits for its word
    const makesRoom = isAsked && isSilent && onResult?.has(me) !== true
    return isHolder || opinion || makesRoom ? { work, opinion } : undefined
  }

  const due = (lists: Iterable<readonly Choice[]>): DueCheck[] =>
    [...lists]
      .flatMap((list, _, all) => list.map((work, rank) => ({ work, rank, of: all.length })))
      .sort((a, b) => a.rank - b.rank)
      .flatMap(({ work }) => dueOf(work) ?? [])
  return [...due(view.contenders.values()), ...due(view.refuted.values())]
}

/** Does its own last look at it tell this node to do the work again: it cannot get it, or finds it wrong? */
export function isDoubted(
  { self, set }: Pick<CheckSituation, 'self' | 'set'>,
  { partition, alignment, result }: Choice
): boolean {
  const me = peerIdOf(self)
  const own = set
    .byType('check')
    // the number first: there are thousands of checks
    .filter(({ body }) => body.partition === partition && body.result.equals(result.id) && peerIdOf(body.author) === me)
  const shard = latest(own.filter(({ body }) => body.alignment.equals(alignment.id)))
  const opinion = latest(own.filter(({ body }) => body.opinion !== undefined))
  return (shard !== undefined && shard.shard !== 'sound') || opinion?.opinion?.verdict === 'implausible'
}

// --- internal ---

/** Votes that this work lacks to be confirmed. */
function lacking(
  { standing, score, result }: Choice,
  quorum: number,
  confirmation: Confirmation,
  chance: (result: string) => number
): { holders: number; opinions: number } {
  if (standing === undefined) return { holders: 0, opinions: 0 }
  const { holders, wrong, lost, plausible, implausible } = standing
  const history = confirmation.history(score)
  const isTrusted = history >= TRUSTED_AFTER && implausible === 0 && !confirmation.isCaught(result.body.author)
  const isSpared = isTrusted && chance(result.key) >= 1 / history
  return {
    holders: Math.max(quorum, wrong + 1, lost + 1) - holders,
    opinions: isSpared ? 0 : Math.max(quorum, implausible + 1) - plausible
  }
}

function latest(checks: readonly SignedRecord<Check>[]): Check | undefined {
  return checks.reduce<Check | undefined>((last, { body }) => (body.seq > (last?.seq ?? -1) ? body : last), undefined)
}
