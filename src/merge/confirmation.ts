/**
 * What the members found in each other's work: when a partition counts as finished, and when as refuted.
 *
 * A record of its author alone shows neither that a shard exists nor that its targets are those of the images. So members check what others
 * publish (`check` records), and this file counts what they say. A function of the set of records and the election alone: the same set, the
 * same standing.
 *
 * **Who counts.** Keys are free, distinct eligible priors are not. Each author of checks has one voice: the distinct prior that its scores are (linear
 * equivalents are one, Ranked.distinct), or its key where the manifest lists the members. The author of the work and everybody with the same prior
 * have none in it. Two authors with one voice that contradict each other say nothing.
 *
 * **What is counted.** For an alignment: who holds a sound shard, who found it wrong, who could not get it. For a result: who finds its targets
 * plausible, who implausible; who cannot tell says nothing about it.
 *
 *   confirmed   held by the quorum, by more than have lost it, by more than found it wrong; and plausible to the quorum and to more than find it
 *               implausible. An author whose last `TRUSTED_AFTER` judged results were all found plausible needs no opinion, only holders.
 *   refuted     implausible to more than find it plausible, or found wrong by more than hold a sound one: the work does not exist for the view
 *   disputed    neither, and somebody blames it: members that have not looked at it do so (node/participant)
 *   open        nobody blames it
 *
 * **Liars.** A voice that stands against a majority of two or more `CAUGHT_AFTER` times, and does so more often than rarely, counts for nothing,
 * as accuser, as friend, and as an author with a history. Standing with the majority again restores it; a later check of the same work replaces an
 * earlier one, so an honest mistake can be taken back.
 *
 * A minority of voices can therefore delay work, by disputing it, but neither confirm nor refute any that the others look at.
 */
import type { Election } from '../align/candidate.ts'
import { equalBytes } from '../codec.ts'
import type { Manifest } from '../distribute/manifest.ts'
import { peerIdOf } from '../peer-key.ts'
import type { Alignment, Check, Result, Score, SignedRecord } from '../publish/record.ts'
import type { RecordSet } from './record-set.ts'
import { trackRecord, type Outcome, type TrackRecord } from './track-record.ts'

/** Plausible results in a row after which an author's further results are taken without an opinion (Anderson, "BOINC", 2020, adaptive replication). */
export const TRUSTED_AFTER = 10

/** Times that a voice must stand against a clear majority before it counts for nothing: the statistic errs less than once in 10,000. */
export const CAUGHT_AFTER = 3

/** A voice is restored when it stood with the majority this many times as often. */
const RESTORED_BY = 4

/** By how many voices a majority is clear. */
const CLEAR = 2

/** The manifest's rule, or a stricter one of whoever merges. */
export interface Acceptance {
  readonly quorum: number
  readonly voters: 'priors' | 'members'
  readonly checkers?: readonly Uint8Array[] | undefined
  /** Peer ids: only what they found counts, each for one voice */
  readonly trusted?: ReadonlySet<string>
  /** Leave out work that is not confirmed, where the swarm would show it as provisional */
  readonly strict?: boolean
}

export type StandingState = 'confirmed' | 'open' | 'disputed' | 'refuted'

/** Numbers of voices other than the author's. */
export interface Standing {
  readonly state: StandingState
  /** Hold the shard and found it sound */
  readonly holders: number
  /** Hold it, and it is not what its records say */
  readonly wrong: number
  /** Could not get it */
  readonly lost: number
  readonly plausible: number
  readonly implausible: number
  readonly abstained: number
  /** Of the plausible, those that ran the prior's bundle again */
  readonly reruns: number
  /** Confirmed because the author's results were plausible so far */
  readonly byHistory: boolean
}

export interface Confirmation {
  /** Where an alignment of this result stands */
  standing(result: SignedRecord<Result>, alignment: SignedRecord<Alignment>): Standing
  /** Do the targets of this result count as implausible? */
  isRefuted(result: SignedRecord<Result>): boolean
  /** Results of this score in a row, the latest backwards, that were found plausible */
  history(score: SignedRecord<Score>): number
  /** Opinions of this peer in a row, the latest backwards, with which the other voices on the same result agree: what its praise is worth so far */
  agreements(author: Uint8Array): number
  /** Whose opinions count on this result, and what they are; of one voice every peer */
  opinionsOn(result: SignedRecord<Result>): readonly CountedOpinion[]
  /** The voice of this peer, if it has one: equal for all peers that count as one */
  voiceOf(author: Uint8Array): string | undefined
  /** Is this voice counted for nothing? */
  isCaught(author: Uint8Array): boolean
  /** Has the author of a check a voice at all? */
  hasVoice(author: Uint8Array): boolean
  /** What its check of this result would count for: an opinion and a word on the shard, the latter alone (the publisher), or nothing. */
  voiceOn(author: Uint8Array, result: SignedRecord<Result>): 'opinion' | 'shard' | undefined
  /** Results that somebody with a voice finds plausible or implausible: histories and caught voices follow from these alone */
  judged(): readonly SignedRecord<Result>[]
  /** What counts on this work: the last word of each author with a voice other than its own, on each shard and on each result */
  checksOn(
    alignments: Iterable<SignedRecord<Alignment>>,
    results: Iterable<SignedRecord<Result>>
  ): readonly SignedRecord<Check>[]
}

export interface CountedOpinion {
  readonly author: Uint8Array
  readonly voice: string
  readonly verdict: 'plausible' | 'implausible'
}

/** `results`: those that the view accepts, with their scores, by record id. */
export function confirmationOf(
  manifest: Pick<Manifest, 'publisher'>,
  acceptance: Acceptance,
  set: Pick<RecordSet, 'byType' | 'equivocators'>,
  election: Pick<Election, 'ranking'>,
  results: ReadonlyMap<string, { readonly score: SignedRecord<Score>; readonly result: SignedRecord<Result> }>
): Confirmation {
  const voices = createVoices(manifest, acceptance, set, election)
  const { shards, opinions } = latestChecks(set)

  const opinionsOn = new Map<string, Tally>()
  for (const [key, { result, score }] of results) {
    const tally = count(opinions.get(key) ?? [], check => voices.ofOpinion(check, { result, score }))
    if (tally.size > 0) opinionsOn.set(key, tally)
  }
  const caught = caughtVoices(opinionsOn, results, voices)
  const sumsOf = (key: string): Sums => sums(opinionsOn.get(key) ?? new Map(), caught)

  const isRefuted = (result: SignedRecord<Result>): boolean => {
    const { against, inFavour } = sumsOf(result.key)
    return against > inFavour
  }
  const histories = historiesOf(results, result => {
    const { against, inFavour } = sumsOf(result.key)
    return against > inFavour ? 'bad' : inFavour >= acceptance.quorum && inFavour > against ? 'good' : 'open'
  })
  const countedOn = ({ key }: SignedRecord<Result>): CountedOpinion[] => {
    const work = results.get(key)
    if (work === undefined) return []
    return (opinions.get(key) ?? []).flatMap(check => {
      const said = voices.ofOpinion(check, work)
      if (said === undefined || said.vote === 'neutral' || caught.has(said.voice)) return []
      const verdict = said.vote === 'for' ? 'plausible' : 'implausible'
      return { author: check.body.author, voice: said.voice, verdict }
    })
  }
  // asked by whoever chooses what to look at, and by no view
  let agreeing: ReadonlyMap<string, TrackRecord> | undefined
  const agreements = (): ReadonlyMap<string, TrackRecord> =>
    (agreeing ??= agreementsOf(opinions, opinionsOn, caught, (check, key) => {
      const work = results.get(key)
      return work === undefined ? undefined : voices.ofOpinion(check, work)
    }))

  const standing = (result: SignedRecord<Result>, alignment: SignedRecord<Alignment>): Standing => {
    const work = results.get(result.key)
    // who made the shard from the targets of somebody else does not vouch for it either
    const maker = voices.of(alignment.body.author)
    const mine = (shards.get(alignment.key) ?? []).filter(
      ({ body }) =>
        body.result.equals(result.id) &&
        !equalBytes(body.author, alignment.body.author) &&
        (maker === undefined || voices.of(body.author) !== maker)
    )
    const holding = work === undefined ? new Map() : count(mine, check => voices.ofHolder(check, work))
    const held = sums(holding, caught)
    const { inFavour, against, neutral, reruns } = sumsOf(result.key)
    const past = work === undefined ? undefined : histories.get(work.score.key)
    const isTrusted =
      past !== undefined &&
      past.run >= TRUSTED_AFTER &&
      result.body.seq > past.lastBad &&
      against === 0 &&
      !caught.has(voices.of(result.body.author) ?? '')
    const isPlausible = inFavour >= acceptance.quorum && inFavour > against
    const isHeld = held.inFavour >= acceptance.quorum && held.inFavour > Math.max(held.against, held.neutral)
    const isRefused = against > inFavour || held.against > held.inFavour
    const isConfirmed = isHeld && (isPlausible || isTrusted)
    const isBlamed = against > 0 || held.against > 0
    return {
      state: isRefused ? 'refuted' : isConfirmed ? 'confirmed' : isBlamed ? 'disputed' : 'open',
      holders: held.inFavour,
      wrong: held.against,
      lost: held.neutral,
      plausible: inFavour,
      implausible: against,
      abstained: neutral,
      reruns,
      byHistory: isConfirmed && !isRefused && !isPlausible
    }
  }

  // who may speak depends on author and work alone: what an author's last word replaces stays replaced where only that is left
  const heard = (checks: readonly SignedRecord<Check>[] = [], work: Work | undefined): readonly SignedRecord<Check>[] =>
    work === undefined ? [] : checks.filter(check => voices.ofHolder(check, work) !== undefined)

  return {
    standing,
    isRefuted,
    judged: () =>
      [...opinionsOn].flatMap(([key, tally]) =>
        [...tally.values()].some(({ vote }) => vote !== 'neutral') ? (results.get(key)?.result ?? []) : []
      ),
    checksOn: (alignments, judged) => [
      ...new Set([
        ...[...alignments].flatMap(({ key, body }) => heard(shards.get(key), results.get(body.result.toString()))),
        ...[...judged].flatMap(({ key }) => heard(opinions.get(key), results.get(key)))
      ])
    ],
    history: score => histories.get(score.key)?.run ?? 0,
    agreements: author => agreements().get(peerIdOf(author))?.run ?? 0,
    opinionsOn: countedOn,
    voiceOf: author => voices.of(author),
    isCaught: author => caught.has(voices.of(author) ?? ''),
    hasVoice: author => voices.of(author) !== undefined,
    voiceOn: (author, { key }) => {
      const work = results.get(key)
      return work === undefined ? undefined : voices.on(author, work)
    }
  }
}

// --- internal ---

type Work = { readonly score: SignedRecord<Score>; readonly result: SignedRecord<Result> }
type Vote = 'for' | 'against' | 'neutral'

/** What each voice says; `rerun` marks a vote in favour that ran the bundle. */
type Tally = ReadonlyMap<string, { vote: Vote; rerun: boolean }>

interface Sums {
  inFavour: number
  against: number
  neutral: number
  reruns: number
}

interface Voices {
  /** Of an author, if it has one */
  of(author: Uint8Array): string | undefined
  /** In somebody's work */
  on(author: Uint8Array, work: Work): 'opinion' | 'shard' | undefined
  /** The vote that this check's opinion is in somebody's work */
  ofOpinion(check: SignedRecord<Check>, work: Work): Said | undefined
  /** The vote that its word on the shard is */
  ofHolder(check: SignedRecord<Check>, work: Work): Said | undefined
}

interface Said {
  voice: string
  vote: Vote
  rerun: boolean
}

function createVoices(
  { publisher }: Pick<Manifest, 'publisher'>,
  { voters, checkers = [], trusted }: Acceptance,
  set: Pick<RecordSet, 'byType' | 'equivocators'>,
  { ranking }: Pick<Election, 'ranking'>
): Voices {
  const equivocators = set.equivocators()
  const listed = new Set(checkers.map(key => peerIdOf(key)))
  const publisherId = peerIdOf(publisher)
  /** score -> its author, of scores that are electable or copies of such */
  const owners = new Map<string, string>()
  /** score -> distinct prior, of these */
  const priors = new Map<string, string>()
  /** peer -> its voice by its priors */
  const byPriors = new Map<string, string>()
  for (const { key, author, electable, sameAs, distinct } of ranking) {
    if (!electable && sameAs === undefined) continue
    owners.set(key, author)
    const prior = voters === 'members' ? `peer ${author}` : distinct === undefined ? undefined : `prior ${distinct}`
    if (prior === undefined) continue
    priors.set(key, prior)
    const before = byPriors.get(author)
    if (before === undefined || prior < before) byPriors.set(author, prior)
  }

  const ofPeer = (peer: string): string | undefined => {
    if (equivocators.has(peer)) return undefined
    if (trusted !== undefined) return trusted.has(peer) ? `peer ${peer}` : undefined
    return listed.has(peer) ? `peer ${peer}` : byPriors.get(peer)
  }
  /** With the publisher, which has the images and needs no prior to compare bytes. */
  const ofWitness = (peer: string): string | undefined =>
    ofPeer(peer) ??
    (peer === publisherId && trusted === undefined && !equivocators.has(peer) ? `peer ${peer}` : undefined)
  const isOwn = (voice: string, author: string, { result, score }: Work): boolean => {
    const owner = peerIdOf(result.body.author)
    return author === owner || voice === byPriors.get(owner) || voice === priors.get(score.key)
  }

  return {
    of: author => ofPeer(peerIdOf(author)),
    on: (author, work) => {
      const peer = peerIdOf(author)
      const voice = ofWitness(peer)
      if (voice === undefined || isOwn(voice, peer, work)) return undefined
      return ofPeer(peer) === undefined ? 'shard' : 'opinion'
    },
    ofHolder: ({ body }, work) => {
      const author = peerIdOf(body.author)
      const voice = ofWitness(author)
      if (voice === undefined || isOwn(voice, author, work)) return undefined
      const vote = { sound: 'for', wrong: 'against', lost: 'neutral' } as const
      return { voice, vote: vote[body.shard], rerun: false }
    },
    ofOpinion: ({ body }, work) => {
      const { opinion } = body
      if (opinion === undefined) return undefined
      const author = peerIdOf(body.author)
      const rerun = opinion.by === 'rerun'
      const voice = rerun ? ofWitness(author) : ofPeer(author)
      if (voice === undefined || isOwn(voice, author, work)) return undefined
      // an opinion is that of an own prior which counts, or of the very prior that is claimed
      if (rerun ? !opinion.score.equals(work.score.id) : owners.get(opinion.score.toString()) !== author)
        return undefined
      const vote = { plausible: 'for', implausible: 'against', abstain: 'neutral' } as const
      return { voice, vote: vote[opinion.verdict], rerun: rerun && opinion.verdict === 'plausible' }
    }
  }
}

/** By alignment, the last word of each author on its shard; by result, the last opinion of each author. */
function latestChecks({ byType }: Pick<RecordSet, 'byType'>): {
  shards: ReadonlyMap<string, readonly SignedRecord<Check>[]>
  opinions: ReadonlyMap<string, readonly SignedRecord<Check>[]>
} {
  const shards = new Map<string, Map<string, SignedRecord<Check>>>()
  const opinions = new Map<string, Map<string, SignedRecord<Check>>>()
  for (const check of byType('check')) {
    keepLatest(shards, check.body.alignment.toString(), check)
    if (check.body.opinion !== undefined) keepLatest(opinions, check.body.result.toString(), check)
  }
  const lists = (map: typeof shards) => new Map([...map].map(([key, checks]) => [key, [...checks.values()]] as const))
  return { shards: lists(shards), opinions: lists(opinions) }
}

/** Of two with one number the author is an equivocator, and neither counts. */
function keepLatest(of: Map<string, Map<string, SignedRecord<Check>>>, key: string, check: SignedRecord<Check>): void {
  let byAuthor = of.get(key)
  if (byAuthor === undefined) of.set(key, (byAuthor = new Map()))
  const author = peerIdOf(check.body.author)
  const before = byAuthor.get(author)
  if (before === undefined || before.body.seq < check.body.seq) byAuthor.set(author, check)
}

function count(checks: readonly SignedRecord<Check>[], said: (check: SignedRecord<Check>) => Said | undefined): Tally {
  const tally = new Map<string, { vote: Vote; rerun: boolean }>()
  const byVoice = Map.groupBy(
    checks.flatMap(check => said(check) ?? []),
    ({ voice }) => voice
  )
  for (const [voice, all] of byVoice) {
    const votes = new Set(all.map(({ vote }) => vote).filter(vote => vote !== 'neutral'))
    const [only] = votes
    tally.set(voice, {
      vote: votes.size === 1 && only !== undefined ? only : 'neutral',
      rerun: votes.size === 1 && all.some(({ rerun }) => rerun)
    })
  }
  return tally
}

function sums(tally: Tally, without: ReadonlySet<string>): Sums {
  const out = { inFavour: 0, against: 0, neutral: 0, reruns: 0 }
  for (const [voice, { vote, rerun }] of tally) {
    if (without.has(voice)) continue
    if (vote === 'for') out.inFavour++
    else if (vote === 'against') out.against++
    else out.neutral++
    if (rerun) out.reruns++
  }
  return out
}

/** Voices that stand against clear majorities, with opinions or with work of their own. */
function caughtVoices(
  tallies: ReadonlyMap<string, Tally>,
  results: ReadonlyMap<string, Work>,
  voices: Voices
): ReadonlySet<string> {
  const against = new Map<string, number>()
  const along = new Map<string, number>()
  const add = (to: Map<string, number>, voice: string): void => void to.set(voice, (to.get(voice) ?? 0) + 1)
  for (const [key, tally] of tallies) {
    const total = sums(tally, NOBODY)
    const lead = total.inFavour - total.against
    for (const [voice, { vote }] of tally) {
      if (vote === 'neutral') continue
      const own = vote === 'for' ? lead : -lead
      if (own <= -CLEAR) add(against, voice)
      else if (own >= CLEAR) add(along, voice)
    }
    const work = results.get(key)
    const owner = work === undefined ? undefined : voices.of(work.result.body.author)
    if (owner !== undefined && lead <= -CLEAR) add(against, owner)
  }
  return new Set(
    [...against].flatMap(([voice, times]) =>
      times >= CAUGHT_AFTER && times * RESTORED_BY > (along.get(voice) ?? 0) ? [voice] : []
    )
  )
}

const NOBODY: ReadonlySet<string> = new Set()

/** By score: how many of its results in a row, the latest backwards, were plausible, and the number of the last that was refuted. */
function historiesOf(
  results: ReadonlyMap<string, Work>,
  stateOf: (result: SignedRecord<Result>) => 'good' | 'bad' | 'open'
): ReadonlyMap<string, TrackRecord> {
  const byScore = Map.groupBy(results.values(), ({ score }) => score.key)
  return new Map(
    [...byScore].map(([key, works]) => {
      const outcomes = works.map(({ result }) => ({
        seq: result.body.seq,
        id: result.id.bytes,
        state: stateOf(result)
      }))
      return [key, trackRecord(outcomes)] as const
    })
  )
}

/** By peer: its opinions, by whether the other voices on the same result agree. */
function agreementsOf(
  opinions: ReadonlyMap<string, readonly SignedRecord<Check>[]>,
  tallies: ReadonlyMap<string, Tally>,
  caught: ReadonlySet<string>,
  said: (check: SignedRecord<Check>, result: string) => Said | undefined
): ReadonlyMap<string, TrackRecord> {
  const outcomes = new Map<string, Outcome[]>()
  for (const [key, tally] of tallies) {
    for (const check of opinions.get(key) ?? []) {
      const own = said(check, key)
      if (own === undefined || own.vote === 'neutral') continue
      const { inFavour, against } = sums(tally, new Set([...caught, own.voice]))
      const lead = own.vote === 'for' ? inFavour - against : against - inFavour
      const outcome = {
        seq: check.body.seq,
        id: check.id.bytes,
        state: lead > 0 ? 'good' : lead < 0 ? 'bad' : 'open'
      } as const
      const peer = peerIdOf(check.body.author)
      const list = outcomes.get(peer)
      if (list === undefined) outcomes.set(peer, [outcome])
      else list.push(outcome)
    }
  }
  return new Map([...outcomes].map(([peer, list]) => [peer, trackRecord(list)]))
}
