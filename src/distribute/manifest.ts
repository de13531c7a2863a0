/**
 * The manifest defines a swarm: what is optimized, into how many dimensions, by which rules. Its CID is the swarm's id.
 *
 * A manifest block is an envelope (canonical dag-cbor `[payload, signature]`) signed by the publisher; the swarm's id is the
 * CID of that block. The publisher is trusted for the rules only: sizes and counts are checked here against hard limits,
 * and no name in it ever becomes a path.
 */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { cborCid, decodeCbor, equalBytes, isSafeCid } from '../codec.ts'
import { decodeEnvelope, isSignedBy, PEER_KEY_BYTES, seal, type PeerKey, type Sign, type Verify } from '../envelope.ts'
import { CoOptError, InvalidManifestError } from '../errors.ts'
import { extensionName, extensionsOf, MAX_EXTENSIONS } from '../extension.ts'
import { MAX_IMAGE_BYTES } from './image-kind.ts'
import { DEFAULT_IMAGE_LIMITS, type ImageLimits, MAX_IMAGE_PIXELS } from './image-limits.ts'

/** A bitswap block may have 2 MiB at most (Kubo refuses larger ones), and a manifest is one block. */
export const MAX_MANIFEST_BYTES = 2 * 1024 * 1024

/** 2,048 directory entries stay below the 256 KiB at which UnixFS implementations begin to shard directories. */
export const MAX_PARTITIONS = 2048

/** The memory that one target matrix on the shared set may take: 4,096 rows of 4,096 dimensions. */
export const MAX_MATRIX_BYTES = 64 * 1024 * 1024

export const MIN_SHARED_ROWS = 16
export const MAX_SHARED_ROWS = 16_384
export const MIN_DIMENSION = 2
export const MAX_DIMENSION = 4096

/** Above any figure that 16,384 rows can give; its negative is a threshold that everything passes. */
export const MAX_Z = 1e6

/** One partition above this is refused: a participant must be able to hold and resume it. */
export const MAX_PARTITION_BYTES = 1024 * 1024 * 1024

const cid = z.custom<CID>(isSafeCid, 'not a CIDv1 (raw, dag-pb or dag-cbor) with sha2-256')
const bytesOf = (length: number) =>
  z.custom<Uint8Array>(v => v instanceof Uint8Array && v.byteLength === length, `not ${length} bytes`)
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
/**
 * Printable text of 1 to `max` UTF-16 units: no control characters, line breaks, lone surrogates or noncharacters (YAML forbids them), and no byte
 * order mark (a UTF-8 decoder drops a leading one, so the decoded text would differ from the signed one).
 */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\ufeff]+$/u, 'has characters that cannot be printed')

/** How the reference is elected (align/policies.ts) */
export const POLICY_NAMES = ['corroboration', 'predictivity', 'uniformity', 'consensus'] as const

/** A content-addressed UnixFS file of known size. `dagBytes` counts all its blocks (the Tsize of a link to it). */
const file = z.strictObject({ cid, bytes: count, dagBytes: count })

/** What a minor version may add to the rules of a swarm; an allow-list of 1,000 keys would fit. */
export const MAX_MANIFEST_EXTENSION_BYTES = 65_536

/** Each of them costs an inference of some rows of every partition, and a copy of every shard. */
export const MAX_QUORUM = 16

/** A person has to know each of them. */
export const MAX_CHECKERS = 64

/** Names in `crit` that this version understands. */
const UNDERSTOOD: ReadonlySet<string> = new Set()

export const manifestSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('coopt-manifest'),
  /** Version of the wire protocols and of the rules below */
  protocol: z.literal('1.0.0'),
  name: text(128),
  /** SPDX expression or other words of the data's owner */
  license: text(128).optional(),
  publisher: bytesOf(PEER_KEY_BYTES),
  /** Rows over all partitions */
  samples: count.min(1),
  partitions: z
    .array(file.extend({ rows: count.min(1), bytes: count.min(1).max(MAX_PARTITION_BYTES) }))
    .min(1)
    .max(MAX_PARTITIONS),
  /** The shared set S_X: a Parquet file like a partition */
  shared: file.extend({
    rows: count.min(MIN_SHARED_ROWS).max(MAX_SHARED_ROWS),
    bytes: count.min(1).max(MAX_PARTITION_BYTES)
  }),
  /**
   * Largest accepted image; every participant refuses larger ones. Omitted for `DEFAULT_IMAGE_LIMITS`, so that one manifest has one encoding
   */
  images: z
    .strictObject({
      maxPixels: count.min(1).max(MAX_IMAGE_PIXELS),
      maxBytes: count.min(1).max(MAX_IMAGE_BYTES)
    })
    .refine(images => !isDefault(images), 'limits of images that are left out')
    .optional(),
  /** n, the dimensions of every target */
  dimension: z.number().int().min(MIN_DIMENSION).max(MAX_DIMENSION),
  /** Number format of targets in shards; omitted for float32, so that one manifest has one encoding */
  targetDtype: z.literal('float16').optional(),
  /** Seed of the shuffle and of the draw of S */
  seed: bytesOf(32),
  /** The publisher's features of S_X, a float32 matrix: what the eligibility gate judges against */
  referenceFeatures: file.extend({ dimension: z.number().int().min(1).max(MAX_DIMENSION), source: text(128) }),
  uniformity: z.strictObject({ t: z.number().positive().max(16), centred: z.boolean() }),
  election: z.strictObject({
    policy: z.enum(POLICY_NAMES),
    /** Finished work is replaced only by a prior whose value is better by more than this */
    margin: z.number().nonnegative().max(16),
    /** May a human prior become the reference? */
    human: z.boolean()
  }),
  gate: z.strictObject({
    /** Least z of the test of independence between a candidate's targets and the reference features (align/gate.ts) */
    minZ: z.number().min(-MAX_Z).max(MAX_Z)
  }),
  alignment: z.strictObject({
    /** Candidate ridge strengths, as multiples of trace / min(n, m) */
    grid: z.array(z.number().positive().max(1e6)).min(1).max(64),
    /** Least z of the leave-one-out predictions of the reference (align/transform.ts) */
    minLooZ: z.number().min(-MAX_Z).max(MAX_Z)
  }),
  quotas: z.strictObject({
    /** A record's sequence number must be below this: bounds what one peer can add to the set */
    recordsPerPeer: z.number().int().min(1).max(1_000_000),
    /** Bytes of all records together */
    recordBytes: z.number().int().min(65_536).max(1_073_741_824)
  }),
  admission: z.union([z.literal('open'), z.array(bytesOf(PEER_KEY_BYTES)).min(1).max(4096)]),
  /** What it takes for work to be finished (merge/confirmation.ts). Omitted where records of the author alone finish it. */
  acceptance: z
    .strictObject({
      /** Members other than the author that must hold the shard, and that must find its targets plausible */
      quorum: z.number().int().min(1).max(MAX_QUORUM),
      /** Whose checks count: one for each distinct eligible prior, or one for each admitted key */
      voters: z.enum(['priors', 'members']),
      /** Keys that count as well, whatever their prior */
      checkers: z.array(bytesOf(PEER_KEY_BYTES)).min(1).max(MAX_CHECKERS).optional()
    })
    .optional(),
  /** What later versions add (src/extension.ts) */
  ext: extensionsOf(MAX_MANIFEST_EXTENSION_BYTES),
  /** Names in `ext` that a participant must understand, ascending */
  crit: z.array(extensionName).min(1).max(MAX_EXTENSIONS).optional()
})

export type Manifest = z.infer<typeof manifestSchema>

/** A decoded manifest together with the CID of its block. */
export interface Swarm {
  readonly id: CID
  readonly manifest: Manifest
  /** The signed block */
  readonly bytes: Uint8Array
}

/** Check, sign and encode. Throws `InvalidManifestError`. */
export async function sealManifest(manifest: Manifest, sign: Sign): Promise<Swarm> {
  check(manifest)
  const bytes = await seal('coopt/1/manifest\0', manifest, sign)
  if (bytes.byteLength > MAX_MANIFEST_BYTES) {
    throw new InvalidManifestError(
      `the manifest has ${bytes.byteLength} bytes, at most ${MAX_MANIFEST_BYTES}: use fewer partitions`
    )
  }
  return { id: cborCid(bytes), manifest, bytes }
}

/** Decode a manifest block: size, canonical form, schema, sums, publisher's signature. Throws `InvalidManifestError`. */
export function openManifest(bytes: Uint8Array, verify: Verify): Swarm {
  try {
    const envelope = decodeEnvelope(bytes, MAX_MANIFEST_BYTES)
    const manifest = check(decodeCbor(envelope.payload, MAX_MANIFEST_BYTES))
    if (!isSignedBy(envelope, 'coopt/1/manifest\0', manifest.publisher, verify)) {
      throw new InvalidManifestError('the signature is not that of the publisher named in the manifest')
    }
    return { id: cborCid(bytes), manifest, bytes }
  } catch (cause) {
    if (cause instanceof InvalidManifestError) throw cause
    if (cause instanceof CoOptError) throw new InvalidManifestError(`not a manifest: ${cause.message}`, { cause })
    throw cause
  }
}

/**
 * Can a UnixFS file have these sizes? Under the pinned import settings a tree adds about 50 bytes for each MiB; 1 % and a MiB leave room.
 *
 * Sizes are summed up in directory links, and a sum beyond 2^53 could not be encoded.
 */
export function isPlausibleTree({ bytes, dagBytes }: { bytes: number; dagBytes: number }): boolean {
  return dagBytes >= bytes && dagBytes <= bytes * 1.01 + 1_048_576
}

/** May the peer with this key add records? Pure: admission is part of the manifest. */
export function isAdmitted(manifest: Manifest, key: PeerKey): boolean {
  return manifest.admission === 'open' || manifest.admission.some(k => equalBytes(k, key))
}

/** How large an image of the dataset may be. */
export const imageLimitsOf = ({ images }: Pick<Manifest, 'images'>): ImageLimits => images ?? DEFAULT_IMAGE_LIMITS

// --- internal ---

function isDefault({ maxPixels, maxBytes }: ImageLimits): boolean {
  return maxPixels === DEFAULT_IMAGE_LIMITS.maxPixels && maxBytes === DEFAULT_IMAGE_LIMITS.maxBytes
}

function check(value: unknown): Manifest {
  checkVersion(value)
  const outdated = outdatedField(value)
  if (outdated !== undefined) {
    throw new InvalidManifestError(
      `the manifest has the rule "${outdated}", which is from a version before 1.0 and is no longer followed: ask the publisher to publish the dataset again with this version`
    )
  }
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) throw new InvalidManifestError(`not a valid manifest:\n${z.prettifyError(parsed.error)}`)
  const m = parsed.data
  checkCritical(m)
  const rows = m.partitions.reduce((sum, p) => sum + p.rows, 0)
  if (rows !== m.samples)
    throw new InvalidManifestError(`the partitions hold ${rows} rows, the manifest says ${m.samples}`)
  if (m.acceptance?.voters === 'members' && m.admission === 'open')
    throw new InvalidManifestError('each member counts as a checker only where the members are listed')
  if (m.shared.rows * m.dimension * 4 > MAX_MATRIX_BYTES) {
    throw new InvalidManifestError(
      `${m.shared.rows} shared rows of ${m.dimension} dimensions are over ${MAX_MATRIX_BYTES} bytes: use fewer of either`
    )
  }
  const featureBytes = m.shared.rows * m.referenceFeatures.dimension * 4
  if (m.referenceFeatures.bytes !== featureBytes) {
    throw new InvalidManifestError(
      `the reference features have ${m.referenceFeatures.bytes} bytes, their shape needs ${featureBytes}`
    )
  }
  if (featureBytes > MAX_MATRIX_BYTES) {
    throw new InvalidManifestError(`the reference features have ${featureBytes} bytes, at most ${MAX_MATRIX_BYTES}`)
  }
  for (const file of [m.shared, m.referenceFeatures, ...m.partitions]) {
    if (isPlausibleTree(file)) continue
    throw new InvalidManifestError(
      `${file.cid}: a file of ${file.bytes} bytes has no tree of ${file.dagBytes}, import it with the pinned settings`
    )
  }
  return m
}

/** Thresholds of the gate and floors of the alignment that the tests of independence replaced. */
const OUTDATED = {
  gate: ['ridge', 'minR2', 'neighbours', 'minNeighbourLift', 'minEffectiveRank'],
  alignment: ['minLooR2', 'minLooCosine']
} as const

function outdatedField(value: unknown): string | undefined {
  for (const [part, fields] of Object.entries(OUTDATED)) {
    const rules: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined
    if (typeof rules !== 'object' || rules === null) continue
    const field = fields.find(name => Object.hasOwn(rules, name))
    if (field !== undefined) return `${part}.${field}`
  }
  return undefined
}

/** Reports a manifest of another major version as such, instead of its unknown fields. */
function checkVersion(value: unknown): void {
  const marks = z.looseObject({ v: z.int(), kind: z.literal('coopt-manifest'), protocol: z.string() }).safeParse(value)
  if (!marks.success || (marks.data.v === 1 && marks.data.protocol === '1.0.0')) return
  throw new InvalidManifestError(
    `a manifest of format ${marks.data.v}, protocol "${marks.data.protocol.slice(0, 32)}"; this version of coopt takes part in swarms of ` +
      'format 1, protocol 1.0.0: update it'
  )
}

function checkCritical({ crit = [], ext = {} }: Manifest): void {
  for (const [i, name] of crit.entries()) {
    if (i > 0 && name <= (crit[i - 1] ?? '')) throw new InvalidManifestError('"crit" is not in ascending order')
    if (!Object.hasOwn(ext, name)) throw new InvalidManifestError(`"crit" names "${name}", which "ext" does not have`)
  }
  const strange = crit.filter(name => !UNDERSTOOD.has(name))
  if (strange.length === 0) return
  throw new InvalidManifestError(
    `taking part in this swarm requires ${strange.map(name => `"${name}"`).join(', ')}, unknown to this version of coopt: update it`
  )
}
