/**
 * A parsed request and a way to get blocks -> the answer, as the path gateway and trustless gateway specifications say
 * (https://specs.ipfs.tech/http-gateways/path-gateway/, …/trustless-gateway/). See gateway.md for what is and is not covered.
 */
import type { IncomingHttpHeaders } from 'node:http'
import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import type { GetBlock } from '../content/dag/blocks.ts'
import { joinParts } from '../content/join-parts.ts'
import { type Entity, entityOf } from '../content/dag/entity.ts'
import { fileBytes } from '../content/dag/file-range.ts'
import { PathNotFoundError, resolvePath, type ResolvedPath } from '../content/dag/path.ts'
import { type Answer, NOTHING, rangedAnswer, type Resource, textAnswer } from './answer.ts'
import { carBody } from './car-answer.ts'
import { disposition, SNIFFED_BYTES, typeByBytes, typeByName, UNKNOWN_TYPE } from './content-type.ts'
import { directoryPage, PAGE_POLICY } from './directory-page.ts'
import { carContentType, DAG_CBOR_TYPE, RAW_TYPE } from './formats.ts'
import type { GatewayRequest } from './gateway-request.ts'
import { HttpProblem } from './http-problem.ts'
import { listDirectory, listingJson } from './listing.ts'
import { isUnchanged, tagOf } from './validators.ts'

export interface BlockSource {
  get: GetBlock
  /** A block if it is in the store; never asks the network */
  peek(cid: CID): Promise<Uint8Array | undefined>
}

/** What a CID names never changes. */
const IMMUTABLE = 'public, max-age=29030400, immutable'
/** A later version may render the page differently. */
const GENERATED = 'public, max-age=604800, stale-while-revalidate=2678400'
/** May run scripts in a browser: isolated from everything else that this port serves. */
const ACTIVE = /^(text\/html|image\/svg\+xml|application\/xml)/

/** Throws `HttpProblem`, `PathNotFoundError`, `InvalidContentError`, or what `source` throws. */
export async function respond(
  request: GatewayRequest,
  headers: IncomingHttpHeaders,
  source: BlockSource
): Promise<Answer> {
  const resolved = await resolvePath(request.root, request.segments, source.get)
  const { cid, block, roots } = resolved
  const common = {
    'cache-control': IMMUTABLE,
    'x-content-type-options': 'nosniff',
    'x-ipfs-path': request.path,
    'x-ipfs-roots': roots.join(','),
    ...(request.location === undefined ? {} : { 'content-location': request.location })
  }
  const unchanged = (etag: string): Answer | undefined =>
    isUnchanged(headers['if-none-match'], etag)
      ? { status: 304, headers: { ...common, etag }, body: NOTHING }
      : undefined
  const attachment = (extension: string): string => disposition('attachment', request.filename ?? `${cid}.${extension}`)

  if (request.format === 'raw' || request.format === 'dag-cbor') {
    if (request.format === 'dag-cbor' && cid.code !== dagCbor.code)
      throw new HttpProblem(406, `${cid} is not dag-cbor: ask for ?format=raw`)
    const [type, extension] = request.format === 'raw' ? [RAW_TYPE, 'bin'] : [DAG_CBOR_TYPE, 'cbor']
    const etag = `"${cid}.${request.format}"`
    return (
      unchanged(etag) ??
      rangedAnswer(
        headers,
        { ...common, etag, 'content-type': type, 'content-disposition': attachment(extension) },
        inMemory(block)
      )
    )
  }
  if (request.format === 'car') {
    const body = carBody(request, resolved, source.get)
    const { root, segments, scope, bytes, car } = request
    const variant = [root.toString(), ...segments, scope, `${bytes?.from}:${bytes?.to}`, car.dups ? 'y' : 'n']
    const etag = `W/"${cid}.car.${scope}.${tagOf(variant)}"`
    const type = carContentType(car)
    return (
      unchanged(etag) ?? {
        status: 200,
        headers: {
          ...common,
          etag,
          'content-type': type,
          'content-disposition': attachment('car'),
          'accept-ranges': 'none'
        },
        body: body()
      }
    )
  }

  const entity = entityOf(cid, block)
  if (entity.kind === 'directory' || entity.kind === 'sharded')
    return await directoryAnswer(request, headers, source, resolved, common, unchanged)
  if (entity.kind === 'data') {
    if (request.format === 'json') throw new HttpProblem(406, `${cid} is dag-cbor: ask for ?format=dag-cbor or raw`)
    const etag = `"${cid}"`
    return (
      unchanged(etag) ??
      rangedAnswer(
        headers,
        { ...common, etag, 'content-type': DAG_CBOR_TYPE, 'content-disposition': attachment('cbor') },
        inMemory(block)
      )
    )
  }
  const etag = `"${cid}"`
  return unchanged(etag) ?? (await fileAnswer(request, headers, { cid, entity, etag, common }, source.get))
}

// --- internal ---

type Headers = Record<string, string>

async function directoryAnswer(
  request: GatewayRequest,
  headers: IncomingHttpHeaders,
  source: BlockSource,
  { cid }: ResolvedPath,
  common: Headers,
  unchanged: (etag: string) => Answer | undefined
): Promise<Answer> {
  if (request.format === 'json') {
    const text = listingJson(cid, await listDirectory(cid, source.get, source.peek))
    const etag = `"${cid}.json-${tagOf([text])}"`
    const type = { 'content-type': 'application/json', 'cache-control': GENERATED }
    return unchanged(etag) ?? textAnswer(200, { ...common, etag, ...type }, text)
  }
  if (!request.path.endsWith('/')) {
    const location = `${request.path}/${request.search}`
    return textAnswer(
      301,
      { ...common, location, 'content-type': 'text/plain; charset=utf-8' },
      `a directory: ${location}\n`
    )
  }
  const index = await indexOf(cid, source.get)
  if (index !== undefined) {
    const etag = `"${cid}"`
    const entity = entityOf(index, await source.get(index))
    if (entity.kind === 'file') {
      const file = { cid: index, entity, etag, common, name: 'index.html' }
      return unchanged(etag) ?? (await fileAnswer(request, headers, file, source.get))
    }
  }
  const listing = await listDirectory(cid, source.get, source.peek)
  const page = directoryPage(request.root, request.segments, cid, listing)
  const etag = `"DirIndex-${tagOf([page])}_CID-${cid}"`
  const type = {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': GENERATED,
    'content-security-policy': PAGE_POLICY
  }
  return unchanged(etag) ?? textAnswer(200, { ...common, etag, ...type }, page)
}

async function indexOf(directory: CID, get: GetBlock): Promise<CID | undefined> {
  try {
    return (await resolvePath(directory, ['index.html'], get)).cid
  } catch (error) {
    if (error instanceof PathNotFoundError) return undefined
    throw error
  }
}

interface FileToSend {
  cid: CID
  entity: Exclude<Entity, { kind: 'directory' | 'sharded' | 'data' }>
  etag: string
  common: Headers
  name?: string
}

async function fileAnswer(
  request: GatewayRequest,
  headers: IncomingHttpHeaders,
  { cid, entity, etag, common, name }: FileToSend,
  get: GetBlock
): Promise<Answer> {
  const resource: Resource =
    entity.kind === 'symlink'
      ? inMemory(entity.data)
      : { size: entity.bytes, read: (start, end) => fileBytes(cid, get, start, end) }
  const known = typeByName(request.filename) ?? typeByName(name ?? request.segments.at(-1))
  const type = known ?? (await sniffed(resource, headers.range !== undefined))
  const kind = request.download ? 'attachment' : request.filename === undefined ? undefined : 'inline'
  return rangedAnswer(
    headers,
    {
      ...common,
      etag,
      'content-type': type,
      ...(kind === undefined ? {} : { 'content-disposition': disposition(kind, request.filename) }),
      ...(ACTIVE.test(type) ? { 'content-security-policy': 'sandbox' } : {})
    },
    resource
  )
}

/** A range must not fail because of bytes outside of it: the first bytes are only read for the type. */
async function sniffed({ size, read }: Resource, isRange: boolean): Promise<string> {
  try {
    return typeByBytes(await joinParts(read(0, Math.min(size, SNIFFED_BYTES))))
  } catch (error) {
    if (!isRange) throw error
    return UNKNOWN_TYPE
  }
}

function inMemory(bytes: Uint8Array): Resource {
  return { size: bytes.byteLength, read: (start, end) => [bytes.subarray(start, end)] }
}
