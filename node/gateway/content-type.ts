/** The media type of a file by its name, else by its first bytes; and the name under which a browser saves it. */
import { imageKind } from '../../src/distribute/image-kind.ts'

export const UNKNOWN_TYPE = 'application/octet-stream'

const BY_EXTENSION: Readonly<Record<string, string>> = {
  bin: 'application/octet-stream',
  car: 'application/vnd.ipld.car; version=1',
  cbor: 'application/cbor',
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  f32: 'application/octet-stream',
  gif: 'image/gif',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  jsonl: 'application/jsonl',
  md: 'text/markdown; charset=utf-8',
  npy: 'application/octet-stream',
  onnx: 'application/octet-stream',
  parquet: 'application/vnd.apache.parquet',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  webp: 'image/webp',
  xml: 'application/xml'
}

/** Looked at when the name says nothing. */
export const SNIFFED_BYTES = 512

export function typeByName(name: string | undefined): string | undefined {
  const extension = /\.([^./]+)$/.exec(name ?? '')?.[1]?.toLowerCase()
  return extension !== undefined && Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined
}

/** Never HTML or a script: a file becomes active content by its name alone. */
export function typeByBytes(head: Uint8Array): string {
  const kind = imageKind(head)
  if (kind !== undefined) return BY_EXTENSION[kind] ?? UNKNOWN_TYPE
  if (Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PAR1') return 'application/vnd.apache.parquet'
  return isText(head) ? 'text/plain; charset=utf-8' : UNKNOWN_TYPE
}

/** Both forms of the name where it is not ASCII (RFC 6266, RFC 8187). */
export function disposition(kind: 'inline' | 'attachment', filename?: string): string {
  if (filename === undefined) return kind
  const ascii = filename.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["\\]/g, '_')
  if (ascii === filename) return `${kind}; filename="${ascii}"`
  const encoded = encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

// --- internal ---

function isText(head: Uint8Array): boolean {
  try {
    // stream: a character may be cut at the end of what is looked at
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return !text.split('').some(unit => unit < ' ' && !'\n\r\t\f'.includes(unit))
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}
