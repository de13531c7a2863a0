/**
 * Reproducible random numbers from a seed: SHAKE256 (FIPS 202) read as an endless stream of bytes.
 *
 * The hashed message is unambiguous: for every part its length (4 bytes, little-endian) and its bytes. Two lists of parts that
 * differ give independent streams, and the first part names the purpose. Nothing here depends on a clock, the machine or the order
 * of calls elsewhere. An independent implementation is one line of Python: `hashlib.shake_256(message).digest(count)`.
 */
import { shake256 } from '@noble/hashes/sha3.js'
import { NumericError } from './errors.ts'

/** Sixty blocks of the sponge (136 bytes each): few calls, little memory. */
const BUFFER_BYTES = 136 * 60

export interface RandomStream {
  /** Uniform over 0 .. 2^32 - 1: the next four bytes, little-endian */
  uint32(): number
  /** Uniform over 0 .. n - 1 without bias, 1 <= n <= 2^32: draws that would favour low numbers are rejected. Throws `NumericError`. */
  below(n: number): number
  /** Uniform over the multiples of 2^-53 in [0, 1): 27 and 26 high bits of two draws */
  uniform(): number
}

/** Text parts are taken as UTF-8. The first part should name the purpose (`coopt/1/...`). */
export function createRandomStream(...seed: ReadonlyArray<Uint8Array | string>): RandomStream {
  const hash = shake256.create()
  for (const part of seed) {
    const bytes = typeof part === 'string' ? new TextEncoder().encode(part) : part
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes.byteLength, true)
    hash.update(length).update(bytes)
  }
  let buffer = new DataView(new ArrayBuffer(0))
  let at = 0

  const uint32 = (): number => {
    if (at === buffer.byteLength) {
      const bytes = hash.xof(BUFFER_BYTES)
      buffer = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      at = 0
    }
    at += 4
    return buffer.getUint32(at - 4, true)
  }
  return {
    uint32,
    below: n => {
      if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000)
        throw new NumericError(`cannot draw an integer below ${n}: it must be an integer from 1 to 2^32`)
      const limit = 0x1_0000_0000 - (0x1_0000_0000 % n)
      let value = uint32()
      while (value >= limit) value = uint32()
      return value % n
    },
    uniform: () => {
      const high = uint32() >>> 5
      const low = uint32() >>> 6
      return (high * 67_108_864 + low) / 9_007_199_254_740_992
    }
  }
}

/** A uniform permutation of 0 .. n - 1 (Fisher, Yates; Durstenfeld's form, from the end). */
export function shuffle(n: number, stream: Pick<RandomStream, 'below'>): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = stream.below(i + 1)
    const kept = order[i] as number
    order[i] = order[j] as number
    order[j] = kept
  }
  return order
}
