/**
 * Repetition and definition levels: Parquet's RLE / bit-packing hybrid, for levels of at most three bits.
 *
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE. Only runs are written, since a row of n numbers is two of them; both kinds
 * can be read. A page of version 2 has no length prefix before its levels.
 */
import { unsigned } from './thrift.ts'
import { InvalidContentError } from '../errors.ts'

/** Collects levels and merges equal neighbours into one run. */
export interface LevelWriter {
  add(level: number, count: number): void
  bytes(): Uint8Array
}

export function createLevelWriter(): LevelWriter {
  const encoded: number[] = []
  let last = 0
  let run = 0
  const flush = (): void => {
    if (run > 0) encoded.push(...unsigned(run * 2), last)
    run = 0
  }
  return {
    add: (level, count) => {
      if (level !== last) flush()
      last = level
      run += count
    },
    bytes: () => {
      flush()
      return Uint8Array.from(encoded)
    }
  }
}

/** Exactly `count` levels of `bitWidth` bits (1 to 3). The caller bounds `count`. Throws `InvalidContentError`. */
export function readLevels(bytes: Uint8Array, bitWidth: number, count: number): Uint8Array {
  const levels = new Uint8Array(count)
  let done = 0
  let at = 0
  const next = (): number => {
    const byte = bytes[at++]
    if (byte === undefined) throw new InvalidContentError('the levels of a Parquet page end early')
    return byte
  }
  while (done < count) {
    let head = 0
    for (let scale = 1, byte = 128; byte >= 128; scale *= 128) {
      byte = next()
      head += (byte & 127) * scale
      if (head > 0xffff_ffff) throw new InvalidContentError('a run of levels that is too long')
    }
    if (head % 2 === 0) {
      const run = head / 2
      const level = next()
      if (run === 0 || run > count - done || level >> bitWidth !== 0)
        throw new InvalidContentError('a run of levels that does not fit')
      levels.fill(level, done, done + run)
      done += run
    } else {
      const groups = (head - 1) / 2
      if (groups === 0 || (groups - 1) * 8 >= count - done)
        throw new InvalidContentError('a run of levels that does not fit')
      // groups of eight levels, least significant bits first; the last group may be filled up
      for (let group = 0; group < groups; group++) {
        let bits = 0
        for (let i = 0; i < bitWidth; i++) bits |= next() << (8 * i)
        for (let i = 0; i < 8 && done < count; i++) levels[done++] = (bits >> (i * bitWidth)) & ((1 << bitWidth) - 1)
      }
    }
  }
  if (at !== bytes.byteLength) throw new InvalidContentError('a Parquet page with bytes after its levels')
  return levels
}
