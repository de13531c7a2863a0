/**
 * File layout of a block store, and the checks that relate a block to its file.
 *
 *   blocks/<xy>/<multihash>      one file per block, named by the base32 multihash: the codec of a CID does not matter
 *   blocks/tmp/                  files being written; emptied at start
 *   blocks/quarantine/           damaged files, kept for inspection, at most `MAX_QUARANTINED`
 *
 * `xy` are the two characters before the last one of the name (the last carries only two bits): 1,024 directories.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { base32 } from 'multiformats/bases/base32'
import type { CID } from 'multiformats/cid'
import { decode as decodeDigest } from 'multiformats/hashes/digest'
import { equalBytes } from '../../src/codec.ts'
import { InvalidContentError } from '../../src/errors.ts'

const SHA2_256 = 0x12
const SHA2_256_BYTES = 32

/** Largest block that bitswap implementations exchange (Kubo refuses larger ones); bounds the memory of one read. */
export const MAX_BLOCK_BYTES = 2 * 1024 * 1024

/** Enough to reveal a pattern (one bad sector, a bad cable), too few to fill a disk. */
export const MAX_QUARANTINED = 64

/** 'b' of the multibase and 34 bytes in base32. */
const NAME = /^b[a-z2-7]{55}$/

export interface BlockFile {
  readonly name: string
  readonly digest: Uint8Array
  /** Name of its directory */
  readonly shard: string
  readonly path: string
}

/** Undefined for a CID whose hash is not a full sha2-256: such a block is never stored. */
export function blockFileOf(root: string, cid: CID): BlockFile | undefined {
  const { code, digest, bytes } = cid.multihash
  if (code !== SHA2_256 || digest.byteLength !== SHA2_256_BYTES) return undefined
  const name = base32.encode(bytes)
  const shard = shardOf(name)
  return { name, digest, shard, path: join(root, shard, name) }
}

/** The file of this name; undefined for a name that is not ours. */
export function fileNamed(root: string, name: string): BlockFile | undefined {
  const digest = digestOf(name)
  return digest === undefined
    ? undefined
    : { name, digest: digest.digest, shard: shardOf(name), path: join(root, shardOf(name), name) }
}

/** File name of a block; undefined for a block that is never stored. */
export function blockName(cid: CID): string | undefined {
  return blockFileOf('', cid)?.name
}

export const shardOf = (name: string): string => name.slice(-3, -1)
export const isShardName = (name: string): boolean => /^[a-z2-7]{2}$/.test(name)
export const isBlockName = (name: string): boolean => NAME.test(name)

/** The multihash that a file name stands for, undefined for a name that is not ours. */
export function digestOf(name: string): CID['multihash'] | undefined {
  if (!isBlockName(name)) return undefined
  const digest = decodeDigest(base32.decode(name))
  return digest.code === SHA2_256 && digest.size === SHA2_256_BYTES ? digest : undefined
}

export function hashesTo(bytes: Uint8Array, digest: Uint8Array): boolean {
  return equalBytes(hash('sha256', bytes, 'buffer'), digest)
}

/** Throws `InvalidContentError` unless `bytes` may be stored under `cid`. */
export function assertBlock(file: BlockFile | undefined, cid: CID, bytes: Uint8Array): asserts file is BlockFile {
  if (file === undefined)
    throw new InvalidContentError(`${cid.toString()}: only blocks with a sha2-256 hash are stored`)
  if (bytes.byteLength > MAX_BLOCK_BYTES) {
    throw new InvalidContentError(
      `${cid.toString()}: a block of ${bytes.byteLength} bytes; at most ${MAX_BLOCK_BYTES} can be stored`
    )
  }
  if (!hashesTo(bytes, file.digest)) {
    throw new InvalidContentError(`${cid.toString()}: the ${bytes.byteLength} bytes to be stored do not hash to it`)
  }
}

/** Concatenates the parts of a block. Throws `InvalidContentError` above the largest block size. */
export async function joinBlock(
  cid: CID,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of parts) {
    length += chunk.byteLength
    if (length > MAX_BLOCK_BYTES) throw new InvalidContentError(`${cid.toString()}: more than ${MAX_BLOCK_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
