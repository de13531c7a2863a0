import type { Pixels } from '../../src/optimize/resize.ts'

/** The image of scripts/make-preprocess-vectors.py: smooth on the left, wild on the right. */
export function pattern(height: number, width: number, channels = 3): Pixels {
  const data = new Uint8Array(height * width * channels)
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++, i++) {
        const smooth = (Math.floor((x * 255) / width) >> 1) + (Math.floor((y * 255) / height) >> 1)
        const wild = (3 * x * x + 5 * x * y + 17 * y + 31 * c) % 256
        data[i] = x < Math.floor(width / 2) ? smooth : wild
      }
    }
  }
  return { data, height, width, channels }
}
