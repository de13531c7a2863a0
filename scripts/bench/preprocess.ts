/**
 * Preprocessing of decoded images of a photo's size: resizing only what the crop keeps, against resizing the whole image and cropping then;
 * and images of one size, whose weights are kept, against images that all have another.
 *
 *     node scripts/bench/preprocess.ts [--runs 20]
 *
 * Prints one JSON object: median milliseconds per image of each, and ratios. Both sides in one run, in turns.
 */
import { parseArgs } from 'node:util'
import { createTensorWriter } from '../../src/optimize/pixels.ts'
import { parsePreprocessor } from '../../src/optimize/preprocess.ts'
import type { Preprocessing } from '../../src/optimize/preprocessing.ts'
import { resize, type Pixels } from '../../src/optimize/resize.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '20' } } })
const INPUT = {
  name: 'pixel_values',
  layout: 'nchw',
  channels: 3,
  elementType: 'float32',
  batch: undefined,
  height: 224,
  width: 224
} as const
/** ImageNet's average is 500 x 375. Sizes in a row, more than are kept, so that each image needs weights of its own. */
const PHOTO = { width: 500, height: 375 }
const SIZES = 80

const results = Object.fromEntries(
  ['ConvNextImageProcessor', 'CLIPImageProcessor', 'ViTImageProcessor'].map(type => {
    const steps = parsePreprocessor(
      { image_processor_type: type, ...(type.startsWith('Conv') ? { size: { shortest_edge: 224 } } : {}) },
      INPUT
    )
    return [type, measure(steps)]
  })
)
console.log(JSON.stringify(results))

// --- internal ---

function measure(steps: Preprocessing) {
  const images = Array.from({ length: SIZES }, (_, i) =>
    image(PHOTO.height + i - SIZES / 2, PHOTO.width + i - SIZES / 2)
  )
  const first = image(PHOTO.height, PHOTO.width)
  const writer = createTensorWriter(steps, INPUT)
  const { resize: _, ...cropOnly } = steps
  const cropper = createTensorWriter(cropOnly, INPUT)
  const out = new Float32Array(writer.size)
  const times = { kept: [] as number[], whole: [] as number[], fresh: [] as number[] }
  const timed = (into: number[], task: () => void): void => {
    const started = performance.now()
    task()
    into.push(performance.now() - started)
  }
  for (let run = 0; run < Number(values.runs); run++) {
    timed(times.kept, () => writer.write(first, out, 0))
    timed(times.whole, () => cropper.write(resize(first, ...sizeOf(first, steps), steps.filter), out, 0))
    for (const one of images) timed(times.fresh, () => writer.write(one, out, 0))
  }
  const [kept, whole, fresh] = [times.kept, times.whole, times.fresh].map(median) as [number, number, number]
  return { kept, whole, fresh, wholeToKept: round(whole / kept), freshToKept: round(fresh / kept) }
}

function sizeOf({ height, width }: Pixels, { resize: to }: Preprocessing): [number, number] {
  if (to === undefined || !('shortestEdge' in to)) return [224, 224]
  const long = Math.trunc((to.shortestEdge * Math.max(height, width)) / Math.min(height, width))
  return height <= width ? [to.shortestEdge, long] : [long, to.shortestEdge]
}

function image(height: number, width: number): Pixels {
  return {
    data: Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 31 + (i >> 8)) & 255),
    height,
    width,
    channels: 3
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function median(list: readonly number[]): number {
  return round(list.toSorted((a, b) => a - b)[list.length >> 1] as number)
}
