/**
 * IPNS records (https://specs.ipfs.tech/ipns/ipns-record/) as the `ipns` package makes them: version 2 only, which Kubo accepts since
 * 0.5 and in which every field is signed.
 *
 * Guarantees that a record read from the disk was signed by its key. It may have expired: its sequence number still counts.
 */
import type { Ed25519PrivateKey, Ed25519PublicKey } from '@libp2p/interface'
import { createIPNSRecordWithExpiration, marshalIPNSRecord, unmarshalIPNSRecord, type IPNSRecordV2 } from 'ipns'
import { validate } from 'ipns/validator'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../src/errors.ts'

/** The specification's limit. */
const MAX_RECORD_BYTES = 10 * 1024

export type IpnsRecord = Pick<IPNSRecordV2, 'value' | 'sequence' | 'validity' | 'ttl'>

/** `k51…`: what follows /ipns/. */
export function ipnsName(key: Ed25519PublicKey): string {
  return CID.parse(key.toCID().toString()).toString(base36)
}

/** `value` is `/ipfs/CID`, `ttlNs` for how long a resolver may cache it. */
export async function sealIpnsRecord(
  { value, sequence, validUntil, ttlNs }: { value: string; sequence: bigint; validUntil: Date; ttlNs: bigint },
  key: Ed25519PrivateKey
): Promise<Uint8Array> {
  // nine digits of a second, as the reference implementation writes them
  const expiration = validUntil.toISOString().replace('Z', '000000Z')
  const options = { v1Compatible: false, ttlNs } as const
  return marshalIPNSRecord(await createIPNSRecordWithExpiration(key, value, sequence, expiration, options))
}

/** Throws `InvalidContentError` for anything that is not a record signed by this key. */
export async function openIpnsRecord(bytes: Uint8Array, key: Ed25519PublicKey): Promise<IpnsRecord> {
  try {
    if (bytes.byteLength > MAX_RECORD_BYTES) throw new RangeError(`longer than ${MAX_RECORD_BYTES} bytes`)
    await validate(key, bytes).catch((error: unknown) => {
      // the signature is checked before the date
      if (!(error instanceof Error) || error.name !== 'RecordExpiredError') throw error
    })
    return unmarshalIPNSRecord(bytes)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidContentError(`the IPNS record is not one of ${ipnsName(key)}: ${reason}`, { cause })
  }
}
