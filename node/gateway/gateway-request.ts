/**
 * The request line and headers -> what is asked for, everything checked. `GET|HEAD /ipfs/CID[/path][?params]`.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { CID } from 'multiformats/cid'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import { type EntityBytes, parseEntityBytes } from './byte-ranges.ts'
import { type CarOptions, type Format, negotiate } from './formats.ts'
import { HttpProblem } from './http-problem.ts'

type DagScope = 'block' | 'entity' | 'all'

export interface GatewayRequest {
  readonly root: CID
  /** Decoded names, none empty */
  readonly segments: readonly string[]
  /** The path as it was sent, percent-encoded: it goes into headers and links */
  readonly path: string
  /** With its question mark, or empty */
  readonly search: string
  readonly format: Format
  readonly car: CarOptions
  readonly scope: DagScope
  readonly bytes?: EntityBytes
  readonly filename?: string
  readonly download: boolean
  readonly onlyIfCached: boolean
  /** URL that names the negotiated format */
  readonly location?: string
}

/** Directories of a dataset are two levels deep; others have been seen with twenty. */
const MAX_SEGMENTS = 64
const MAX_FILENAME = 255
/** An identity CID carries its bytes: no more of them than Kubo inlines. */
const MAX_INLINE_BYTES = 128
const CODECS: ReadonlySet<number> = new Set([raw.code, dagPb.code, dagCbor.code])

/** Throws `HttpProblem`. */
export function parseRequest(url: string, headers: IncomingHttpHeaders): GatewayRequest {
  const [path = '', ...rest] = url.split('?')
  const search = rest.length === 0 ? '' : `?${rest.join('?')}`
  const [, namespace, first, ...names] = path.split('/')
  if (namespace === 'ipns') throw new HttpProblem(501, 'this gateway does not resolve names')
  if (namespace !== 'ipfs') throw new HttpProblem(404, 'ask for /ipfs/CID')
  const root = parseRoot(decode(first ?? ''))
  const segments = names.filter(name => name !== '').map(decode)
  if (segments.length > MAX_SEGMENTS) throw new HttpProblem(400, `a path of more than ${MAX_SEGMENTS} names`)
  const query = new URLSearchParams(search)
  const { format, car, fromAccept } = negotiate(query, headers.accept)
  if (headers['service-worker'] === 'script' && names.length === 0)
    throw new HttpProblem(400, 'a service worker cannot be registered for a whole gateway')
  const filename = query.get('filename') ?? undefined
  if (filename !== undefined && filename.length > MAX_FILENAME) throw new HttpProblem(400, 'the file name is too long')
  const entityBytes = query.get('entity-bytes')
  return {
    root,
    segments,
    path,
    search,
    format,
    car,
    scope: parseScope(query.get('dag-scope'), entityBytes !== null),
    ...(entityBytes === null ? {} : { bytes: parseEntityBytes(entityBytes) }),
    ...(filename === undefined || filename === '' ? {} : { filename }),
    download: query.get('download') === 'true',
    onlyIfCached: /(^|,)\s*only-if-cached\s*(,|$)/i.test(headers['cache-control'] ?? ''),
    ...(fromAccept ? { location: located(path, search, format) } : {})
  }
}

// --- internal ---

function decode(name: string): string {
  let text: string
  try {
    text = decodeURIComponent(name)
  } catch (cause) {
    throw new HttpProblem(400, 'the path is not percent-encoded UTF-8', {}, { cause })
  }
  // no name in a directory has one; a request that has one hopes that some other program takes it for a path
  if (text.includes('/') || text.includes('\0')) throw new HttpProblem(400, 'a name with a slash or a zero byte')
  return text
}

function parseRoot(text: string): CID {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch (cause) {
    throw new HttpProblem(400, `"${text.slice(0, 128)}" is not a CID`, {}, { cause })
  }
  if (!CODECS.has(cid.code)) throw new HttpProblem(400, `${cid}: only raw, dag-pb and dag-cbor blocks are served`)
  const { code, digest } = cid.multihash
  if (code === 0x12 && digest.byteLength === 32) return cid
  if (code === 0x00 && digest.byteLength <= MAX_INLINE_BYTES) return cid
  throw new HttpProblem(400, `${cid}: only sha2-256 and short identity hashes are served`)
}

function parseScope(text: string | null, hasBytes: boolean): DagScope {
  if (hasBytes) return 'entity'
  if (text === null || text === 'all') return 'all'
  if (text === 'block' || text === 'entity') return text
  throw new HttpProblem(400, `dag-scope=${text.slice(0, 32)}: there are block, entity and all`)
}

function located(path: string, search: string, format: Format): string {
  return `${path}${search === '' ? '?' : `${search}&`}format=${format}`
}
