/** CMYK -> RGB as Pillow's `convert('RGB')` does it: without profiles, 255 - min(255, C + K) and the like in 8-bit fixed point. */

/** `data`: interleaved C, M, Y, K, 255 = full ink. Interleaved R, G, B (Pillow, Convert.c, cmyk2rgb). */
export function cmykToRgb(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((data.length / 4) * 3)
  for (let at = 0, to = 0; at < data.length; at += 4) {
    const light = 255 - (data[at + 3] as number)
    for (let i = 0; i < 3; i++) {
      const t = (data[at + i] as number) * light + 128
      out[to++] = light - (((t >> 8) + t) >> 8)
    }
  }
  return out
}
