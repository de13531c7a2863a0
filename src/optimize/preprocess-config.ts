/**
 * What is done to an image -> `preprocessor_config.json`, with every key that `parsePreprocessor` (preprocess.ts) reads said out loud: what was
 * assumed or implied by defaults of older files is written down, so that another reader does the same.
 */
import type { Filter, Preprocessing } from './preprocess.ts'

/** Pillow's numbers. */
const RESAMPLE: Readonly<Record<Filter, number>> = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
  box: 4,
  hamming: 5
}

/** As a value for JSON. Read again for the same model it gives the same steps, `assumed` apart. */
export function preprocessorConfig({ resize, filter, crop, rescale, mean, std }: Preprocessing): object {
  const normalises = mean.some(v => v !== 0) || std.some(v => v !== 1)
  return {
    do_resize: resize !== undefined,
    ...(resize === undefined ? {} : { size: 'height' in resize ? resize : { shortest_edge: resize.shortestEdge } }),
    resample: RESAMPLE[filter],
    do_center_crop: crop !== undefined,
    ...(crop === undefined ? {} : { crop_size: crop }),
    do_rescale: rescale !== 1,
    ...(rescale === 1 ? {} : { rescale_factor: rescale }),
    do_normalize: normalises,
    ...(normalises ? { image_mean: mean, image_std: std } : {})
  }
}
