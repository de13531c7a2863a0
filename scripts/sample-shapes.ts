/**
 * Ten kinds of generated pictures, from which the demo's image set is made.
 *
 * A kind is a function from a point to coverage, 0 (background) to 1 (figure). The point is in the figure's own frame: the figure is
 * about as large as the unit circle, after a random shift, turn and scale. Kinds differ in shape only; colour, position, size, rotation and noise
 * vary within each, so that a mean colour does not distinguish them.
 */
import type { RandomStream } from '../src/random.ts'

/** Coverage at a point of the figure's frame */
type Figure = (x: number, y: number) => number

/** Draws a figure of one kind; numbers that shape it come from `random`. */
type Kind = (random: RandomStream) => Figure

export const IMAGE_SIZE = 32

/** Points per pixel and direction, for smooth edges as in a photograph */
const SUBPIXELS = 3

const between = (random: RandomStream, low: number, high: number): number => low + (high - low) * random.uniform()
const inside = (condition: boolean): number => (condition ? 1 : 0)
const wave = (t: number): number => 0.5 + 0.5 * Math.sin(2 * Math.PI * t)

export const KINDS: Readonly<Record<string, Kind>> = {
  disc: () => (x, y) => inside(x * x + y * y < 0.8),
  ring: random => {
    const hole = between(random, 0.45, 0.65)
    return (x, y) => inside(x * x + y * y < 1 && x * x + y * y > hole * hole)
  },
  triangle: () => (x, y) => inside(y > -0.6 && y < 1 - 1.9 * Math.abs(x)),
  cross: random => {
    const arm = between(random, 0.2, 0.32)
    return (x, y) => inside(Math.max(Math.abs(x), Math.abs(y)) < 1 && Math.min(Math.abs(x), Math.abs(y)) < arm)
  },
  frame: random => {
    const hole = between(random, 0.5, 0.68)
    const edge = (x: number, y: number): number => Math.max(Math.abs(x), Math.abs(y))
    return (x, y) => inside(edge(x, y) < 0.9 && edge(x, y) > hole)
  },
  stripes: random => {
    const frequency = between(random, 0.8, 1.6)
    return x => inside(wave(x * frequency) > 0.5)
  },
  checks: random => {
    const frequency = between(random, 0.7, 1.2)
    return (x, y) => inside(wave(x * frequency) > 0.5 === wave(y * frequency) > 0.5)
  },
  dots: random => {
    const pitch = between(random, 0.6, 0.85)
    const cell = (v: number): number => v / pitch - Math.round(v / pitch)
    return (x, y) => inside(cell(x) ** 2 + cell(y) ** 2 < 0.075)
  },
  ripples: random => {
    const frequency = between(random, 1.3, 2)
    return (x, y) => wave(Math.hypot(x, y) * frequency)
  },
  clouds: random => {
    const waves = Array.from({ length: 7 }, () => {
      const turn = between(random, 0, 2 * Math.PI)
      const frequency = between(random, 0.2, 0.75)
      return { u: Math.cos(turn) * frequency, v: Math.sin(turn) * frequency, phase: random.uniform() }
    })
    return (x, y) => waves.reduce((sum, { u, v, phase }) => sum + wave(x * u + y * v + phase), 0) / waves.length
  }
}

/** RGB pixels, `IMAGE_SIZE` squared times 3, of a picture of `kind`. The same stream draws the same picture. */
export function drawPicture(kind: Kind, random: RandomStream): Uint8Array {
  const figure = kind(random)
  const [back, front] = twoColours(random)
  const shade = between(random, -0.25, 0.25)
  const slope = between(random, 0, 2 * Math.PI)
  const [cx, cy] = [between(random, -0.3, 0.3), between(random, -0.3, 0.3)]
  const turn = between(random, 0, 2 * Math.PI)
  const scale = between(random, 0.5, 0.85)
  const [cos, sin] = [Math.cos(turn) / scale, Math.sin(turn) / scale]
  const noise = between(random, 4, 18)
  const pixels = new Uint8Array(IMAGE_SIZE * IMAGE_SIZE * 3)
  for (let row = 0; row < IMAGE_SIZE; row++) {
    for (let column = 0; column < IMAGE_SIZE; column++) {
      let covered = 0
      for (let k = 0; k < SUBPIXELS * SUBPIXELS; k++) {
        const px = (column + ((k % SUBPIXELS) + 0.5) / SUBPIXELS) / (IMAGE_SIZE / 2) - 1 - cx
        const py = (row + (Math.floor(k / SUBPIXELS) + 0.5) / SUBPIXELS) / (IMAGE_SIZE / 2) - 1 - cy
        covered += figure(px * cos + py * sin, py * cos - px * sin)
      }
      covered /= SUBPIXELS * SUBPIXELS
      const light =
        1 + shade * ((column / IMAGE_SIZE - 0.5) * Math.cos(slope) + (row / IMAGE_SIZE - 0.5) * Math.sin(slope)) * 2
      for (let channel = 0; channel < 3; channel++) {
        const colour = (back[channel] as number) * (1 - covered) + (front[channel] as number) * covered
        // the sum of four bytes of one draw is close enough to a normal number, and draws take most of the time
        const draw = random.uint32()
        const grain = ((draw & 255) + ((draw >>> 8) & 255) + ((draw >>> 16) & 255) + (draw >>> 24)) / 255 - 2
        pixels[(row * IMAGE_SIZE + column) * 3 + channel] = Math.max(
          0,
          Math.min(255, Math.round(colour * light + grain * noise))
        )
      }
    }
  }
  return pixels
}

// --- internal ---

/** Any two colours whose brightness differs enough to see the figure. */
function twoColours(random: RandomStream): [number[], number[]] {
  const colour = (): number[] => Array.from({ length: 3 }, () => random.below(256))
  const brightness = (c: readonly number[]): number => 0.3 * (c[0] ?? 0) + 0.59 * (c[1] ?? 0) + 0.11 * (c[2] ?? 0)
  for (;;) {
    const [back, front] = [colour(), colour()]
    if (Math.abs(brightness(back) - brightness(front)) > 70) return [back, front]
  }
}
