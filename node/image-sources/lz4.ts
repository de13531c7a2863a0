/**
 * LZ4, which node:zlib lacks: blocks as Parquet has them (raw, or behind the lengths that Hadoop writes) and frames as Arrow has them
 * (https://github.com/lz4/lz4/tree/dev/doc). Every read and write is bounded: the length of the output is known beforehand.
 */
import { InvalidContentError } from '../../src/errors.ts'

const FRAME_MAGIC = 0x184d2204

/** One block of exactly `length` decoded bytes. Throws `InvalidContentError`. */
export function decodeLz4Block(input: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  const end = decodeBlock(input, out, 0)
  if (end !== length) throw damaged(`${end} of ${length} bytes`)
  return out
}

/**
 * Blocks that each follow two big-endian lengths, decoded and encoded, as Hadoop's codec writes them; older Arrow writers left the
 * lengths out under the same name (LZ4, codec 5 of Parquet). Throws `InvalidContentError`.
 */
export function decodeLz4Hadoop(input: Uint8Array, length: number): Uint8Array {
  if (!isHadoop(input, length)) return decodeLz4Block(input, length)
  const view = viewOf(input)
  const out = new Uint8Array(length)
  let to = 0
  for (let at = 0; at < input.byteLength;) {
    const encoded = view.getUint32(at + 4)
    const end = decodeBlock(input.subarray(at + 8, at + 8 + encoded), out, to)
    if (end - to !== view.getUint32(at)) throw damaged('a block of another length than it says')
    to = end
    at += 8 + encoded
  }
  return out
}

/** A frame of exactly `length` decoded bytes; checksums are passed over. Throws `InvalidContentError`. */
export function decodeLz4Frame(input: Uint8Array, length: number): Uint8Array {
  const view = viewOf(input)
  const flags = input[4] ?? 0
  // magic, flags, block size, header checksum
  if (input.byteLength < 7 || view.getUint32(0, true) !== FRAME_MAGIC || flags >> 6 !== 1 || (flags & 1) !== 0)
    throw damaged('no frame of a known version')
  let at = 7 + ((flags & 8) === 0 ? 0 : 8)
  const checksum = (flags & 16) === 0 ? 0 : 4
  const out = new Uint8Array(length)
  let to = 0
  for (;;) {
    if (at + 4 > input.byteLength) throw damaged('no end of the frame')
    const size = view.getUint32(at, true)
    at += 4
    if (size === 0) break
    const bytes = size & 0x7fff_ffff
    if (bytes > input.byteLength - at) throw damaged('a block beyond the end')
    const block = input.subarray(at, at + bytes)
    // the highest bit marks a block that is stored as it is
    if (size !== bytes) to = copy(block, out, to)
    else to = decodeBlock(block, out, to)
    at += bytes + checksum
  }
  if (to !== length) throw damaged(`${to} of ${length} bytes`)
  return out
}

// --- internal ---

const damaged = (what: string): InvalidContentError => new InvalidContentError(`LZ4 data are damaged: ${what}`)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Do lengths and blocks fill `input` exactly, and do the decoded lengths add up to `length`? */
function isHadoop(input: Uint8Array, length: number): boolean {
  const view = viewOf(input)
  let decoded = 0
  let at = 0
  while (at + 8 <= input.byteLength) {
    decoded += view.getUint32(at)
    at += 8 + view.getUint32(at + 4)
  }
  return at === input.byteLength && decoded === length
}

function copy(block: Uint8Array, out: Uint8Array, to: number): number {
  if (block.byteLength > out.byteLength - to) throw damaged('more bytes than announced')
  out.set(block, to)
  return to + block.byteLength
}

/** Sequences of literals and a match, the last without a match. Returns where the output ends; matches may reach into earlier blocks. */
function decodeBlock(input: Uint8Array, out: Uint8Array, start: number): number {
  let to = start
  let at = 0
  const more = (first: number): number => {
    let length = first
    if (first < 15) return length
    for (let byte = 255; byte === 255; length += byte) {
      if (at >= input.byteLength) throw damaged('a length without end')
      byte = input[at++] as number
    }
    return length
  }
  while (at < input.byteLength) {
    const token = input[at++] as number
    const literals = more(token >> 4)
    if (literals > input.byteLength - at) throw damaged('literals beyond the end')
    to = copy(input.subarray(at, at + literals), out, to)
    at += literals
    if (at === input.byteLength) return to
    if (at + 2 > input.byteLength) throw damaged('a match without an offset')
    const offset = (input[at] as number) | ((input[at + 1] as number) << 8)
    at += 2
    const length = more(token & 15) + 4
    if (offset === 0 || offset > to) throw damaged('a match before the beginning')
    if (length > out.byteLength - to) throw damaged('more bytes than announced')
    // byte by byte: a match may overlap what it writes
    for (const end = to + length; to < end; to++) out[to] = out[to - offset] as number
  }
  return to
}
