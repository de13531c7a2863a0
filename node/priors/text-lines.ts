/** Lines of a text file as a stream. */
import { createReadStream } from 'node:fs'
import { InvalidPriorError } from '../../src/errors.ts'

/** Above the longest valid line of any file read so; a file without line ends is not collected into memory. */
const MAX_LINE_CHARACTERS = 600_000

/**
 * Without their ends, in batches; a last line that is empty is none. `onChunk` sees the bytes, to hash them. Throws `InvalidPriorError` naming the
 * file when it is not UTF-8, or a line is too long.
 */
export async function* textLines(path: string, onChunk?: (chunk: Uint8Array) => void): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (cause) {
      throw new InvalidPriorError(`${path} is not UTF-8 text`, { cause })
    }
  }
  const clean = (line: string): string => line.replace(/\r$/, '')
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    onChunk?.(chunk)
    const lines = (rest + decode(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) yield lines.map(clean)
    if (rest.length > MAX_LINE_CHARACTERS)
      throw new InvalidPriorError(`a line of ${path} is longer than ${MAX_LINE_CHARACTERS} characters`)
  }
  rest += decode()
  if (rest !== '') yield [clean(rest)]
}
