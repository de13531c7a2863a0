/** Images and models for optimize.ts where none are given: made by arithmetic, the same everywhere. */
import sharp from 'sharp'
import { ELEMENT } from '../../src/optimize/onnx-facts.ts'
import { bytesField, integerField, message } from '../../src/optimize/protobuf.ts'
import { createRandomStream } from '../../src/random.ts'

/** Bytes of a photo of ImageNet's average size are some 110 kB; JPEG of smooth noise at this quality comes near. */
const QUALITY = 90
/** Different pictures; more would take longer to make than to measure. */
const PICTURES = 64

/** `count` JPEG images, no two with the same bytes: a comment in each says its number. */
export async function madeImages(count: number, width: number, height: number): Promise<Uint8Array[]> {
  const pictures: Uint8Array[] = []
  for (let i = 0; i < Math.min(count, PICTURES); i++) {
    const random = createRandomStream('coopt/bench/images', Uint8Array.of(i))
    // noise in large patches and some in single pixels, as photos have both
    const patches = Buffer.from(Uint8Array.from({ length: 16 * 12 * 3 }, () => random.below(256)))
    const grain = Buffer.from(Uint8Array.from({ length: width * height }, () => 118 + random.below(20)))
    const noise = await sharp(grain, { raw: { width, height, channels: 1 } })
      .toColourspace('srgb')
      .png()
      .toBuffer()
    pictures.push(
      await sharp(patches, { raw: { width: 16, height: 12, channels: 3 } })
        .resize(width, height, { fit: 'fill', kernel: 'cubic' })
        .composite([{ input: noise, blend: 'soft-light' }])
        .jpeg({ quality: QUALITY })
        .toBuffer()
    )
  }
  return Array.from({ length: count }, (_, i) => withComment(pictures[i % PICTURES] as Uint8Array, i))
}

/** Average pooling to 4 x 4: next to no work, l = 48. `side` is a multiple of 4. */
export function madeModel(side: number): Uint8Array {
  const sizes = (name: string, values: readonly number[]): Uint8Array =>
    message(bytesField(1, name), ...values.map(v => integerField(8, v)), integerField(20, INTS))
  const node = (op: string, from: string, to: string, ...attributes: Uint8Array[]): Uint8Array =>
    message(bytesField(1, from), bytesField(2, to), bytesField(4, op), ...attributes.map(a => bytesField(5, a)))
  const value = (name: string, shape: readonly (number | string)[]): Uint8Array => {
    const dims = shape.map(d => bytesField(1, typeof d === 'number' ? integerField(1, d) : bytesField(2, d)))
    const tensor = message(integerField(1, ELEMENT.float), bytesField(2, message(...dims)))
    return message(bytesField(1, name), bytesField(2, bytesField(1, tensor)))
  }
  const window = [side / 4, side / 4]
  const graph = message(
    bytesField(1, node('AveragePool', 'image', 'pooled', sizes('kernel_shape', window), sizes('strides', window))),
    bytesField(1, node('Flatten', 'pooled', 'feature')),
    bytesField(2, 'bench'),
    bytesField(11, value('image', ['N', 3, side, side])),
    bytesField(12, value('feature', ['N', 48]))
  )
  return message(integerField(1, IR_VERSION), bytesField(7, graph), bytesField(8, integerField(2, OPSET)))
}

// --- internal ---

const INTS = 7
const IR_VERSION = 8
const OPSET = 13

/** A JPEG with a COM segment after its first marker. */
export function withComment(jpeg: Uint8Array, number: number): Uint8Array {
  const comment = Buffer.alloc(8)
  comment.writeUInt16BE(0xfffe, 0)
  comment.writeUInt16BE(6, 2)
  comment.writeUInt32BE(number, 4)
  return Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)])
}
