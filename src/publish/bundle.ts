/**
 * A bundle: a prior that anyone can run again. It is a UnixFS directory, so it has one CID, and a folder from which a prior can be loaded:
 *
 *   model.onnx                 the model's bytes, unchanged
 *   preprocessor_config.json   every step, including assumed ones
 *   golden/golden.json         what the prior gave for the eight images beside it
 *   golden/0.png … 7.png       (or .jpg, .webp)
 *   bundle.json                what it is: name, identity, feature, licence
 *   LICENSE                    the licence's text or SPDX line, if one was given
 *
 * It must not contain anything else. None of it is taken on trust: the identity is recomputed from model, tensor and preprocessing, and the golden
 * features are recomputed from the golden images.
 */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isSafeCid, parseCid, rawCid } from '../codec.ts'
import { imageKind } from '../distribute/image-kind.ts'
import { text } from '../distribute/manifest.ts'
import { CoOptError, InvalidPriorError } from '../errors.ts'
import type { Matrix32 } from '../matrix.ts'
import { row } from '../matrix.ts'

export const MODEL_FILE = 'model.onnx'
export const PREPROCESSOR_FILE = 'preprocessor_config.json'
export const FACTS_FILE = 'bundle.json'
export const LICENSE_FILE = 'LICENSE'
export const GOLDEN_FOLDER = 'golden'
export const GOLDEN_FILE = 'golden.json'

/** Enough to detect a wrong layer, wrong preprocessing or a different model. A check runs the model on each. */
export const GOLDEN_IMAGES = 8

/**
 * Largest distance of a feature from the golden one, relative to the root mean square length of the golden ones. Kernels of other machines
 * move float32 features in the sixth to seventh digit, and 8-bit models in the fourth where a rounding flips; another resize filter moves them by
 * several per cent. A constant of the format: a bundle does not choose how strictly it is checked.
 */
export const GOLDEN_TOLERANCE = 1e-3

/** Largest length of each part in bytes, except for the model, which has the reader's limit. */
export const BUNDLE_LIMITS = {
  facts: 65_536,
  preprocessor: 65_536,
  license: 262_144,
  /** One golden image: a photograph */
  image: 4 * 1024 * 1024,
  /** 131,072 features, the most that a projection accepts, of about 12 characters */
  golden: 16 * 1024 * 1024
} as const

/** The largest model that protobuf allows, plus the other files. */
export const MAX_BUNDLE_BYTES = 2 ** 31 + 64 * 1024 * 1024

/** Multicodec of UnixFS directories */
const DAG_PB = 0x70

const cidText = z.string().max(128).refine(isCidText, 'not an accepted CID')

export const bundleFactsSchema = z.strictObject({
  format: z.literal('coopt-prior'),
  version: z.literal(1),
  name: text(64),
  /** `priorIdentity`: what a score record names */
  prior: cidText,
  /** CIDv1 raw of the whole model file */
  model: cidText,
  /** The tensor that is psi, and by which rule it was chosen */
  feature: z.strictObject({ tensor: z.string().min(1).max(1024), rule: z.string().max(2048) }),
  /** l */
  dimension: z.number().int().min(1).max(131_072),
  /** SPDX expression or the owner's own words; absent if not stated */
  license: text(128).optional()
})

/** How a record refers to a bundle: the root of its directory and the size of all its blocks as stated by the author. */
export const bundleLinkSchema = z.strictObject({
  cid: z.custom<CID>(v => isSafeCid(v) && v.code === DAG_PB, 'not the CID of a directory'),
  dagBytes: z.number().int().min(1).max(MAX_BUNDLE_BYTES)
})

/**
 * What supports the targets of a prior: its author's word, or a bundle with which anyone can recompute them. This does not say that the recomputed
 * targets match; `coopt verify --rerun` checks that.
 */
export function trustOf({ bundle }: { bundle?: unknown }): 'claimed' | 'reexecutable' {
  return bundle === undefined ? 'claimed' : 'reexecutable'
}

export const goldenSchema = z.strictObject({
  /** See `GOLDEN_TOLERANCE` */
  tolerance: z.literal(GOLDEN_TOLERANCE),
  images: z
    .array(
      z.strictObject({
        file: z.string().regex(/^[0-7]\.(png|jpg|webp)$/),
        cid: cidText,
        /** float32 */
        feature: z.array(z.number()).max(131_072)
      })
    )
    .length(GOLDEN_IMAGES)
})

export type BundleFacts = z.infer<typeof bundleFactsSchema>
export type Golden = z.infer<typeof goldenSchema>

/** Read `bundle.json` or `golden.json`. Throws `InvalidPriorError` naming `file`. */
export function parseBundleJson<T>(bytes: Uint8Array, schema: z.ZodType<T>, file: string): T {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new InvalidPriorError(`${file} of the bundle is not JSON`, { cause })
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    throw new InvalidPriorError(`${file} is not that of a bundle of version 1: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/** Deterministic: keys in the order of the value, two spaces, a line break at the end. */
export function bundleJson(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Golden images by name, with their features (images x l). Throws `InvalidPriorError` for a wrong number of images or all-zero features. */
export function goldenOf(images: readonly Uint8Array[], features: Matrix32): Golden {
  if (images.length !== GOLDEN_IMAGES || features.rows !== GOLDEN_IMAGES)
    throw new InvalidPriorError(`a bundle has ${GOLDEN_IMAGES} golden images, got ${images.length}`)
  if (rootMeanSquare(features) === 0)
    throw new InvalidPriorError('all features of the golden images are zero: give other images with --images')
  return {
    tolerance: GOLDEN_TOLERANCE,
    images: images.map((bytes, i) => ({
      file: `${i}.${kindOf(bytes)}`,
      cid: rawCid(bytes).toString(),
      feature: Array.from(row(features, i), shortest)
    }))
  }
}

/**
 * How far these features are from the golden ones: the largest distance, relative to their root mean square length. Throws `InvalidPriorError` above
 * the tolerance, or if the features do not match the golden ones in shape.
 */
export function checkGolden({ images }: Golden, features: Matrix32): number {
  const l = features.columns
  const data = new Float32Array(GOLDEN_IMAGES * l)
  images.forEach(({ file, feature }, i) => {
    if (feature.length !== l)
      throw new InvalidPriorError(`golden feature of ${file} has ${feature.length} numbers, but the prior gives ${l}`)
    data.set(feature, i * l)
  })
  const golden = { rows: GOLDEN_IMAGES, columns: l, data }
  const scale = rootMeanSquare(golden)
  let worst = 0
  for (const [i, { file }] of images.entries()) {
    const expected = row(golden, i)
    const off = Math.sqrt(row(features, i).reduce((sum, v, c) => sum + (v - (expected[c] as number)) ** 2, 0)) / scale
    if (!(off <= GOLDEN_TOLERANCE))
      throw new InvalidPriorError(
        `golden image ${file}: the feature is off by ${off.toPrecision(3)} of its length, and rounding explains at most ${GOLDEN_TOLERANCE}: the bundle's model, preprocessing or golden features were changed after packing`
      )
    worst = Math.max(worst, off)
  }
  return worst
}

export function kindOf(bytes: Uint8Array): 'png' | 'jpg' | 'webp' {
  const kind = imageKind(bytes)
  if (kind === 'png' || kind === 'jpg' || kind === 'webp') return kind
  throw new InvalidPriorError('a golden image is not JPEG, PNG or WebP')
}

/** May these bytes be a golden image? Some decodable formats give different pixels in different versions of their decoder. */
export const isGoldenKind = (bytes: Uint8Array): boolean => ['png', 'jpg', 'webp'].includes(imageKind(bytes) ?? '')

/** Compares a CID in JSON. */
export const sameCid = (text: string, cid: CID): boolean => parseCid(text).equals(cid)

// --- internal ---

function rootMeanSquare({ rows, data }: Matrix32): number {
  return Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / rows)
}

/** The shortest decimal that reads back as this float32. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number(value.toPrecision(9)) // always enough for binary32
}

function isCidText(value: string): boolean {
  try {
    return isSafeCid(parseCid(value))
  } catch (error) {
    if (error instanceof CoOptError) return false
    throw error
  }
}
