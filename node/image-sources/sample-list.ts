/** Growing typed arrays: what is known of a million samples without a million objects. */

/** sha2-256 digests, 32 bytes each. */
export class DigestList {
  #bytes = new Uint8Array(32 * 1024)
  #count = 0

  get count(): number {
    return this.#count
  }

  push(digest: Uint8Array): void {
    this.#bytes = grown(this.#bytes, (this.#count + 1) * 32)
    this.#bytes.set(digest, this.#count++ * 32)
  }

  /** Forget all behind the first `count`. */
  truncate(count: number): void {
    this.#count = count
  }

  /** View on all digests: sample i at 32 i. Good until the next `push`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#count * 32)
  }
}

/** Texts as UTF-8, one behind the other. */
export class TextList {
  #bytes = new Uint8Array(65_536)
  #ends = new Float64Array(1024)
  #count = 0

  push(text: string): void {
    const encoded = new TextEncoder().encode(text)
    const start = this.#end(this.#count - 1)
    this.#bytes = grown(this.#bytes, start + encoded.byteLength)
    this.#bytes.set(encoded, start)
    if (this.#count === this.#ends.length) {
      const ends = new Float64Array(this.#count * 2)
      ends.set(this.#ends)
      this.#ends = ends
    }
    this.#ends[this.#count++] = start + encoded.byteLength
  }

  /** Forget all behind the first `count`. */
  truncate(count: number): void {
    this.#count = count
  }

  at(i: number): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#bytes.subarray(this.#end(i - 1), this.#end(i)))
  }

  #end(i: number): number {
    return i < 0 ? 0 : (this.#ends[i] as number)
  }
}

/** Whole numbers up to 2^53. */
export class NumberList {
  #numbers = new Float64Array(1024)
  #count = 0

  push(value: number): void {
    if (this.#count === this.#numbers.length) {
      const numbers = new Float64Array(this.#count * 2)
      numbers.set(this.#numbers)
      this.#numbers = numbers
    }
    this.#numbers[this.#count++] = value
  }

  /** Forget all behind the first `count`. */
  truncate(count: number): void {
    this.#count = count
  }

  at(i: number): number {
    return this.#numbers[i] as number
  }
}

// --- internal ---

function grown(bytes: Uint8Array<ArrayBuffer>, needed: number): Uint8Array<ArrayBuffer> {
  if (needed <= bytes.byteLength) return bytes
  const larger = new Uint8Array(Math.max(needed, bytes.byteLength * 2))
  larger.set(bytes)
  return larger
}
