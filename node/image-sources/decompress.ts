/**
 * Decompresses gzip and Zstandard as long as there are members and frames. Both formats allow any number of them, and other bytes behind
 * them are left, as by the programs of the same names. node:zlib ends without a word after the first frame of Zstandard, and forgets what
 * it has decoded when other bytes follow gzip: so each member and frame gets a decoder of its own.
 */
import { pipeline, type Transform } from 'node:stream'
import { crc32, createInflateRaw, createZstdDecompress } from 'node:zlib'
import { InvalidContentError } from '../../src/errors.ts'
import { type ByteStream, frameInput, peek, skip } from './byte-streams.ts'
import { isGzip, isZstd } from './file-kinds.ts'

/** Windows of 2 GiB, as `zstd --long=31` makes them; what zstd itself reads without being asked ends at 128 MiB. */
const ZSTD_WINDOW_LOG = 31
/** `ZSTD_d_windowLogMax` of zstd.h */
const ZSTD_D_WINDOW_LOG_MAX = 100

/** Room for an extra field of 64 KiB, a name and a comment. */
const MAX_GZIP_HEADER_BYTES = 70_000
/** CRC-32 and length of the decoded bytes */
const GZIP_TRAILER_BYTES = 8

/** Throws what zlib throws for damaged data, and `InvalidContentError` where the checksum is another. */
export async function* gunzip(source: ByteStream): AsyncGenerator<Uint8Array> {
  let rest = source
  for (;;) {
    const { head, whole } = await peek(rest, MAX_GZIP_HEADER_BYTES)
    if (!isGzip(head)) return await close(whole)
    const decoder = createInflateRaw()
    const { bytes, after } = decode(skip(whole, gzipHeaderBytes(head)), decoder)
    let sum = 0
    let length = 0
    for await (const chunk of bytes) {
      sum = crc32(chunk, sum)
      length += chunk.byteLength
      yield chunk
    }
    const end = await peek(after(), GZIP_TRAILER_BYTES)
    if (end.head.byteLength < GZIP_TRAILER_BYTES) throw new InvalidContentError('gzip data are cut off')
    const trailer = new DataView(end.head.buffer, end.head.byteOffset)
    if (trailer.getUint32(0, true) !== sum || trailer.getUint32(4, true) !== length % 2 ** 32)
      throw new InvalidContentError('gzip data are damaged: another checksum')
    rest = skip(end.whole, GZIP_TRAILER_BYTES)
  }
}

/** Throws what zlib throws for damaged data. */
export async function* unzstd(source: ByteStream): AsyncGenerator<Uint8Array> {
  let rest = source
  for (;;) {
    const { head, whole } = await peek(rest, 4)
    if (!isZstd(head)) return await close(whole)
    const { bytes, after } = decode(
      whole,
      createZstdDecompress({ params: { [ZSTD_D_WINDOW_LOG_MAX]: ZSTD_WINDOW_LOG } })
    )
    yield* bytes
    rest = after()
  }
}

// --- internal ---

function decode(
  source: ByteStream,
  decoder: Transform & { bytesWritten: number }
): { bytes: ByteStream; after: () => ByteStream } {
  const input = frameInput(source, () => decoder.bytesWritten)
  // an error of the source or the decoder ends the iteration over the decoder with that error
  pipeline(input.chunks, decoder, () => undefined)
  return { bytes: decoder as AsyncIterable<Uint8Array>, after: input.after }
}

async function close(stream: ByteStream): Promise<void> {
  await stream[Symbol.asyncIterator]().return?.()
}

/** RFC 1952, section 2.3: ten bytes, then what the flags say. */
function gzipHeaderBytes(head: Uint8Array): number {
  const flags = head[3] ?? 0
  const text = (from: number): number => {
    const end = head.indexOf(0, from)
    if (end < 0) throw new InvalidContentError('a gzip header without end')
    return end + 1
  }
  let at = 10
  if ((flags & 4) !== 0) at += 2 + ((head[at] ?? 0) | ((head[at + 1] ?? 0) << 8))
  if ((flags & 8) !== 0) at = text(at)
  if ((flags & 16) !== 0) at = text(at)
  if ((flags & 2) !== 0) at += 2
  return at
}
