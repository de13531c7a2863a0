/** libjpeg's accurate inverse DCT of 8 x 8 coefficients, in 32-bit integers: bit for bit, also where that uses vector instructions. */

/**
 * Vector instructions hold coefficients, and what is between the two passes, in 16 bits and add pairs of them. Below this nothing overflows there; real images
 * stay below a quarter of it.
 */
export const MAX_EXACT = 16_383

const CONST_BITS = 13
const PASS1_BITS = 2
/** Multiples of 2^-13: FIX(…) of jidctint.c */
const C0298 = 2446
const C0390 = 3196
const C0541 = 4433
const C0765 = 6270
const C0899 = 7373
const C1175 = 9633
const C1501 = 12_299
const C1847 = 15_137
const C1961 = 16_069
const C2053 = 16_819
const C2562 = 20_995
const C3072 = 25_172

/** The samples of `block`, which is overwritten, at `to` of a plane. False where the numbers are too large to be exact. */
export function addBlock(block: Int32Array, plane: Uint8Array, to: number, stride: number): boolean {
  if (!isExact(block)) return false
  for (let column = 0; column < 8; column++) transform(block, column, 8, CONST_BITS - PASS1_BITS)
  if (!isExact(block)) return false
  for (let row = 0; row < 64; row += 8) transform(block, row, 1, CONST_BITS + PASS1_BITS + 3)
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++) {
      const value = (block[y * 8 + x] as number) + 128
      plane[to + y * stride + x] = value < 0 ? 0 : value > 255 ? 255 : value
    }
  return true
}

// --- internal ---

function isExact(block: Int32Array): boolean {
  let bits = 0
  for (let i = 0; i < 64; i++) {
    const value = block[i] as number
    bits |= value ^ (value >> 31)
  }
  return bits <= MAX_EXACT
}

/** Eight numbers from `at` on, `step` apart, in place. */
function transform(v: Int32Array, at: number, step: number, shift: number): void {
  const at1 = at + step
  const at2 = at1 + step
  const at3 = at2 + step
  const at4 = at3 + step
  const at5 = at4 + step
  const at6 = at5 + step
  const at7 = at6 + step
  const v0 = v[at] as number
  const v1 = v[at1] as number
  const v2 = v[at2] as number
  const v3 = v[at3] as number
  const v4 = v[at4] as number
  const v5 = v[at5] as number
  const v6 = v[at6] as number
  const v7 = v[at7] as number
  const half = 1 << (shift - 1)
  // even part
  const e1 = Math.imul(v2 + v6, C0541)
  const e2 = e1 - Math.imul(v6, C1847)
  const e3 = e1 + Math.imul(v2, C0765)
  const s0 = ((v0 + v4) << CONST_BITS) + half
  const s1 = ((v0 - v4) << CONST_BITS) + half
  const t10 = s0 + e3
  const t13 = s0 - e3
  const t11 = s1 + e2
  const t12 = s1 - e2
  // odd part
  const z5 = Math.imul(v7 + v3 + v5 + v1, C1175)
  const z1 = -Math.imul(v7 + v1, C0899)
  const z2 = -Math.imul(v5 + v3, C2562)
  const z3 = z5 - Math.imul(v7 + v3, C1961)
  const z4 = z5 - Math.imul(v5 + v1, C0390)
  const o0 = Math.imul(v7, C0298) + z1 + z3
  const o1 = Math.imul(v5, C2053) + z2 + z4
  const o2 = Math.imul(v3, C3072) + z2 + z3
  const o3 = Math.imul(v1, C1501) + z1 + z4
  v[at] = (t10 + o3) >> shift
  v[at7] = (t10 - o3) >> shift
  v[at1] = (t11 + o2) >> shift
  v[at6] = (t11 - o2) >> shift
  v[at2] = (t12 + o1) >> shift
  v[at5] = (t12 - o1) >> shift
  v[at3] = (t13 + o0) >> shift
  v[at4] = (t13 - o0) >> shift
}
