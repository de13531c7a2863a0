import fc from 'fast-check'
import { MemoryBlockstore } from 'blockstore-core'
import { importByteStream } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { describe, expect, it } from 'vitest'
import { pbCid, rawCid } from '../../../src/codec.ts'
import { buildTree, IMPORT, importBytes, type Leaf } from '../../../src/distribute/unixfs-import.ts'

const MIB = 1_048_576

/** Deterministic bytes that do not repeat from chunk to chunk. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let x = 0x9e3779b9
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    bytes[i] = x >>> 24
  }
  return bytes
}

function store() {
  const blocks = new Map<string, Uint8Array>()
  return {
    blocks,
    put: async (cid: { toString(): string }, block: Uint8Array) => {
      blocks.set(cid.toString(), block)
    }
  }
}

/** The independent implementation, with the same settings spelled out. */
async function reference(source: Iterable<Uint8Array>) {
  return await importByteStream(source, new MemoryBlockstore(), {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: MIB }),
    layout: balanced({ maxChildrenPerNode: 1024 })
  })
}

describe('importBytes', () => {
  it('gives the known CIDs of an empty, a small and a three-chunk file', async () => {
    const cids: string[] = []
    for (const length of [0, 5, 2 * MIB + 7])
      cids.push((await importBytes([noise(length)], store().put)).cid.toString())
    expect(cids).toEqual(KNOWN)
  })

  it('agrees with js-ipfs-unixfs-importer on CID and size around the chunk boundaries', async () => {
    for (const length of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 123]) {
      const bytes = noise(length)
      const { blocks, put } = store()
      const ours = await importBytes([bytes], put)
      const theirs = await reference([bytes])
      expect(ours.cid.toString()).toBe(theirs.cid.toString())
      expect(ours.bytes).toBe(length)
      expect(BigInt(ours.dagBytes)).toBe(theirs.size)
      const unique = [...blocks.values()].reduce((sum, block) => sum + block.byteLength, 0)
      expect(unique).toBe(ours.dagBytes)
    }
  })

  it('agrees with js-ipfs-unixfs-importer on a tree of two levels', async () => {
    // 1,025 chunks, all the same block: one full node, one node of a single link, a root
    const chunk = noise(MIB)
    const source = function* (): Generator<Uint8Array> {
      for (let i = 0; i < 1024; i++) yield chunk
      yield noise(10)
    }
    const theirs = await reference(source())
    const leaf: Leaf = { cid: rawCid(chunk), bytes: MIB }
    const last: Leaf = { cid: rawCid(noise(10)), bytes: 10 }
    const ours = await buildTree([...Array.from({ length: 1024 }, () => leaf), last], store().put)
    expect(ours.cid.toString()).toBe(theirs.cid.toString())
    expect(BigInt(ours.dagBytes)).toBe(theirs.size)
  })

  it('does not depend on how the stream is sliced', async () => {
    const bytes = noise(2 * MIB + 1000)
    const whole = await importBytes([bytes], store().put)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.byteLength }), { maxLength: 12 }), async cuts => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.byteLength]
        const slices = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
        expect(await importBytes(slices, store().put)).toEqual(whole)
      }),
      { numRuns: 10 }
    )
  })

  it('puts children before their parent, each under the hash of its bytes', async () => {
    const order: string[] = []
    const root = await importBytes([noise(3 * MIB)], async (cid, block) => {
      expect((cid.code === 0x55 ? rawCid(block) : pbCid(block)).equals(cid)).toBe(true)
      order.push(cid.toString())
    })
    expect(order).toHaveLength(4)
    expect(order.at(-1)).toBe(root.cid.toString())
  })
})

describe('buildTree', () => {
  it('puts only the part of the tree that is above new leaves', async () => {
    const leaf = (i: number, stored: boolean): Leaf => ({ cid: rawCid(Uint8Array.of(i, i >> 8)), bytes: MIB, stored })
    const leaves = (n: number, stored: number) => Array.from({ length: n }, (_, i) => leaf(i, i < stored))
    const source = store()
    await buildTree(leaves(2 * IMPORT.maxLinks, 0), source.put)
    const grown = store()
    const more = await buildTree(leaves(2 * IMPORT.maxLinks + 3, 2 * IMPORT.maxLinks), grown.put)
    expect(grown.blocks.size).toBe(2)
    const all = store()
    expect(await buildTree(leaves(2 * IMPORT.maxLinks + 3, 0), all.put)).toEqual(more)
    for (const key of all.blocks.keys()) expect(source.blocks.has(key) || grown.blocks.has(key)).toBe(true)
  })
})

const KNOWN = [
  'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku',
  'bafkreifwjqzmxnohu3ziziw26mtgxnou2mwndcptreo3qzsghaaxiuemfu',
  'bafybeihpqbssxafbhdx5u64gpqbr2mflcy3jwixrf6bfsbyse7eym2t5hq'
]
