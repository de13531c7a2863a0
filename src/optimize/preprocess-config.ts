/**
 * What is done to an image -> `preprocessor_config.json`, with every key that `parsePreprocessor` reads written explicitly, including assumed and
 * default values, so that another reader does the same.
 *
 * Keys are those of transformers. Three are our own, for what timm and open_clip do and transformers cannot say: `size_mode` ("inside",
 * "cover"), `crop_rounding` ("half-even") and `fill_color`. A reader that ignores the last two is one pixel off, or pads with black.
 */
import type { Filter, Preprocessing, ResizeTo } from './preprocessing.ts'

/** Pillow's numbers. */
const RESAMPLE: Readonly<Record<Filter, number>> = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
  box: 4,
  hamming: 5
}

/** As a value for JSON. Read again for the same model it gives the same steps, `assumed` and `notes` apart. */
export function preprocessorConfig(p: Preprocessing): object {
  const { resize, filter, crop, cropRounding, fill, channelOrder, rescale, mean, std } = p
  const normalises = mean.some(v => v !== 0) || std.some(v => v !== 1)
  return {
    do_resize: resize !== undefined,
    ...(resize === undefined ? {} : sizeOf(resize)),
    resample: RESAMPLE[filter],
    do_center_crop: crop !== undefined,
    ...(crop === undefined ? {} : { crop_size: crop }),
    ...(cropRounding === undefined ? {} : { crop_rounding: cropRounding }),
    ...(fill === undefined ? {} : { fill_color: fill }),
    ...(channelOrder === undefined ? {} : { do_flip_channel_order: true }),
    do_rescale: rescale !== 1,
    ...(rescale === 1 ? {} : { rescale_factor: rescale }),
    do_normalize: normalises,
    ...(normalises ? { image_mean: mean, image_std: std } : {})
  }
}

function sizeOf(resize: ResizeTo): object {
  if ('shortestEdge' in resize) return { size: { shortest_edge: resize.shortestEdge } }
  if ('inside' in resize) return { size: resize.inside, size_mode: 'inside' }
  if ('cover' in resize) return { size: resize.cover, size_mode: 'cover' }
  return { size: resize }
}
