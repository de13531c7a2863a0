/**
 * Which representation is wanted: the `format` parameter, else the `Accept` header, else the file or page itself.
 *
 * Formats that are defined for gateways but not made here: tar and IPNS records are 501, codecs that nothing of ours has 406, and so
 * is an `Accept` header that leaves no other choice.
 */
import { HttpProblem } from './http-problem.ts'

/** `page`: a file as it is, a directory as its index.html or as a listing for people */
export type Format = 'page' | 'json' | 'raw' | 'car' | 'dag-cbor'

export interface CarOptions {
  readonly dups: boolean
}

export interface Negotiated {
  readonly format: Format
  readonly car: CarOptions
  /** The format came from `Accept` and is not in the URL */
  readonly fromAccept: boolean
}

export const RAW_TYPE = 'application/vnd.ipld.raw'
const CAR_TYPE = 'application/vnd.ipld.car'
export const DAG_CBOR_TYPE = 'application/vnd.ipld.dag-cbor'

const BY_PARAMETER: Readonly<Record<string, Format>> = { raw: 'raw', car: 'car', json: 'json', 'dag-cbor': 'dag-cbor' }
const BY_TYPE: Readonly<Record<string, Format>> = {
  [RAW_TYPE]: 'raw',
  [CAR_TYPE]: 'car',
  [DAG_CBOR_TYPE]: 'dag-cbor',
  'application/json': 'json'
}
const NOT_MADE = new Set(['tar', 'ipns-record'])
/** Codecs that no block of ours has, and blocks are not converted (IPIP-524) */
const OTHER_CODECS = new Set(['dag-json', 'cbor'])
const NOT_MADE_TYPES = new Set([
  'application/x-tar',
  'application/vnd.ipfs.ipns-record',
  'application/vnd.ipld.dag-json',
  'application/cbor'
])

/** More alternatives than a browser ever sends. */
const MAX_ACCEPT = 64

/** Throws `HttpProblem` 400, 406 or 501. */
export function negotiate(query: URLSearchParams, accept: string | undefined): Negotiated {
  const types = acceptedTypes(accept)
  const wanted = query.get('format')
  if (wanted === null) {
    const chosen = types.find(({ type }) => type in BY_TYPE)
    // what a browser sends first is a page, with everything else as an afterthought
    const page = types.findIndex(({ type }) => type === '*/*' || type === 'text/html' || !isGatewayType(type))
    const isPage = chosen === undefined || (page !== -1 && page < types.indexOf(chosen))
    if (!isPage) return { format: BY_TYPE[chosen.type] as Format, car: carOptions(query, chosen), fromAccept: true }
    if (types.length > 0 && types.every(({ type }) => NOT_MADE_TYPES.has(type)))
      throw new HttpProblem(406, `this gateway does not make ${types[0]?.type}; it has files, raw blocks and CARs`)
    return { format: 'page', car: carOptions(query, undefined), fromAccept: false }
  }
  const format = Object.hasOwn(BY_PARAMETER, wanted) ? BY_PARAMETER[wanted] : undefined
  if (format === undefined) {
    if (NOT_MADE.has(wanted)) throw new HttpProblem(501, `this gateway does not make the format "${wanted}"`)
    if (OTHER_CODECS.has(wanted))
      throw new HttpProblem(406, `blocks are not converted to ${wanted}: ask for ?format=raw`)
    throw new HttpProblem(400, `"${wanted}" is not a format of this gateway: use raw, car, json or dag-cbor`)
  }
  const car = types.find(({ type }) => type === CAR_TYPE)
  return { format, car: carOptions(query, car), fromAccept: false }
}

export function carContentType({ dups }: CarOptions): string {
  return `${CAR_TYPE}; version=1; order=dfs; dups=${dups ? 'y' : 'n'}`
}

// --- internal ---

interface Accepted {
  type: string
  parameters: ReadonlyMap<string, string>
  quality: number
}

const isGatewayType = (type: string): boolean => type in BY_TYPE || NOT_MADE_TYPES.has(type)

/** By preference; those of equal quality in the order of the header. */
function acceptedTypes(header: string | undefined): Accepted[] {
  return (header ?? '')
    .split(',', MAX_ACCEPT)
    .map(part => part.split(';').map(text => text.trim().toLowerCase()))
    .filter(([type]) => type !== undefined && type !== '')
    .map(([type = '', ...rest]): Accepted => {
      const parameters = new Map(
        rest.map(text => text.split('=', 2)).map(([key = '', value = '']) => [key.trim(), value.trim()] as const)
      )
      const quality = Number(parameters.get('q') ?? 1)
      return { type, parameters, quality: Number.isFinite(quality) ? quality : 0 }
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
}

function carOptions(query: URLSearchParams, accepted: Accepted | undefined): CarOptions {
  const get = (name: string): string | undefined => query.get(`car-${name}`) ?? accepted?.parameters.get(name)
  const version = get('version')
  if (version !== undefined && version !== '1')
    throw new HttpProblem(400, `CAR version ${version}: there is version 1 only`)
  const order = get('order')
  if (order !== undefined && order !== 'dfs' && order !== 'unk')
    throw new HttpProblem(400, `CAR order "${order}": there is dfs only`)
  const dups = get('dups')
  if (dups !== undefined && dups !== 'y' && dups !== 'n')
    throw new HttpProblem(400, `CAR dups "${dups}" is neither y nor n`)
  return { dups: dups === 'y' }
}
