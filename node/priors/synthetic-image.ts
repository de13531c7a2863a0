/** Makes a PNG by arithmetic, to time a prior where no image was given. */
import { crc32, deflateSync } from 'node:zlib'

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const TRUE_COLOUR = 2
const BITS = 8

/** An RGB PNG of `width` x `height` pixels with smooth gradients and some texture. */
export function syntheticPng(width: number, height: number): Uint8Array {
  const stride = 1 + width * 3 // every row begins with its filter, 0
  const rows = new Uint8Array(height * stride)
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * 3; i++) {
      const x = Math.floor(i / 3)
      rows[y * stride + 1 + i] = ((x * 255) / width + (y * 128) / height + ((x * 7 + y * 13 + (i % 3) * 29) % 32)) & 255
    }
  }
  return png(width, height, deflateSync(rows))
}

/** The container alone: `pixels` is compressed image data, which is not looked into. */
export function png(width: number, height: number, pixels: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([BITS, TRUE_COLOUR, 0, 0, 0], 8)
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', new Uint8Array(0))])
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(12 + data.byteLength)
  out.writeUInt32BE(data.byteLength, 0)
  out.write(type, 4, 'latin1')
  out.set(data, 8)
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.byteLength)), 8 + data.byteLength)
  return out
}
