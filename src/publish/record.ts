/**
 * Records: the signed statements that peers exchange. The state of a swarm is a set of valid records (merge/record-set.ts), and every view
 * of it is a pure function of the set.
 *
 * Validity is a pure function of (record bytes, manifest): not of time, connection, order or sender. What a record says about content (a uniform
 * value, an R2) is checked later against the content itself, with the same result on every peer (align/gate.ts).
 *
 *   score      my prior's targets on the shared set are at this CID
 *   result     my raw targets of a partition are at this CID
 *   alignment  those raw targets, aligned to that reference, make this shard
 *   check      I hold that shard and looked at it: this is what I found
 *
 * A record of any other type comes from a later version. Its head is checked, it is kept, counted against the quota and passed on, and views ignore
 * it. So nodes of different versions hold the same set and agree on equivocators and on the merged dataset. The same holds for extensions of a known
 * type (`ext`, src/extension.ts).
 *
 * A lease is not a record (lease.ts).
 */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { decodeCbor, isSafeCid } from '../codec.ts'
import { isAdmitted, isPlausibleTree, text, type Manifest } from '../distribute/manifest.ts'
import {
  decodeEnvelope,
  isSignedBy,
  payloadCid,
  PEER_KEY_BYTES,
  seal,
  type Envelope,
  type PeerKey,
  type Sign,
  type Verify
} from '../envelope.ts'
import { InvalidContentError, InvalidRecordError } from '../errors.ts'
import { extensionsOf } from '../extension.ts'
import { bundleLinkSchema } from './bundle.ts'
import { PRIOR_KINDS } from '../optimize/prior-kind.ts'

/** Keeps gossip cheap and bounds the bytes of one peer's quota. */
export const MAX_RECORD_BYTES = 4096

/** A record without extensions has some 600 bytes. */
export const MAX_RECORD_EXTENSION_BYTES = 1024

export const cid = z.custom<CID>(isSafeCid, 'not a safe CID')
export const key = z.custom<PeerKey>(v => v instanceof Uint8Array && v.byteLength === PEER_KEY_BYTES, 'not a peer key')
export const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const finite = z.number().refine(Number.isFinite, 'not finite')

const head = { v: z.literal(1), swarm: cid, author: key, seq: count }
const ext = extensionsOf(MAX_RECORD_EXTENSION_BYTES)

/** S_Y(k): the targets of one prior on the shared set, a row-major little-endian float32 matrix, `shared.rows` x `dimension`. */
export const scoreSchema = z.strictObject({
  ...head,
  type: z.literal('score'),
  prior: z.strictObject({
    /** `priorIdentity`: names model, feature and preprocessing without giving them away */
    id: cid,
    kind: z.enum(PRIOR_KINDS),
    name: text(64),
    /** l, the dimension of psi(x) */
    dimension: z.number().int().min(1).max(1_048_576),
    license: text(128).optional(),
    /** With which anyone can run the prior again; without it, the targets are their author's word */
    bundle: bundleLinkSchema.optional()
  }),
  targets: cid,
  /** Rows that have a target: all of them if the prior is a model. Rows without are whole rows of the canonical NaN. */
  present: count,
  /** Claimed uniform value V; every peer recomputes it */
  uniformValue: finite,
  /** `server`: the protocol by which its author asks a model that nobody else can run */
  ext
})

/** Raw targets y = W psi(x) of one partition: float32 matrix, rows in the partition's order. */
export const resultSchema = z.strictObject({
  ...head,
  type: z.literal('result'),
  partition: count,
  /** The record id of the score of the prior that made them */
  score: cid,
  raw: cid,
  present: count,
  ext
})

/** Raw targets mapped onto a reference. Anybody who holds the raw targets can make one. */
export const alignmentSchema = z.strictObject({
  ...head,
  type: z.literal('alignment'),
  partition: count,
  /** The record id of the result */
  result: cid,
  /** CID of the reference matrix S*_Y */
  reference: cid,
  /** The partition's Parquet file with the aligned targets appended */
  shard: cid,
  bytes: count,
  dagBytes: count,
  lambda: finite,
  looR2: finite,
  looCosine: finite,
  ext
})

/**
 * What its author found in a shard of somebody else. Of several by one author about one alignment the one with the highest sequence number is
 * valid; an opinion is about the result, and holds for its other alignments too.
 */
export const checkSchema = z.strictObject({
  ...head,
  type: z.literal('check'),
  partition: count,
  /** The record id of the alignment */
  alignment: cid,
  /** The record id of the alignment's result */
  result: cid,
  /**
   * `sound`: I hold raw targets and shard, they have the form that their records say, the shard's images are the partition's, its targets T(raw).
   * `wrong`: I hold them, and one of these does not hold. `lost`: nobody I know sends me the shard or the raw targets.
   */
  shard: z.enum(['sound', 'wrong', 'lost']),
  /** Are the raw targets those of the images? Compared on rows drawn after they were published (publish/plausibility.ts) */
  opinion: z
    .strictObject({
      /** With what: the author's own prior, or the bundle of the prior that is said to have made them */
      by: z.enum(['prior', 'rerun']),
      /** The record id of the score of that prior */
      score: cid,
      /** From which the rows were drawn */
      seed: z.custom<Uint8Array>(v => v instanceof Uint8Array && v.byteLength === 32, 'not a seed of 32 bytes'),
      /** Rows drawn, k */
      rows: count,
      /** Targets of these rows by that prior: a row-major little-endian float32 matrix, k x n */
      targets: cid,
      /** By `prior`: the statistic, and what it is for an honest author. By `rerun`: the greatest distance relative to a row's length, and 0. */
      z: finite,
      expected: finite,
      verdict: z.enum(['plausible', 'implausible', 'abstain'])
    })
    .optional(),
  ext
})

export const recordSchema = z.discriminatedUnion('type', [scoreSchema, resultSchema, alignmentSchema, checkSchema])

const KNOWN_TYPES: ReadonlySet<string> = new Set(['score', 'result', 'alignment', 'check'])

/** Valid type names of later versions. `lease` is signed for another purpose and is never a record. */
const unknownSchema = z
  .looseObject({ ...head, type: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'not the name of a type') })
  .refine(({ type }) => !KNOWN_TYPES.has(type) && type !== 'lease', 'not a type of a later version')

export type Score = z.infer<typeof scoreSchema>
export type Result = z.infer<typeof resultSchema>
export type Alignment = z.infer<typeof alignmentSchema>
export type Check = z.infer<typeof checkSchema>
/** The record types of this version. */
export type RecordBody = Score | Result | Alignment | Check

/** A record of a type that this version does not know: its head and the name of its type. */
export interface UnknownRecord {
  v: 1
  swarm: CID
  author: PeerKey
  seq: number
  type: 'unknown'
  /** `type` on the wire */
  name: string
}

/** A record that passed `openRecord` (or that we sealed ourselves). */
export interface SignedRecord<T extends RecordBody | UnknownRecord = RecordBody | UnknownRecord> {
  /** CID of the payload: the record's identity */
  readonly id: CID
  /** `id` as text, for maps */
  readonly key: string
  readonly body: T
  /** The envelope, as sent and stored */
  readonly bytes: Uint8Array
}

/** Encode and sign. Throws `InvalidRecordError` for a body that no peer would accept. */
export async function sealRecord<T extends RecordBody>(body: T, sign: Sign): Promise<SignedRecord<T>> {
  const bytes = await seal('coopt/1/record\0', body, sign)
  if (bytes.byteLength > MAX_RECORD_BYTES) {
    throw new InvalidRecordError(
      'too-large',
      `a record of ${bytes.byteLength} bytes; at most ${MAX_RECORD_BYTES} are accepted`
    )
  }
  const envelope = decodeEnvelope(bytes, MAX_RECORD_BYTES)
  parseBody(envelope)
  const id = payloadCid(envelope)
  return { id, key: id.toString(), body, bytes }
}

/** A record that is valid except, possibly, for its signature. */
export interface DecodedRecord {
  readonly record: SignedRecord
  /** The one expensive check (0.1 ms). Throws `InvalidRecordError`. */
  checkSignature(): void
}

/**
 * Decode a record and check everything but its signature, in this order: size, canonical form, schema, swarm, admission, author's quota,
 * ranges. Throws `InvalidRecordError`.
 */
export function decodeRecord(bytes: Uint8Array, swarm: { id: CID; manifest: Manifest }, verify: Verify): DecodedRecord {
  const envelope = openStatement(bytes)
  const body = parseBody(envelope)
  checkHead(body, swarm)
  if (body.seq >= swarm.manifest.quotas.recordsPerPeer) {
    throw new InvalidRecordError(
      'over-quota',
      `sequence number ${body.seq}: this swarm accepts ${swarm.manifest.quotas.recordsPerPeer} records from a peer`
    )
  }
  checkRanges(body, swarm.manifest)
  const id = payloadCid(envelope)
  return {
    record: { id, key: id.toString(), body, bytes },
    checkSignature: () => {
      if (!isSignedBy(envelope, 'coopt/1/record\0', body.author, verify))
        throw new InvalidRecordError('bad-signature', 'the signature is not that of the author')
    }
  }
}

/** Decode a record and check all of it, the signature last. Throws `InvalidRecordError`. */
export function openRecord(bytes: Uint8Array, swarm: { id: CID; manifest: Manifest }, verify: Verify): SignedRecord {
  const { record, checkSignature } = decodeRecord(bytes, swarm, verify)
  checkSignature()
  return record
}

// --- shared with leases (lease.ts) ---

/** The envelope of a record or lease: size and canonical form. Throws `InvalidRecordError`. */
export function openStatement(bytes: Uint8Array): Envelope {
  if (bytes.byteLength > MAX_RECORD_BYTES) {
    throw new InvalidRecordError('too-large', `${bytes.byteLength} bytes; at most ${MAX_RECORD_BYTES} are accepted`)
  }
  try {
    return decodeEnvelope(bytes, MAX_RECORD_BYTES)
  } catch (cause) {
    throw notCanonical(cause)
  }
}

/** The signed value, canonical. Throws `InvalidRecordError`. */
export function decodeStatement(envelope: Envelope): unknown {
  try {
    return decodeCbor(envelope.payload, MAX_RECORD_BYTES)
  } catch (cause) {
    throw notCanonical(cause)
  }
}

/** Checks that the statement belongs to this swarm and that its author is admitted. Throws `InvalidRecordError`. */
export function checkHead(body: { swarm: CID; author: PeerKey }, swarm: { id: CID; manifest: Manifest }): void {
  if (!body.swarm.equals(swarm.id)) throw new InvalidRecordError('wrong-swarm', `a record of swarm ${body.swarm}`)
  if (!isAdmitted(swarm.manifest, body.author))
    throw new InvalidRecordError('not-admitted', 'the author is not on the list of this swarm')
}

// --- internal ---

function parseBody(envelope: Envelope): RecordBody | UnknownRecord {
  const payload = decodeStatement(envelope)
  const parsed = recordSchema.safeParse(payload)
  if (parsed.success) return parsed.data
  const later = unknownSchema.safeParse(payload)
  if (!later.success) throw new InvalidRecordError('schema', `not a record: ${z.prettifyError(parsed.error)}`)
  const { v, swarm, author, seq, type } = later.data
  return { v, swarm, author, seq, type: 'unknown', name: type }
}

function notCanonical(cause: unknown): unknown {
  return cause instanceof InvalidContentError
    ? new InvalidRecordError('not-canonical', cause.message, { cause })
    : cause
}

function checkRanges(body: RecordBody | UnknownRecord, manifest: Manifest): void {
  if (body.type === 'unknown') return
  const outOfRange = (message: string) => new InvalidRecordError('out-of-range', message)
  if (body.type === 'score') {
    // On the unit sphere V cannot leave these bounds; the lower one is Jensen's.
    const m = body.present
    if (m < 2 || m > manifest.shared.rows || (body.prior.kind === 'onnx' && m !== manifest.shared.rows)) {
      throw outOfRange(`targets for ${m} of ${manifest.shared.rows} shared rows`)
    }
    const lowest = (-manifest.uniformity.t * 2 * m) / (m - 1) - 1e-6
    if (body.uniformValue > 0 || body.uniformValue < lowest)
      throw outOfRange(`no set of targets has the uniform value ${body.uniformValue}`)
    return
  }
  const partition = manifest.partitions[body.partition]
  if (partition === undefined) throw outOfRange(`partition ${body.partition} of ${manifest.partitions.length}`)
  if (body.type === 'result') {
    if (body.present < 1 || body.present > partition.rows)
      throw outOfRange(`targets for ${body.present} of ${partition.rows} rows`)
    return
  }
  if (body.type === 'check') {
    const rows = body.opinion?.rows
    if (rows !== undefined && (rows < 1 || rows > partition.rows))
      throw outOfRange(`an opinion on ${rows} of ${partition.rows} rows`)
    if (body.opinion !== undefined && body.shard === 'lost')
      throw outOfRange('an opinion on targets that its author could not fetch')
    return
  }
  if (body.lambda < 0) throw outOfRange(`lambda ${body.lambda}`)
  if (body.looR2 > 1 || body.looCosine > 1 || body.looCosine < -1)
    throw outOfRange(`R2 ${body.looR2}, cosine ${body.looCosine}`)
  // image bytes + targets as plain lists with levels; twice the plain size leaves room for the encoding
  const most = partition.bytes + partition.rows * manifest.dimension * 8 + 1_048_576
  if (body.bytes < partition.bytes || body.bytes > most || !isPlausibleTree(body)) {
    throw outOfRange(
      `a shard of ${body.bytes} bytes (${body.dagBytes} with its tree) for a partition of ${partition.bytes}`
    )
  }
}
