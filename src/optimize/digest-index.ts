/**
 * Which row of a table has the vector of which image: an open-addressing hash table from 32-byte digests to row numbers, without an object per
 * row. 45 to 90 bytes a row, half as much again for a moment while it grows: ten million rows take up to 0.9 GB.
 */
import { InvalidPriorError } from '../errors.ts'
import { SHA256_BYTES } from './sample-key.ts'

/** Slots are 32-bit and at most half full. */
export const MAX_INDEX_ROWS = 2 ** 29

const WORDS = SHA256_BYTES / 4
const FIRST_ROWS = 1024

export class DigestIndex {
  readonly #multipliers: Uint32Array
  #digests = new Uint32Array(FIRST_ROWS * WORDS)
  #rows = new Uint32Array(FIRST_ROWS)
  /** Entry + 1, or 0 */
  #slots = new Uint32Array(FIRST_ROWS * 2)
  #size = 0

  /** `multipliers`: 8 random words, so that nobody can prepare digests that all collide. */
  constructor(multipliers: Uint32Array) {
    if (multipliers.length !== WORDS) throw new RangeError(`${multipliers.length} multipliers, not ${WORDS}`)
    this.#multipliers = multipliers.map(word => word | 1)
  }

  get size(): number {
    return this.#size
  }

  /** The row of a digest, if there is one. */
  get(digest: Uint8Array): number | undefined {
    const entry = this.#slots[this.#slotOf(wordsOf(digest))] as number
    return entry === 0 ? undefined : this.#rows[entry - 1]
  }

  /** False, and nothing changes, when the digest is known. Throws `InvalidPriorError` above `MAX_INDEX_ROWS`. */
  add(digest: Uint8Array, row: number): boolean {
    const words = wordsOf(digest)
    let slot = this.#slotOf(words)
    if (this.#slots[slot] !== 0) return false
    if (this.#size === this.#rows.length) {
      this.#grow()
      slot = this.#slotOf(words)
    }
    this.#digests.set(words, this.#size * WORDS)
    this.#rows[this.#size] = row
    this.#slots[slot] = ++this.#size
    return true
  }

  // --- internal ---

  /** Of the digest, or the free slot where it belongs. */
  #slotOf(words: Uint32Array): number {
    const mask = this.#slots.length - 1
    for (let slot = this.#hash(words) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number
      if (entry === 0 || this.#isAt(entry - 1, words)) return slot
    }
  }

  #isAt(entry: number, words: Uint32Array): boolean {
    for (let i = 0; i < WORDS; i++) if (this.#digests[entry * WORDS + i] !== words[i]) return false
    return true
  }

  #hash(words: Uint32Array): number {
    let sum = 0
    for (let i = 0; i < WORDS; i++) {
      sum = Math.imul(sum ^ (words[i] as number), this.#multipliers[i] as number)
      sum ^= sum >>> 15
    }
    return sum >>> 0
  }

  #grow(): void {
    const rows = this.#rows.length * 2
    if (rows > MAX_INDEX_ROWS) throw new InvalidPriorError(`the table has more than ${MAX_INDEX_ROWS} rows`)
    const [digests, numbers] = [this.#digests, this.#rows]
    this.#digests = new Uint32Array(rows * WORDS)
    this.#digests.set(digests)
    this.#rows = new Uint32Array(rows)
    this.#rows.set(numbers)
    this.#slots = new Uint32Array(rows * 2)
    for (let entry = 0; entry < this.#size; entry++)
      this.#slots[this.#slotOf(this.#digests.subarray(entry * WORDS, (entry + 1) * WORDS))] = entry + 1
  }
}

/** Copied: the digest of a CID lies at any offset. */
function wordsOf(digest: Uint8Array): Uint32Array {
  if (digest.byteLength !== SHA256_BYTES) throw new RangeError(`a digest of ${digest.byteLength} bytes`)
  return new Uint32Array(Uint8Array.from(digest).buffer)
}
