/** A small seeded generator for tests (mulberry32): the same failures again from the seed that a message names. */
export interface Seeded {
  /** Integer in [0, n) */
  below(n: number): number
  bytes(length: number): Uint8Array
}

export function seeded(seed: number): Seeded {
  let state = seed >>> 0
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    below: n => Math.floor((uint32() / 2 ** 32) * n),
    bytes: length => Uint8Array.from({ length }, () => uint32() & 255)
  }
}
