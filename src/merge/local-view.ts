/**
 * A merge by a rule of one's own: only work that enough others confirmed, or that named peers did. Such a dataset is not the one of its swarm, whose
 * members merge by the manifest's rule, so it carries its rule in `local-view.json`. A function of that file and the manifest.
 */
import { z } from 'zod'
import { MAX_CHECKERS, MAX_QUORUM, type Manifest } from '../distribute/manifest.ts'
import { InvalidContentError, InvalidInputError } from '../errors.ts'
import { peerKeyOf } from '../peer-key.ts'
import type { Acceptance } from './confirmation.ts'

export const LOCAL_VIEW_FILE = 'local-view.json'

/** 64 peer ids of 52 characters. */
export const MAX_LOCAL_VIEW_BYTES = 8192

export interface LocalRule {
  /** Members that must hold the work and find it plausible; by default as many as the manifest asks for, or one of `trust` */
  readonly confirmed?: number | undefined
  /** Peer ids: only what they found counts */
  readonly trust?: readonly string[] | undefined
}

/**
 * Throws `InvalidInputError` for a rule that accepts more than the swarm's own, for more members than are trusted, and for what is not a peer id.
 */
export function localAcceptance(manifest: Pick<Manifest, 'acceptance' | 'admission'>, rule: LocalRule): Acceptance {
  const trusted = rule.trust === undefined ? undefined : new Set(rule.trust)
  const own = manifest.acceptance
  const { confirmed: quorum = trusted === undefined ? (own?.quorum ?? 1) : 1 } = rule
  if (quorum < 1 || quorum > MAX_QUORUM)
    throw new InvalidInputError(`work can be asked to be confirmed by 1 to ${MAX_QUORUM} members, not by ${quorum}`)
  if (trusted === undefined && quorum < (own?.quorum ?? 1))
    throw new InvalidInputError(
      `this swarm's own rule asks for ${own?.quorum} members that confirm, a local view cannot ask for ${quorum}: take ${own?.quorum} or more`
    )
  if (trusted !== undefined) {
    if (trusted.size < 1 || trusted.size > MAX_CHECKERS)
      throw new InvalidInputError(`1 to ${MAX_CHECKERS} peers can be trusted, not ${trusted.size}`)
    if (quorum > trusted.size)
      throw new InvalidInputError(
        `${quorum} members cannot confirm anything when only ${trusted.size} ${trusted.size === 1 ? 'is' : 'are'} trusted: trust more peers or ask for fewer`
      )
    for (const peer of trusted) peerKeyOf(peer)
  }
  // where nobody said who counts: keys are free in a swarm open to anybody, distinct priors are not
  const voters = own?.voters ?? (manifest.admission === 'open' ? 'priors' : 'members')
  return { ...own, quorum, voters, strict: true, ...(trusted === undefined ? {} : { trusted }) }
}

/** Is this the rule of somebody's local view rather than that of the swarm? */
export function isLocal(acceptance: Acceptance | undefined): acceptance is Acceptance {
  return acceptance?.strict === true
}

/** Does this view count distinct priors of a swarm whose manifest does not, so that its election has to tell them apart? */
export function needsDistinctPriors(
  { acceptance: own }: Pick<Manifest, 'acceptance'>,
  acceptance: Acceptance
): boolean {
  return acceptance.voters === 'priors' && acceptance.trusted === undefined && own?.voters !== 'priors'
}

/** The file of a local view. One rule has one encoding. */
export function localViewBytes({ quorum, trusted }: Acceptance): Uint8Array {
  const rule = { confirmed: quorum, ...(trusted === undefined ? {} : { trust: [...trusted].sort() }) }
  return new TextEncoder().encode(`${JSON.stringify({ view: 'local', ...rule })}\n`)
}

/** Throws `InvalidContentError` for a file that no merge of this swarm writes. */
export function readLocalView(bytes: Uint8Array, manifest: Pick<Manifest, 'acceptance' | 'admission'>): Acceptance {
  const wrong = (cause: unknown): InvalidContentError =>
    new InvalidContentError(`${LOCAL_VIEW_FILE} is not the rule of a local view`, { cause })
  if (bytes.byteLength > MAX_LOCAL_VIEW_BYTES) throw wrong(new RangeError(`${bytes.byteLength} bytes`))
  try {
    const { confirmed, trust } = schema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return localAcceptance(manifest, { confirmed, trust })
  } catch (cause) {
    throw wrong(cause)
  }
}

// --- internal ---

const schema = z.strictObject({
  view: z.literal('local'),
  confirmed: z.number().int(),
  trust: z.array(z.string().max(128)).max(MAX_CHECKERS).optional()
})
