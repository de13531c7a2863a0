/**
 * Eight pictures made of integer arithmetic alone, in PNGs whose data is stored, not compressed: their bytes depend on no codec, library or
 * machine, so two labs that pack the same model use the same ones.
 */
import { createRandomStream } from '../../../src/random.ts'
import { GOLDEN_IMAGES } from '../../../src/publish/bundle.ts'
import { png } from '../synthetic-image.ts'

/** Neither square nor small, so that resizing and cropping take part. */
const SIZE = { width: 96, height: 72 }
/** Discs on a gradient: edges in all directions, and smooth parts. */
const DISCS = 6
/** Most bytes of one stored block of deflate (RFC 1951, 3.2.4). */
const STORED = 65_535
/** RFC 1950, 9 */
const ADLER = 65_521

/** `size` is that of the model's input where it takes images of one size only. */
export function goldenImages(size: { width: number; height: number } = SIZE): Uint8Array[] {
  return Array.from({ length: GOLDEN_IMAGES }, (_, i) => picture(i, size.width, size.height))
}

// --- internal ---

function picture(index: number, width: number, height: number): Uint8Array {
  const random = createRandomStream('coopt/1/golden', Uint8Array.of(index))
  const colour = (): number[] => [random.below(256), random.below(256), random.below(256)]
  const [from, to] = [colour(), colour()]
  const discs = Array.from({ length: DISCS }, () => ({
    x: random.below(width),
    y: random.below(height),
    r2: (1 + random.below(Math.max(2, Math.floor(Math.min(width, height) / 3)))) ** 2,
    colour: colour()
  }))
  const stride = 1 + width * 3 // every row begins with its filter, 0
  const rows = new Uint8Array(height * stride)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const disc = discs.findLast(d => (x - d.x) ** 2 + (y - d.y) ** 2 <= d.r2)
      for (let c = 0; c < 3; c++) {
        const a = from[c] as number
        const gradient = a + Math.trunc((((to[c] as number) - a) * (x + y)) / (width + height))
        rows[y * stride + 1 + 3 * x + c] = (disc?.colour[c] ?? gradient) ^ random.below(16)
      }
    }
  }
  return png(width, height, stored(rows))
}

/** zlib (RFC 1950) around stored blocks. */
function stored(data: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)]
  for (let at = 0; at < data.byteLength; at += STORED) {
    const part = data.subarray(at, at + STORED)
    const n = part.byteLength
    const last = at + n === data.byteLength ? 1 : 0
    parts.push(Uint8Array.of(last, n & 255, n >> 8, ~n & 255, (~n >> 8) & 255), part)
  }
  let [a, b] = [1, 0]
  for (const byte of data) {
    a = (a + byte) % ADLER
    b = (b + a) % ADLER
  }
  return Buffer.concat([...parts, Uint8Array.of(b >> 8, b & 255, a >> 8, a & 255)])
}
