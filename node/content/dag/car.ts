/**
 * CAR (https://ipld.io/specs/transport/car/) as a stream: written as v1, read as v1 or v2.
 *
 * Writing is deterministic. Reading decodes with @ipld/car behind a check of every length before it is believed: the file comes from a
 * stranger. Blocks are not verified here, but by the store that takes them.
 */
import { asyncIterableReader, createDecoder } from '@ipld/car/decoder'
import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { encode as varint } from 'uint8-varint'
import { InvalidContentError } from '../../../src/errors.ts'
import { MAX_BLOCK_BYTES } from '../../store/block-files.ts'

export interface CarBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export function carHeader(roots: readonly CID[]): Uint8Array {
  const header = dagCbor.encode({ version: 1, roots })
  return Buffer.concat([varint(header.byteLength), header])
}

/** The section of one block, in two pieces: the block is not copied. */
export function carSection(cid: CID, block: Uint8Array): [Uint8Array, Uint8Array] {
  return [Buffer.concat([varint(cid.bytes.byteLength + block.byteLength), cid.bytes]), block]
}

/**
 * Roots, then the blocks in file order. Memory: one block and one piece of the source.
 *
 * Throws `InvalidContentError` saying at which byte, when the file is not a CAR, is cut off, or has a block above 2 MiB.
 */
export async function readCar(
  source: AsyncIterable<Uint8Array>
): Promise<{ roots: CID[]; blocks: AsyncGenerator<CarBlock> }> {
  const reader = asyncIterableReader(source)
  const fault = (cause: unknown): unknown => {
    // what the source itself throws, a failed read for example, is not a fault of the content
    if (cause instanceof InvalidContentError || (cause instanceof Error && 'syscall' in cause)) return cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new InvalidContentError(`the CAR file is cut off or damaged at byte ${reader.pos}: ${reason}`, { cause })
  }
  const decoder = createDecoder({
    upTo: async length => await reader.upTo(length),
    exactly: async (length, seek) => {
      // a length below zero is that of a block shorter than its CID: the decoder would go back
      if (length < 0 || length > MAX_BLOCK_BYTES)
        throw new InvalidContentError(`the CAR file states ${length} bytes at byte ${reader.pos}`)
      return await reader.exactly(length, seek)
    },
    seek: length => {
      if (length < 0) throw new InvalidContentError(`the CAR file leads back at byte ${reader.pos}`)
      reader.seek(length)
    },
    get pos() {
      return reader.pos
    }
  })
  const blocks = async function* (): AsyncGenerator<CarBlock> {
    try {
      yield* decoder.blocks()
    } catch (error) {
      throw fault(error)
    }
  }
  try {
    const { roots } = await decoder.header()
    return { roots: [...roots], blocks: blocks() }
  } catch (error) {
    throw fault(error)
  }
}
