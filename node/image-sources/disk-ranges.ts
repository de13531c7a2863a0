/** A file on disk as ranges of bytes. */
import type { FileHandle } from 'node:fs/promises'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { InvalidContentError } from '../../src/errors.ts'

/** As long as it is now. `slice` throws `InvalidContentError` when the file became shorter. */
export async function diskRanges(handle: FileHandle): Promise<ByteRanges> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    slice: async (start, end) => {
      const out = new Uint8Array(end - start)
      for (let at = 0; at < out.byteLength;) {
        const { bytesRead } = await handle.read(out, at, out.byteLength - at, start + at)
        if (bytesRead === 0) throw new InvalidContentError('the file became shorter while it was read')
        at += bytesRead
      }
      return out
    }
  }
}
