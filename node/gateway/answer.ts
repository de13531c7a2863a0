/** An HTTP answer: status, headers and a body that is made while it is sent. */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { parseRanges } from './byte-ranges.ts'
import { isRangeValid } from './validators.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** Bytes of known length that can be read from any position. */
export interface Resource {
  readonly size: number
  read(start: number, end: number): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export const NOTHING: readonly Uint8Array[] = []

/** A text that was made here. */
export function textAnswer(status: number, headers: Answer['headers'], text: string): Answer {
  const bytes = new TextEncoder().encode(text)
  return { status, headers: { ...headers, 'content-length': `${bytes.byteLength}` }, body: [bytes] }
}

/** The whole resource, or the ranges that the request asks for: 200, 206 or 416. `headers` has the content type and the etag. */
export function rangedAnswer(
  request: IncomingHttpHeaders,
  headers: Record<'content-type' | 'etag', string> & Record<string, string>,
  resource: Resource
): Answer {
  const { size } = resource
  const all = { ...headers, 'accept-ranges': 'bytes' }
  const ranges = isRangeValid(singleHeader(request['if-range']), headers.etag)
    ? parseRanges(request.range, size)
    : undefined
  const [first] = ranges ?? []
  if (ranges === undefined) {
    return { status: 200, headers: { ...all, 'content-length': `${size}` }, body: resource.read(0, size) }
  }
  if (first === undefined) {
    const { 'cache-control': _, 'content-disposition': __, ...rest } = all as Record<string, string>
    return {
      ...textAnswer(
        416,
        { ...rest, 'content-type': 'text/plain; charset=utf-8', 'content-range': `bytes */${size}` },
        `there are ${size} bytes\n`
      )
    }
  }
  if (ranges.length === 1) {
    return {
      status: 206,
      headers: {
        ...all,
        'content-length': `${first.end - first.start}`,
        'content-range': `bytes ${first.start}-${first.end - 1}/${size}`
      },
      body: resource.read(first.start, first.end)
    }
  }
  const boundary = randomUUID()
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const parts = ranges.map(range => ({
    range,
    head: encode(
      `\r\n--${boundary}\r\nContent-Type: ${headers['content-type']}\r\n` +
        `Content-Range: bytes ${range.start}-${range.end - 1}/${size}\r\n\r\n`
    )
  }))
  const end = encode(`\r\n--${boundary}--\r\n`)
  const length = parts.reduce((sum, { range, head }) => sum + head.byteLength + range.end - range.start, end.byteLength)
  return {
    status: 206,
    headers: { ...all, 'content-type': `multipart/byteranges; boundary=${boundary}`, 'content-length': `${length}` },
    body: (async function* () {
      for (const { range, head } of parts) {
        yield head
        yield* resource.read(range.start, range.end)
      }
      yield end
    })()
  }
}

// --- internal ---

/** Node joins repeated headers of most kinds; of this one, only a single one can be meant. */
function singleHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join() : value
}
