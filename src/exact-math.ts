/**
 * exp, log and cube root from + - * / alone, bit for bit the same on every machine.
 *
 * ECMAScript leaves the last bits of `Math.exp` and `Math.log` to the engine; IEEE 754 fixes those of + - * / and sqrt. The functions here reduce the
 * argument exactly; exp and log then sum a power series in a fixed order. Errors are about one unit in the last place.
 */

/** ln 2 in two parts: the first has 32 trailing zero bits, so k * LN2_HIGH is exact for every exponent k. */
const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10
const LOG2_E = 1.4426950408889634

/** 1/k! for k = 14 .. 2; with |r| <= ln2 / 2 the first term left out is below 1e-19. */
const EXP_SERIES = [
  87_178_291_200, 6_227_020_800, 479_001_600, 39_916_800, 3_628_800, 362_880, 40_320, 5040, 720, 120, 24, 6, 2
].map(factorial => 1 / factorial)

const SQRT_2 = 1.4142135623730951

/** e^x. Overflows to Infinity above 709.78, underflows through subnormal numbers to 0; NaN gives NaN. */
export function exactExp(x: number): number {
  if (!(x < 709.782712893384)) return Number.isNaN(x) ? x : Infinity
  if (x < -745.1332191019412) return 0
  const k = Math.floor(x * LOG2_E + 0.5)
  const r = x - k * LN2_HIGH - k * LN2_LOW
  let sum = EXP_SERIES[0] as number
  for (let i = 1; i < EXP_SERIES.length; i++) sum = sum * r + (EXP_SERIES[i] as number)
  return scaled(1 + (r + r * r * sum), k)
}

/** Natural logarithm. 0 gives -Infinity, negative numbers and NaN give NaN. */
export function exactLog(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN
  if (x === Infinity) return x
  // x = f * 2^k with f in [sqrt(1/2), sqrt(2)); dividing and multiplying by two is exact
  let f = x
  let k = 0
  for (; f >= 4_294_967_296; f /= 4_294_967_296) k += 32
  for (; f < 1 / 4_294_967_296; f *= 4_294_967_296) k -= 32
  for (; f >= SQRT_2; f /= 2) k++
  for (; f < SQRT_2 / 2; f *= 2) k--
  // log f = 2 artanh(s), s = (f - 1) / (f + 1), |s| < 0.1716: s^25 is below 1e-19
  const s = (f - 1) / (f + 1)
  const z = s * s
  let sum = 0
  for (let i = 23; i >= 3; i -= 2) sum = (sum + 1 / i) * z
  return k * LN2_HIGH + (2 * (s + s * sum) + k * LN2_LOW)
}

/** Cube root of x >= 0, with an error of about one unit in the last place. Negative numbers and NaN give NaN. */
export function exactCubeRoot(x: number): number {
  if (!(x > 0) || x === Infinity) return x >= 0 ? x : NaN
  // x = f * 8^k with f in [1, 8); dividing and multiplying by eight is exact
  let f = x
  let scale = 1
  for (; f >= 8; f /= 8) scale *= 2
  for (; f < 1; f *= 8) scale /= 2
  // Newton's iteration from a chord that is within 15 % everywhere: five steps leave a relative error below 1e-30 before rounding
  let root = 1 + (f - 1) / 7
  for (let i = 0; i < 5; i++) root -= (root - f / (root * root)) / 3
  return root * scale
}

// --- internal ---

/** y * 2^k, y in [1/2, 2]; in two steps if 2^k is not a normal number. */
function scaled(y: number, k: number): number {
  if (k > 1000) return y * powerOfTwo(1000) * powerOfTwo(k - 1000)
  if (k < -1000) return y * powerOfTwo(-1000) * powerOfTwo(k + 1000)
  return y * powerOfTwo(k)
}

const view = new DataView(new ArrayBuffer(8))

/** 2^k for -1022 <= k <= 1023, written as bits: exact by construction. */
function powerOfTwo(k: number): number {
  view.setUint32(0, (k + 1023) << 20)
  view.setUint32(4, 0)
  return view.getFloat64(0)
}
