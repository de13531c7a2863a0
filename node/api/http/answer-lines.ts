/**
 * Lines of a byte stream, bounded: a line longer than `MAX_LINE_BYTES` is an error before all of it is in memory.
 */
import { ProtocolError } from '../../../src/errors.ts'

/** A status of 2,048 partitions and 4,096 peers is below 4 MiB of JSON. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

/** Complete lines only: text after the last line break is a truncated answer and is dropped. Throws `ProtocolError`. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pending: Uint8Array[] = []
  let size = 0
  for await (const chunk of source) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      yield Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8')
      pending = []
      size = 0
      start = end + 1
    }
    const rest = chunk.subarray(start)
    size += rest.byteLength
    if (size > MAX_LINE_BYTES) throw new ProtocolError(`the daemon sent a line of more than ${MAX_LINE_BYTES} bytes`)
    if (rest.byteLength > 0) pending.push(rest)
  }
}
