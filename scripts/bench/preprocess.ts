/**
 * Preprocessing of a decoded photo-sized image: resizing only the part that the crop keeps, against resizing the whole image and then cropping.
 *
 *     node scripts/bench/preprocess.ts [--runs 200]
 *
 * Prints one JSON object: milliseconds per image of each (the fastest tenth of the runs), and their ratio. Both sides alternate in one run.
 */
import { parseArgs } from 'node:util'
import { createTensorWriter } from '../../src/optimize/pixels.ts'
import { parsePreprocessor } from '../../src/optimize/preprocess.ts'
import type { Preprocessing } from '../../src/optimize/preprocessing.ts'
import { resize, type Pixels } from '../../src/optimize/resize.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '200' } } })
const INPUT = {
  name: 'pixel_values',
  layout: 'nchw',
  channels: 3,
  elementType: 'float32',
  batch: undefined,
  height: 224,
  width: 224
} as const
/** ImageNet's average */
const PHOTO = { width: 500, height: 375 }

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
  const photo = image(PHOTO.height, PHOTO.width)
  const writer = createTensorWriter(steps, INPUT)
  const { resize: _, ...cropOnly } = steps
  const cropper = createTensorWriter(cropOnly, INPUT)
  const out = new Float32Array(writer.size)
  const times = { kept: [] as number[], whole: [] as number[] }
  const timed = (into: number[], task: () => void): void => {
    const started = performance.now()
    task()
    into.push(performance.now() - started)
  }
  for (let run = 0; run < Number(values.runs); run++) {
    timed(times.kept, () => writer.write(photo, out, 0))
    timed(times.whole, () => cropper.write(resize(photo, ...sizeOf(photo, steps), steps.filter), out, 0))
  }
  const [kept, whole] = [times.kept, times.whole].map(quick) as [number, number]
  return { kept, whole, ratio: round(whole / kept) }
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

/** The fastest tenth of the times, because other load on the machine only adds to them. */
function quick(list: readonly number[]): number {
  return round(list.toSorted((a, b) => a - b)[Math.floor(list.length / 10)] as number)
}
