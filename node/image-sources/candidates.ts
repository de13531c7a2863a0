/**
 * What may be an image: a file of a folder, an entry of a tar, a value of a column. One after the other, with what is needed to judge it.
 *
 * Names are for messages to the operator only. Names inside an archive never become paths.
 */
import { foreignImage, IMAGE_FORMATS, imageKind, MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import type { LeftOutReason } from '../api/reports.ts'
import { IMAGE_NAME, refusalOf } from './file-kinds.ts'
import { isAppleDouble } from './hidden-names.ts'

/** Exactly one of `bytes`, `fault` and `leftOut`: an image, what should have been one, or what is passed over. */
export interface Candidate {
  readonly name: string
  readonly bytes?: Uint8Array
  readonly fault?: string
  readonly leftOut?: LeftOutReason
  /** The image is the whole file `name` in this folder, which can be read again */
  readonly folder?: string
  /** sha2-256 of `bytes`, where it is known */
  readonly digest?: Uint8Array
}

/** Names of other people are shown on terminals, whose control characters they could have. */
export function printable(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

export interface JudgeOptions {
  /** Of the whole file, where `bytes` are only its beginning */
  readonly size?: number
  /** Most bytes of an image */
  readonly maxBytes?: number
}

/** What a file of these bytes is. */
export function judge(
  name: string,
  bytes: Uint8Array,
  { size = bytes.byteLength, maxBytes = MAX_IMAGE_BYTES }: JudgeOptions = {}
): Candidate {
  const isImage = imageKind(bytes) !== undefined
  if (isImage && size > maxBytes) return { name, fault: tooManyBytes(size, maxBytes) }
  if (isImage) return { name, bytes }
  if (isAppleDouble(bytes)) return { name, leftOut: 'hidden' }
  // Passing over a damaged image would be to lose it in silence.
  if (IMAGE_NAME.test(name)) return { name, fault: reasonOf(bytes) }
  return { name, leftOut: 'other' }
}

/** In a column of images, what is not an image is a fault whatever it is called. */
export function judgeValue(name: string, bytes: Uint8Array | undefined, maxBytes?: number): Candidate {
  if (bytes === undefined) return { name, fault: NO_BYTES }
  const judged = judge(name, bytes, maxBytes === undefined ? {} : { maxBytes })
  return judged.bytes === undefined && judged.fault === undefined ? { name, fault: reasonOf(bytes) } : judged
}

export const NO_BYTES = 'it has no image bytes'
/** Why some bytes that should be an image are none. */
const reasonOf = (bytes: Uint8Array): string =>
  foreignImage(bytes) ?? refusalOf(bytes) ?? `it is not an image of a known format (${IMAGE_FORMATS})`

const tooManyBytes = (size: number, maxBytes: number): string =>
  `${size} bytes, at most ${maxBytes}${maxBytes < MAX_IMAGE_BYTES ? ' by --max-image-bytes' : ': encode it in a smaller file'}`
