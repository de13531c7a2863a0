/**
 * IPNS records (https://specs.ipfs.tech/ipns/ipns-record/): a signed pointer from the name of a key to a path, of the second version
 * only (`data` and `signatureV2`), which Kubo takes since 0.5 and which has no field that is not signed.
 *
 * What is signed is "ipns-signature:" and the dag-cbor in `data`. Ed25519 keys are in the name itself, so a record needs no `pubKey`.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { peerIdFromString } from '@libp2p/peer-id'
import { z } from 'zod'
import type { PeerKey, Sign, Verify } from '../../src/envelope.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { peerIdOf } from '../../src/peer-key.ts'

/** The specification's limit. */
export const MAX_IPNS_RECORD_BYTES = 10 * 1024

export interface IpnsRecord {
  /** `/ipfs/CID` */
  value: string
  sequence: bigint
  /** After this nobody believes it */
  validUntil: Date
  /** For how long it may be kept without asking anew, ns */
  ttl: bigint
}

/** Protobuf keys of the length-delimited fields 8 and 9. */
const SIGNATURE_V2 = 0x42
const DATA = 0x4a
const PREFIX = new TextEncoder().encode('ipns-signature:')
/** Validity is a time of end; the only type there is. */
const EOL = 0n

const dataSchema = z.strictObject({
  TTL: z.union([z.int().nonnegative(), z.bigint()]),
  Value: z.instanceof(Uint8Array),
  Sequence: z.union([z.int().nonnegative(), z.bigint()]),
  Validity: z.instanceof(Uint8Array),
  ValidityType: z.union([z.literal(0), z.literal(0n)])
})

/** `k51…`: what goes after /ipns/. */
export function ipnsName(key: PeerKey): string {
  return CID.asCID(peerIdFromString(peerIdOf(key)).toCID())?.toString(base36) ?? ''
}

export async function sealIpnsRecord(record: IpnsRecord, sign: Sign): Promise<Uint8Array> {
  const text = new TextEncoder()
  const data = dagCbor.encode({
    TTL: record.ttl,
    Value: text.encode(record.value),
    Sequence: record.sequence,
    // nine digits of a second, as the reference implementation writes them
    Validity: text.encode(record.validUntil.toISOString().replace('Z', '000000Z')),
    ValidityType: EOL
  })
  const signature = await sign(Buffer.concat([PREFIX, data]))
  return Buffer.concat([field(SIGNATURE_V2, signature), field(DATA, data)])
}

/** Throws `InvalidContentError` for anything but a record of the second version by this key. */
export function openIpnsRecord(bytes: Uint8Array, key: PeerKey, verify: Verify): IpnsRecord {
  if (bytes.byteLength > MAX_IPNS_RECORD_BYTES) throw invalid(`longer than ${MAX_IPNS_RECORD_BYTES} bytes`)
  const fields = readFields(bytes)
  const [signature, data] = [fields.get(SIGNATURE_V2), fields.get(DATA)]
  if (signature === undefined || data === undefined) throw invalid('without signatureV2 or data')
  if (!verify(key, Buffer.concat([PREFIX, data]), signature)) throw invalid(`not signed by ${ipnsName(key)}`)
  const decoded = dataSchema.safeParse(dagCbor.decode(data))
  if (!decoded.success) throw invalid(z.prettifyError(decoded.error))
  const { TTL, Value, Sequence, Validity } = decoded.data
  const text = new TextDecoder('utf-8', { fatal: true })
  return {
    value: text.decode(Value),
    sequence: BigInt(Sequence),
    validUntil: new Date(text.decode(Validity).replace(/(\.\d{3})\d*Z$/, '$1Z')),
    ttl: BigInt(TTL)
  }
}

// --- internal ---

function field(key: number, bytes: Uint8Array): Uint8Array {
  const length = bytes.byteLength < 128 ? [bytes.byteLength] : [(bytes.byteLength & 127) | 128, bytes.byteLength >> 7]
  return Buffer.concat([Uint8Array.from([key, ...length]), bytes])
}

/** Length-delimited fields below 16 KiB: all that a record of the second version has. */
function readFields(bytes: Uint8Array): Map<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>()
  for (let at = 0; at < bytes.byteLength;) {
    const key = bytes[at++] ?? 0
    let length = bytes[at++] ?? 0
    if (length >= 128) length = (length & 127) | ((bytes[at++] ?? 0) << 7)
    if ((key & 7) !== 2 || at + length > bytes.byteLength || fields.has(key)) throw invalid('not a record of version 2')
    fields.set(key, bytes.subarray(at, at + length))
    at += length
  }
  return fields
}

function invalid(reason: string): InvalidContentError {
  return new InvalidContentError(`an IPNS record is ${reason}`)
}
