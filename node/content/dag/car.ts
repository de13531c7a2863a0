/**
 * CAR v1 (https://ipld.io/specs/transport/car/carv1/) as a stream: header, then length-prefixed CID and bytes of each block.
 *
 * Writing is deterministic. Reading takes a file of a stranger: every length is checked before it is believed, and blocks are
 * handed out unverified, for a store that hashes what it is given.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { decodeCbor } from '../../../src/codec.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { MAX_BLOCK_BYTES } from '../../store/block-files.ts'

/** Room for 1,000 roots; ours has one. */
const MAX_HEADER_BYTES = 64 * 1024
/** A CIDv1 with a 64-byte digest has 70 bytes. */
const MAX_CID_BYTES = 128

export interface CarBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export function carHeader(roots: readonly CID[]): Uint8Array {
  const header = dagCbor.encode({ version: 1, roots })
  return concat([varint(header.byteLength), header])
}

/** The section of one block, in two pieces: the block is not copied. */
export function carSection(cid: CID, block: Uint8Array): [Uint8Array, Uint8Array] {
  return [concat([varint(cid.bytes.byteLength + block.byteLength), cid.bytes]), block]
}

/**
 * Roots, then the blocks in file order. Memory: one block.
 *
 * Throws `InvalidContentError` saying at which byte, when the file is no CAR v1, is cut off, or has a block above 2 MiB.
 */
export async function readCar(
  source: AsyncIterable<Uint8Array>
): Promise<{ roots: CID[]; blocks: AsyncGenerator<CarBlock> }> {
  const input = createInput(source)
  const length = await input.varint()
  if (length === undefined || length > MAX_HEADER_BYTES) throw input.fault('is no CAR header')
  const header = await input.take(length)
  const roots = rootsOf(header, input.fault)
  const blocks = async function* (): AsyncGenerator<CarBlock> {
    try {
      for (let size = await input.varint(); size !== undefined; size = await input.varint()) {
        if (size > MAX_BLOCK_BYTES + MAX_CID_BYTES) throw input.fault(`begins a block of ${size} bytes`)
        const section = await input.take(size)
        let decoded: [CID, Uint8Array]
        try {
          decoded = CID.decodeFirst(section)
        } catch (cause) {
          throw input.fault('follows a block without a CID', cause)
        }
        yield { cid: decoded[0], bytes: decoded[1] }
      }
    } finally {
      await input.close()
    }
  }
  return { roots, blocks: blocks() }
}

// --- internal ---

function rootsOf(bytes: Uint8Array, fault: (what: string, cause?: unknown) => InvalidContentError): CID[] {
  let value: unknown
  try {
    value = decodeCbor(bytes, MAX_HEADER_BYTES)
  } catch (cause) {
    throw fault('ends a header that is not dag-cbor', cause)
  }
  const { version, roots } = (value ?? {}) as { version?: unknown; roots?: unknown }
  if (version === 2) throw fault('ends the header of a CAR v2; write a CAR v1 (with Kubo: ipfs dag export)')
  const cids = Array.isArray(roots) ? roots.map(root => CID.asCID(root)) : []
  if (version !== 1 || !Array.isArray(roots) || cids.includes(null)) throw fault('ends a header that is not of CAR v1')
  return cids.filter(cid => cid !== null)
}

function createInput(source: AsyncIterable<Uint8Array>) {
  const iterator = source[Symbol.asyncIterator]()
  let chunk: Uint8Array = new Uint8Array(0)
  let position = 0
  const fault = (what: string, cause?: unknown): InvalidContentError =>
    new InvalidContentError(`byte ${position} of the CAR file ${what}`, { cause })
  const more = async (): Promise<boolean> => {
    const next = await iterator.next()
    if (next.done === true) return false
    chunk = next.value
    return true
  }
  const take = async (length: number): Promise<Uint8Array> => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length;) {
      while (chunk.byteLength === 0) if (!(await more())) throw fault('is the last one: the file is cut off')
      const part = chunk.subarray(0, length - at)
      out.set(part, at)
      chunk = chunk.subarray(part.byteLength)
      at += part.byteLength
      position += part.byteLength
    }
    return out
  }
  return {
    take,
    fault,
    close: async (): Promise<void> => void (await iterator.return?.()),
    /** Undefined at the end of the file. At most 2^35, far more than any section may have. */
    varint: async (): Promise<number | undefined> => {
      while (chunk.byteLength === 0) if (!(await more())) return undefined
      let value = 0
      for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
        const [byte = 0] = await take(1)
        value += (byte % 128) * scale
        if (byte < 128) return value
      }
      throw fault('ends a length that is too large')
    }
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let v = value; ; v = Math.floor(v / 128)) {
    bytes.push(v < 128 ? v : (v % 128) | 128)
    if (v < 128) return Uint8Array.from(bytes)
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.byteLength
  }
  return out
}
