/** Which of the accepted image formats some bytes begin like: by magic bytes, never by name. */

/** Also the extension of the neutral path in a partition. */
export type ImageKind = 'jpg' | 'png' | 'webp'

/** As many bytes as `imageKind` looks at. */
export const IMAGE_HEAD_BYTES = 12

/** A larger encoded image is refused: it must fit in memory several times over while it is decoded. */
export const MAX_IMAGE_BYTES = 67_108_864

export function imageKind(bytes: Uint8Array): ImageKind | undefined {
  if (begins(bytes, 0, [0xff, 0xd8, 0xff])) return 'jpg'
  if (begins(bytes, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'png'
  // "RIFF", four bytes of length, "WEBP"
  if (begins(bytes, 0, [0x52, 0x49, 0x46, 0x46]) && begins(bytes, 8, [0x57, 0x45, 0x42, 0x50])) return 'webp'
  return undefined
}

function begins(bytes: Uint8Array, at: number, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[at + i] === byte)
}
