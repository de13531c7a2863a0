/**
 * Generates the demo's image set from a seed: 2,400 pictures of 32 x 32 pixels in ten kinds (sample-shapes.ts).
 *
 *     node scripts/make-sample.ts DIR [--count 2400] [--sheet FILE.png]
 *
 * Files are named by their hash, so neither name nor order reveals the kind. `--sheet` draws a contact sheet of the kinds.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { rawCid } from '../src/codec.ts'
import { createRandomStream } from '../src/random.ts'
import { drawPicture, IMAGE_SIZE, KINDS } from './sample-shapes.ts'

export const SAMPLE_COUNT = 2400

const SEED = 'coopt/1/sample-images'

/** Encoders run in libvips' threads: a few concurrent ones keep two cores busy. */
const AT_ONCE = 16

export interface MadeSample {
  readonly count: number
  /** Names of the kinds */
  readonly kinds: readonly string[]
  /** Kind of every image by sample id (CIDv1 raw), for evaluation only: the swarm does not see it */
  readonly labels: ReadonlyArray<{ readonly id: string; readonly kind: number }>
}

/** Write `count` JPEG files into `dir`, which is created if necessary. The same count gives the same files. */
export async function makeSample(dir: string, options: { count?: number } = {}): Promise<MadeSample> {
  const count = options.count ?? SAMPLE_COUNT
  await mkdir(dir, { recursive: true })
  const labels: { id: string; kind: number }[] = []
  for (let start = 0; start < count; start += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, i) => start + i)
    labels.push(
      ...(await Promise.all(
        numbers.map(async i => {
          const bytes = await encode(picture(i))
          const name = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
          await writeFile(join(dir, `${name}.jpg`), bytes)
          return { id: rawCid(bytes).toString(), kind: i % kinds.length }
        })
      ))
    )
  }
  return { count, kinds, labels }
}

// --- internal ---

const kinds = Object.keys(KINDS)

/** Pixels of image i, whose kind is i modulo ten. */
function picture(i: number): Uint8Array {
  const kind = KINDS[kinds[i % kinds.length] as string]
  if (kind === undefined) throw new Error('no kinds')
  return drawPicture(kind, createRandomStream(SEED, String(i)))
}

async function encode(pixels: Uint8Array): Promise<Uint8Array> {
  const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const
  return await sharp(pixels, { raw }).jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toBuffer()
}

/** Twenty pictures of every kind, one row per kind, at twice their size. */
async function drawSheet(path: string): Promise<void> {
  const columns = 20
  const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const
  const tiles = Array.from({ length: columns * kinds.length }, (_, k) => ({
    input: Buffer.from(picture((k % columns) * kinds.length + Math.floor(k / columns))),
    raw,
    left: (k % columns) * (IMAGE_SIZE + 2),
    top: Math.floor(k / columns) * (IMAGE_SIZE + 2)
  }))
  const width = columns * (IMAGE_SIZE + 2)
  const sheet = sharp({ create: { width, height: kinds.length * (IMAGE_SIZE + 2), channels: 3, background: '#fff' } })
  const table = await sheet.composite(tiles).png().toBuffer()
  await sharp(table)
    .resize(width * 2, undefined, { kernel: 'nearest' })
    .toFile(path)
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { count: { type: 'string' }, sheet: { type: 'string' } },
    allowPositionals: true
  })
  const [dir] = positionals
  const count = Number(values.count ?? SAMPLE_COUNT)
  if (dir === undefined || !Number.isInteger(count) || count < 1) {
    console.error('usage: node scripts/make-sample.ts DIR [--count N] [--sheet FILE.png]')
    process.exitCode = 2
  } else {
    const made = await makeSample(dir, { count })
    if (values.sheet !== undefined) await drawSheet(values.sheet)
    console.log(`${made.count} images of ${made.kinds.length} kinds in ${dir}`)
  }
}
