/**
 * Which confirmed work this node looks at once more. Pure, like due-checks.ts: what the quorum believes is `complete`, and still not the last word.
 *
 * **Everybody** looks at confirmed work that somebody with a voice finds implausible or wrong: friends may outnumber the only one that looked.
 * **The next in line** looks where fewer than `quorum + 1` credible voices have, until the author and one of those that confirmed it have a history:
 * ten results in a row that others found plausible, and ten opinions in a row with which others agree. A voice that contradicts this node's own
 * opinions elsewhere is not credible to it: colluders that agree with each other have no history here once one of their lies was looked at.
 * **By lot** otherwise: 1 in h while a voice is lacking, h the shorter history, and 1 in 20 where none is. The lot is drawn from this node's own secret, so
 * nobody knows which shards nobody looks at. Each member draws for its share, so together they look as often as one would.
 *
 * Lots are drawn after a lease's time, when the members that are here know each other. The line moves on by one for each such time.
 */
import { rendezvousWeight } from '../../src/distribute/assignment.ts'
import { greatest } from '../../src/extremes.ts'
import { TRUSTED_AFTER } from '../../src/merge/confirmation.ts'
import type { Choice } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { CheckSituation, DueCheck } from './due-checks.ts'
import type { CheckWords } from './words.ts'

export interface AuditSituation extends CheckSituation {
  /** For how many lease times has this node seen this work confirmed? */
  periods(work: Choice): number
}

/** Share of all confirmed work that is looked at whatever its history: of 60 false shards of any number of friends all pass once in 22 times. */
export const AUDIT_SHARE = 1 / 20

/** A voice is credible again when it agreed with this node so many times as often as not, as in merge/confirmation.ts. */
const RESTORED_BY = 4

/** The most urgent first; empty for a node without an opinion to give. */
export function dueAudits(s: AuditSituation, words: CheckWords): DueCheck[] {
  const { view, self, score } = s
  const { confirmation, acceptance } = view
  const own = confirmation?.voiceOf(self)
  if (confirmation === undefined || acceptance === undefined || score === undefined || own === undefined) return []
  const me = peerIdOf(self)
  const members = [...new Map([...s.members, self].map(key => [peerIdOf(key), key]))]
  const isCredible = credibility(words, me)
  const [disputed, unproven, drawn]: [DueCheck[], DueCheck[], DueCheck[]] = [[], [], []]

  for (const work of view.chosen.values()) {
    const { standing, result, alignment } = work
    if (standing?.state !== 'confirmed' || confirmation.voiceOn(self, result) !== 'opinion') continue
    const onShard = words.shards.get(alignment.key)
    const onResult = words.opinions.get(result.key)
    const word = onShard?.get(me)?.shard
    const isOpen = word === undefined || word === 'sound' || (word === 'lost' && s.mayAskAgain(work))
    if (!isOpen || onResult?.has(me) === true || s.isBeyond(work)) continue
    const due = { work, opinion: true }
    if (standing.implausible > 0 || standing.wrong > 0) {
      disputed.push(due)
      continue
    }
    const looks = confirmation
      .opinionsOn(result)
      .filter(({ author, voice }) => voice !== own && isCredible(peerIdOf(author)))
    const lacking = acceptance.quorum + 1 - new Set(looks.map(({ voice }) => voice)).size
    // somebody has drawn already whether the work of a trusted author gets an opinion at all (due-checks.ts)
    const isByHistory = standing.byHistory && standing.plausible === 0
    const history = Math.min(
      confirmation.history(work.score),
      greatest(looks.map(({ author }) => confirmation.agreements(author)))
    )
    /** Members that could still say something, this node among them: asked only where it matters, as this is looked at after every change */
    const able = (): typeof members =>
      members.filter(
        ([peer, key]) =>
          peer === me ||
          (onResult?.has(peer) !== true &&
            onShard?.has(peer) !== true &&
            confirmation.voiceOn(key, result) === 'opinion' &&
            confirmation.voiceOf(key) !== own)
      )
    const periods = s.periods(work)
    if (lacking > 0 && !isByHistory && history < TRUSTED_AFTER) {
      const weight = rendezvousWeight(self, alignment.id)
      const before = able().filter(([peer, key]) => peer !== me && rendezvousWeight(key, alignment.id) > weight)
      if (voices(before).size < lacking + Math.floor(periods)) unproven.push({ ...due, again: true })
      continue
    }
    const share = lacking > 0 && !isByHistory ? Math.max(AUDIT_SHARE, 1 / history) : AUDIT_SHARE
    if (periods < 1) continue
    const lot = s.chance(`audit of ${result.key}`)
    if (lot < share && lot < share / voices(able()).size) drawn.push({ ...due, again: true })
  }
  return [...disputed, ...unproven, ...drawn]

  function voices(of: readonly (readonly [string, Uint8Array])[]): ReadonlySet<string | undefined> {
    return new Set(of.map(([, key]) => confirmation?.voiceOf(key)))
  }
}

// --- internal ---

/** Does this peer's opinion agree with this node's own where both have one? Without a common result it is taken as it is. */
function credibility({ opinions }: Pick<CheckWords, 'opinions'>, me: string): (peer: string) => boolean {
  const agreed = new Map<string, number>()
  const contradicted = new Map<string, number>()
  for (const byPeer of opinions.values()) {
    const mine = byPeer.get(me)?.opinion?.verdict
    if (mine === undefined || mine === 'abstain') continue
    for (const [peer, { opinion }] of byPeer) {
      if (peer === me || opinion === undefined || opinion.verdict === 'abstain') continue
      const to = opinion.verdict === mine ? agreed : contradicted
      to.set(peer, (to.get(peer) ?? 0) + 1)
    }
  }
  return peer => (contradicted.get(peer) ?? 0) * RESTORED_BY <= (agreed.get(peer) ?? 0)
}
