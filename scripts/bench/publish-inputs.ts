/** Images for publish.ts, made by arithmetic one after the other, no two with the same bytes: any number of them takes no memory. */
import { deflateSync } from 'node:zlib'
import { png } from '../../node/priors/synthetic-image.ts'
import { madeImages, withComment } from './optimize-inputs.ts'

export type ImageCase = 'png-32' | 'jpeg-32' | 'photo'

/** ImageNet's average */
const PHOTO = { width: 500, height: 375 }
const SIDE = 32
/** Different pictures of a case; a number in each image makes the rest. */
const PICTURES = 64

export async function* imagesOf(name: ImageCase, count: number): AsyncGenerator<Uint8Array> {
  if (name === 'png-32') {
    for (let i = 0; i < count; i++) yield smallPng(i)
    return
  }
  const { width, height } = name === 'photo' ? PHOTO : { width: SIDE, height: SIDE }
  const pictures = await madeImages(PICTURES, width, height)
  for (let i = 0; i < count; i++) yield withComment(pictures[i % PICTURES] as Uint8Array, i)
}

// --- internal ---

/** A gradient with grain, rows filtered in turn by all five filters; some 2.5 kB as in CIFAR-10. */
function smallPng(number: number): Uint8Array {
  const stride = 1 + SIDE * 3
  const rows = new Uint8Array(SIDE * stride)
  // xorshift32: the grain differs with every number
  let state = number + 1
  for (let y = 0; y < SIDE; y++) {
    rows[y * stride] = y % 5
    for (let i = 1; i < stride; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      rows[y * stride + i] = (y % 5 === 0 ? y * 4 + i : 0) + (state & 63)
    }
  }
  return png(SIDE, SIDE, deflateSync(rows, { level: 1 }))
}
