/** The parts of one block or small file as one array, without a copy when there is a single part. Bound the parts before: all are kept. */
export async function joinParts(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(parts))
}
