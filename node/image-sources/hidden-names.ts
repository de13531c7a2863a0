/**
 * Files that no person put into a dataset: hidden ones, AppleDouble files (`._photo.jpg`: what macOS cannot store elsewhere, under the
 * name of the photo), thumbnails, trash and bookkeeping of systems.
 */

const SYSTEM_NAMES = new Set([
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  'system volume information',
  'lost+found',
  // thumbnails and trash of Synology
  '@eadir',
  '#recycle'
])

/** One name, without folders. `.` and `..` are not hidden: they are no names. */
export function isHiddenName(name: string): boolean {
  return (name.startsWith('.') && name !== '.' && name !== '..') || SYSTEM_NAMES.has(name.toLowerCase())
}

/** Of a path in an archive: is any folder of it, or its name, hidden? */
export const isHiddenPath = (path: string): boolean => path.split('/').some(isHiddenName)

/** AppleSingle or AppleDouble by its first bytes (RFC 1740), whatever its name: an old server may have renamed it. */
export function isAppleDouble(bytes: Uint8Array): boolean {
  return bytes[0] === 0x00 && bytes[1] === 0x05 && bytes[2] === 0x16 && (bytes[3] === 0x07 || bytes[3] === 0x00)
}
