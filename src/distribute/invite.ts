/**
 * An invite is one string to copy: the swarm's id and addresses at which a member was reachable.
 *
 * Form: `coopt1` + base32 (lower case, no padding) of canonical dag-cbor `[swarm CID, [multiaddr text, …]]`. The addresses are hints; only the CID is trusted.
 */
import type { CID } from 'multiformats/cid'
import { base32 } from 'multiformats/bases/base32'
import { z } from 'zod'
import { decodeCbor, encodeCbor, isSafeCid, parseCid } from '../codec.ts'
import { CoOptError, InvalidInputError } from '../errors.ts'

export interface Invite {
  readonly swarm: CID
  /** Multiaddrs as text, each ending in /p2p/PEER */
  readonly addresses: readonly string[]
}

const PREFIX = 'coopt1'

/** Sixteen addresses of 256 characters fit in every chat message and shell line. */
const MAX_ADDRESSES = 16
const MAX_ADDRESS_LENGTH = 256
const MAX_INVITE_BYTES = 8192

const schema = z.tuple([
  z.custom<CID>(isSafeCid),
  z.array(z.string().startsWith('/').max(MAX_ADDRESS_LENGTH)).max(MAX_ADDRESSES)
])

export function encodeInvite({ swarm, addresses }: Invite): string {
  return PREFIX + base32.baseEncode(encodeCbor([swarm, addresses.slice(0, MAX_ADDRESSES)]))
}

/** Reads an invite, or a bare manifest CID (no addresses then). Throws `InvalidInputError`. */
export function decodeInvite(text: string): Invite {
  const trimmed = text.trim()
  try {
    if (!trimmed.startsWith(PREFIX)) return { swarm: parseCid(trimmed), addresses: [] }
    const parsed = schema.safeParse(decodeCbor(base32.baseDecode(trimmed.slice(PREFIX.length)), MAX_INVITE_BYTES))
    if (!parsed.success) throw new InvalidInputError('its content has another form')
    const [swarm, addresses] = parsed.data
    return { swarm, addresses }
  } catch (cause) {
    const reason = cause instanceof CoOptError ? cause.message : 'it is cut short or has foreign characters'
    throw new InvalidInputError(
      `"${shorten(trimmed)}" is not an invite: ${reason}. Copy the whole string that begins with ${PREFIX}`,
      { cause }
    )
  }
}

// --- internal ---

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 24)}…${text.slice(-8)}` : text
}
