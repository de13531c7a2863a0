/** What a file is: by its name, where thousands are looked through, and by its first bytes, where it is opened. */
import { imageKind } from '../../src/distribute/image-kind.ts'
import type { SourceKind } from '../api/options.ts'

const KIND_NAMES: Readonly<Record<SourceKind, string>> = {
  images: 'image file',
  tar: 'tar archive',
  parquet: 'Parquet file',
  arrow: 'Arrow file'
}

/** `1 tar archive`, `2 Parquet files` */
export const countOf = (count: number, kind: SourceKind): string =>
  `${count === 0 ? 'no' : count} ${KIND_NAMES[kind]}${count === 1 ? '' : 's'}`

/** Files that their owner calls images: of the formats that are read, and of those that are refused by name */
export const IMAGE_NAME = /\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|heic|heif|bmp|jxl|jp2|psd)$/i
const TAR_NAME = /\.(tar|tgz|tar\.gz|tzst|tar\.zst|tar\.zstd)$/i
const PARQUET_NAME = /\.(parquet|parq|pq)$/i
const ARROW_NAME = /\.(arrow|arrows|feather|ipc)$/i
/** Archives that may have images, and are not read */
const OTHER_ARCHIVE = /\.(zip|7z|rar|tar\.(bz2|xz|lz4|lzma|Z)|tbz2?|txz|tfrecords?|beton|lmdb|mdb)$/i

/** `archive`: it may have images, and is not read here. Undefined for anything else. */
export function kindByName(name: string): SourceKind | 'archive' | undefined {
  if (IMAGE_NAME.test(name)) return 'images'
  if (TAR_NAME.test(name)) return 'tar'
  if (PARQUET_NAME.test(name)) return 'parquet'
  if (ARROW_NAME.test(name)) return 'arrow'
  return OTHER_ARCHIVE.test(name) ? 'archive' : undefined
}

export type Content = 'tar' | 'gzip' | 'zstd' | 'parquet' | 'arrow' | 'arrow-stream'

/** As many bytes as `contentOf` looks at: a header of a tar. */
export const CONTENT_HEAD_BYTES = 512

/** How a file begins that can be opened, else undefined. */
export function contentOf(head: Uint8Array): Content | undefined {
  if (isGzip(head)) return 'gzip'
  if (isZstd(head)) return 'zstd'
  if (text(head, 0, 4) === 'PAR1') return 'parquet'
  if (text(head, 0, 6) === 'ARROW1') return 'arrow'
  if (isArrowStream(head)) return 'arrow-stream'
  return isTar(head) ? 'tar' : undefined
}

export const isGzip = (head: Uint8Array): boolean => begins(head, 0x1f, 0x8b)

/** A frame, or one that decoders skip. */
export function isZstd(head: Uint8Array): boolean {
  return (
    begins(head, 0x28, 0xb5, 0x2f, 0xfd) ||
    ((head[0] ?? 0) >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)
  )
}

/** What a file is that cannot be used, and what to do; undefined for what is unknown. */
export function refusalOf(head: Uint8Array): string | undefined {
  if (head.byteLength === 0) return 'it is empty'
  if (isLfsPointer(head)) return 'it is a Git LFS pointer and not the file itself: run "git lfs pull" in its repository'
  for (const [name, advice, ...magic] of REFUSED) if (begins(head, ...magic)) return `it is ${name}: ${advice}`
  if (/^\s*<(!doctype html|html)/i.test(text(head, 0, 100)))
    return 'it is a web page, probably the answer of a server that did not send the file: download it again'
  return undefined
}

/** https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
export const isLfsPointer = (head: Uint8Array): boolean =>
  text(head, 0, 43) === 'version https://git-lfs.github.com/spec/v1\n'

export const isImage = (head: Uint8Array): boolean => imageKind(head) !== undefined

// --- internal ---

const UNPACK = 'unpack it and give the folder'
const REFUSED: readonly (readonly [name: string, advice: string, ...magic: number[]])[] = [
  ['a zip archive', UNPACK, 0x50, 0x4b, 0x03, 0x04],
  ['an empty zip archive', UNPACK, 0x50, 0x4b, 0x05, 0x06],
  ['a 7z archive', UNPACK, 0x37, 0x7a, 0xbc, 0xaf],
  ['a rar archive', UNPACK, 0x52, 0x61, 0x72, 0x21],
  ['compressed with bzip2', 'run bunzip2 on it first', 0x42, 0x5a, 0x68],
  ['compressed with xz', 'run unxz on it first', 0xfd, 0x37, 0x7a, 0x58, 0x5a],
  ['compressed with LZ4', 'run unlz4 on it first', 0x04, 0x22, 0x4d, 0x18],
  ['an HDF5 file', 'write its images to a folder or to Parquet', 0x89, 0x48, 0x44, 0x46],
  ['a NumPy file', 'write its images to a folder or to Parquet', 0x93, 0x4e, 0x55, 0x4d],
  ['an encrypted Parquet file', 'write it again without encryption', 0x50, 0x41, 0x52, 0x45]
]

const begins = (head: Uint8Array, ...magic: number[]): boolean => magic.every((byte, i) => head[i] === byte)

const text = (head: Uint8Array, from: number, to: number): string =>
  Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1', from, to)

/** A stream of messages begins with a continuation mark and the length of the schema, which is some hundred bytes. */
function isArrowStream(head: Uint8Array): boolean {
  if (head.byteLength < 8 || !begins(head, 0xff, 0xff, 0xff, 0xff)) return false
  const length = new DataView(head.buffer, head.byteOffset).getUint32(4, true)
  return length > 0 && length < 16_777_216
}

/** "ustar" as every tar has had since 1988, a right checksum as before (v7), or the zeros of a tar of nothing. */
function isTar(head: Uint8Array): boolean {
  if (text(head, 257, 262) === 'ustar') return true
  if (head.byteLength < CONTENT_HEAD_BYTES) return false
  const block = head.subarray(0, CONTENT_HEAD_BYTES)
  if (block.every(byte => byte === 0)) return true
  // the sum of all bytes, with spaces in the place of the sum itself (148 to 156)
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
  return Number.parseInt(text(block, 148, 156).replaceAll('\0', ' ').trim(), 8) === sum
}
