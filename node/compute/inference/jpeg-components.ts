/** How many colour components a JPEG has, from its frame header: four is CMYK or YCCK. */

/** Markers before the frame: tables, comments and application data; a photo has about twenty. */
const MAX_MARKERS = 1000

/** Undefined where no frame header is found; the decoder says what is wrong then. (ITU-T T.81, B.1 and B.2.2) */
export function jpegComponents(bytes: Uint8Array): number | undefined {
  let at = 2
  for (let n = 0; n < MAX_MARKERS; n++) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++ // fill bytes
    const marker = bytes[at + 1]
    if (bytes[at] !== 0xff || marker === undefined) return undefined
    // SOF0 to SOF15, of which C4, C8 and CC are other segments
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) return bytes[at + 9]
    if (marker === 0xda || marker === 0xd9) return undefined
    // TEM and RSTn stand alone
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2
    else at += 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  }
  return undefined
}
