/**
 * Checksummed frames in an append-only file, and their recovery from a damaged one. Pure.
 *
 *   header   8 bytes magic, u32 version, u32 CRC-32 of these 12 bytes
 *   frame    4 bytes marker, u32 length, u32 CRC-32 of (length, payload), payload
 *
 * All numbers little-endian. The marker makes it cheap to find the next frame after a damaged stretch. The checksum detects damage, not forgery: the
 * payload is authenticated by its own signature.
 */
import { crc32 } from 'node:zlib'
import { equalBytes } from '../../src/codec.ts'

export const HEADER_BYTES = 16
export const FRAME_HEAD_BYTES = 12

/** Bytes that are neither UTF-8 nor the start of a CBOR array or map, so that the marker is rare in payloads. */
const MARKER = Buffer.from([0xf8, 0xc0, 0x0f, 0xff])

/** Part of a file that is not made of frames, [start, end). */
export interface Damage {
  readonly start: number
  readonly end: number
}

export interface Scan {
  /** 'new': too short to have a header, so nothing was ever acknowledged */
  readonly header: 'ok' | 'new' | 'damaged' | { readonly version: number }
  /** Payloads in order, views of the bytes scanned */
  readonly frames: Uint8Array[]
  readonly damage: Damage[]
}

export function encodeHeader(magic: string, version: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write(magic, 0, 8, 'latin1')
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
  return bytes
}

export function encodeFrame(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + payload.byteLength)
  bytes.set(MARKER)
  bytes.writeUInt32LE(payload.byteLength, 4)
  bytes.writeUInt32LE(checksum(bytes, 0, payload.byteLength, payload), 8)
  bytes.set(payload, FRAME_HEAD_BYTES)
  return bytes
}

/** Parse a whole file. Never throws: bytes that are not a frame of at most `maxPayload` bytes count as damage. */
export function scanFrames(file: Uint8Array, magic: string, version: number, maxPayload: number): Scan {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const header = scanHeader(bytes, magic, version)
  const frames: Uint8Array[] = []
  const damage: Damage[] = []
  let at = header === 'ok' ? HEADER_BYTES : 0
  if (typeof header === 'object') return { header, frames, damage }
  while (at < bytes.byteLength) {
    const payload = frameAt(bytes, at, maxPayload)
    if (payload !== undefined) {
      frames.push(payload)
      at += FRAME_HEAD_BYTES + payload.byteLength
      continue
    }
    const next = nextFrame(bytes, at + 1, maxPayload)
    damage.push({ start: at, end: next })
    at = next
  }
  return { header, frames, damage }
}

// --- internal ---

function scanHeader(bytes: Buffer, magic: string, version: number): Scan['header'] {
  if (bytes.byteLength < HEADER_BYTES) return 'new'
  const head = bytes.subarray(0, HEADER_BYTES)
  if (equalBytes(head, encodeHeader(magic, version))) return 'ok'
  const found = head.readUInt32LE(8)
  return equalBytes(head, encodeHeader(magic, found)) ? { version: found } : 'damaged'
}

function frameAt(bytes: Buffer, at: number, maxPayload: number): Uint8Array | undefined {
  if (at + FRAME_HEAD_BYTES > bytes.byteLength || bytes.compare(MARKER, 0, 4, at, at + 4) !== 0) return undefined
  const length = bytes.readUInt32LE(at + 4)
  const end = at + FRAME_HEAD_BYTES + length
  if (length === 0 || length > maxPayload || end > bytes.byteLength) return undefined
  const payload = bytes.subarray(at + FRAME_HEAD_BYTES, end)
  return checksum(bytes, at, length, payload) === bytes.readUInt32LE(at + 8) ? payload : undefined
}

function nextFrame(bytes: Buffer, from: number, maxPayload: number): number {
  for (let at = bytes.indexOf(MARKER, from); at !== -1; at = bytes.indexOf(MARKER, at + 1)) {
    if (frameAt(bytes, at, maxPayload) !== undefined) return at
  }
  return bytes.byteLength
}

/** Covers the length field of the frame at `at`, too, so that a damaged length is detected. */
function checksum(bytes: Buffer, at: number, length: number, payload: Uint8Array): number {
  const seed = crc32(bytes.subarray(at + 4, at + 8))
  return length === 0 ? seed : crc32(payload, seed)
}
