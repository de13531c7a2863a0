/** The entropy-coded part of a JPEG scan as bits and Huffman symbols (ITU-T T.81, F.2.2). */

/** A Huffman table, ready to look up */
export interface Code {
  /** By the next `LOOK` bits: length << 8 | symbol, 0 where the code is longer */
  readonly short: Uint16Array
  /** Largest code of each length, -1 where there is none; what to add to a code of that length for its place in `symbols` */
  readonly largest: Int32Array
  readonly offset: Int32Array
  readonly symbols: Uint8Array
}

export interface BitReader {
  /** The next symbol, -1 where no code fits */
  symbol(code: Code): number
  /** A number of `size` bits, 1 to 16, as F.2.2.1 extends it */
  signed(size: number): number
  /** Goes on after this restart marker. False where it is not next. */
  restart(marker: number): boolean
  /** Was nothing read that is not there, and does the image end here? */
  isAtEnd(): boolean
}

const LOOK = 9

/** `counts`: codes of length 1 to 16. Undefined for lengths that make no prefix code. */
export function huffmanCode(counts: Uint8Array, symbols: Uint8Array): Code | undefined {
  const short = new Uint16Array(1 << LOOK)
  const largest = new Int32Array(17).fill(-1)
  const offset = new Int32Array(17)
  let code = 0
  let place = 0
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1] as number
    offset[length] = place - code
    // a code of ones alone is not used, which keeps the others from running over
    if (code + count > (1 << length) - (count > 0 ? 1 : 0)) return undefined
    for (let i = 0; i < count; i++, code++, place++) {
      if (length > LOOK) continue
      const first = code << (LOOK - length)
      short.fill((length << 8) | (symbols[place] as number), first, first + (1 << (LOOK - length)))
    }
    if (count > 0) largest[length] = code - 1
    code <<= 1
  }
  return { short, largest, offset, symbols }
}

export function createBitReader(bytes: Uint8Array, start: number): BitReader {
  let at = start
  let hold = 0 // the lowest `count` bits of it are next
  let count = 0
  let made = 0 // bits after the end of the data, all 0

  /** At least 25 bits. */
  const fill = (): void => {
    while (count <= 24) {
      const byte = bytes[at]
      if (byte === undefined || (byte === 0xff && bytes[at + 1] !== 0)) {
        hold <<= 8
        made += 8
      } else {
        hold = (hold << 8) | byte
        at += byte === 0xff ? 2 : 1
      }
      count += 8
    }
  }

  return {
    symbol: code => {
      if (count < 16) fill()
      const known = code.short[(hold >>> (count - LOOK)) & ((1 << LOOK) - 1)] as number
      if (known !== 0) {
        count -= known >> 8
        return known & 255
      }
      for (let length = LOOK + 1; length <= 16; length++) {
        const bits = (hold >>> (count - length)) & ((1 << length) - 1)
        if (bits > (code.largest[length] as number)) continue
        count -= length
        return code.symbols[bits + (code.offset[length] as number)] ?? -1
      }
      return -1
    },
    signed: size => {
      if (count < size) fill()
      count -= size
      const value = (hold >>> count) & ((1 << size) - 1)
      return value < 1 << (size - 1) ? value - (1 << size) + 1 : value
    },
    restart: marker => {
      // what is left of the last byte is filled up with ones
      if (made > count || count - made >= 8 || bytes[at] !== 0xff || bytes[at + 1] !== marker) return false
      at += 2
      hold = 0
      count = 0
      made = 0
      return true
    },
    isAtEnd: () => made <= count && count - made < 8 && bytes[at] === 0xff && bytes[at + 1] === END
  }
}

// --- internal ---

const END = 0xd9
