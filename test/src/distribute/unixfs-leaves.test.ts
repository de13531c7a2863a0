import { UnixFS } from 'ipfs-unixfs'
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equalBytes, pbCid, rawCid } from '../../../src/codec.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { buildTree, IMPORT, importBytes, type Leaf } from '../../../src/distribute/unixfs-import.ts'
import { readLeaves } from '../../../src/distribute/unixfs-leaves.ts'
import { decodeFileNode, encodeFileNode, type Child } from '../../../src/distribute/unixfs-node.ts'

const MIB = IMPORT.chunkBytes

function store() {
  const blocks = new Map<string, Uint8Array>()
  return {
    put: async (cid: CID, block: Uint8Array) => {
      blocks.set(cid.toString(), block)
    },
    get: async (cid: CID) => {
      const block = blocks.get(cid.toString())
      if (block === undefined) throw new Error(`no block ${cid}`)
      return block
    }
  }
}

const leaf = (i: number, bytes = MIB): Leaf => ({ cid: rawCid(Uint8Array.of(i, i >> 8, i >> 16)), bytes })
const text = (l: Leaf) => `${l.cid} ${l.bytes}`
const child = (i: number, bytes = MIB): Child => ({ ...leaf(i, bytes), dagBytes: bytes })

describe('readLeaves', () => {
  it('returns the leaves that a tree was built from', async () => {
    for (const count of [2, 3, 1024, 1025, 2049, 1024 * 3]) {
      const { put, get } = store()
      const leaves = Array.from({ length: count }, (_, i) => leaf(i, i === count - 1 ? 17 : MIB))
      const file = await buildTree(leaves, put)
      const found = await readLeaves(file.cid, get, file.bytes)
      expect(found.bytes).toBe(file.bytes)
      expect(found.leaves.map(text)).toEqual(leaves.map(text))
    }
  })

  it('returns a file of one leaf with its length', async () => {
    const { put, get } = store()
    const file = await importBytes([Uint8Array.of(1, 2, 3)], put)
    expect(await readLeaves(file.cid, get, 3)).toMatchObject({ bytes: 3, leaves: [{ bytes: 3 }] })
    await expect(readLeaves(file.cid, get, 2)).rejects.toThrow(InvalidContentError)
  })

  it('refuses more bytes than expected without walking the whole tree', async () => {
    const { put, get } = store()
    const file = await buildTree(
      Array.from({ length: 3000 }, (_, i) => leaf(i)),
      put
    )
    let fetched = 0
    const counting = async (cid: CID) => {
      fetched++
      return await get(cid)
    }
    await expect(readLeaves(file.cid, counting, 1000 * MIB)).rejects.toThrow('at most')
    expect(fetched).toBe(2)
  })

  it('refuses trees that our importer does not make', async () => {
    const { put, get } = store()
    const node = async (children: Child[]): Promise<Child> => {
      const block = encodeFileNode(children)
      await put(pbCid(block), block)
      const sum = (key: 'bytes' | 'dagBytes') => children.reduce((total, c) => total + c[key], 0)
      return { cid: pbCid(block), bytes: sum('bytes'), dagBytes: sum('dagBytes') + block.byteLength }
    }
    const pair = await node([child(0), child(1)])
    let chain = pair
    for (let i = 0; i < 12; i++) chain = await node([chain])
    const hostile = {
      'a short leaf in the middle': await node([child(0, 5), child(1)]),
      'a leaf of more than 1 MiB': await node([child(0, MIB + 1), child(1)]),
      'an empty leaf': await node([child(0), child(1, 0)]),
      'a single link': await node([child(0)]),
      'leaves at two depths': await node([child(0), pair]),
      'a needless level': await node([pair]),
      'a long chain': chain,
      'a node that lies about its child': await node([{ ...pair, bytes: pair.bytes - 1 }, child(2, 1)]),
      'nodes that are not full': await node([pair, pair]),
      'no links': await node([])
    }
    const refused: string[] = []
    for (const [what, { cid }] of Object.entries(hostile)) {
      await readLeaves(cid, get, 100 * MIB).catch((error: unknown) => {
        if (error instanceof InvalidContentError) refused.push(what)
      })
    }
    expect(refused).toEqual(Object.keys(hostile))
  })
})

describe('a UnixFS tree node', () => {
  it('is what ipfs-unixfs makes, below 2 GiB', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: MIB }), { minLength: 1, maxLength: 20 }), sizes => {
        const data = new UnixFS({ type: 'file', blockSizes: sizes.map(BigInt) }).marshal()
        const block = dagPb.encode({
          Data: data,
          Links: sizes.map((bytes, i) => ({ Name: '', Tsize: bytes, Hash: child(i).cid }))
        })
        expect(encodeFileNode(sizes.map((bytes, i) => child(i, bytes)))).toEqual(block)
      })
    )
  })

  it('survives a round trip for sizes up to 2^53', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 48 }), { minLength: 1, maxLength: 20 }), sizes => {
        const children = sizes.map((bytes, i) => child(i, bytes))
        const block = encodeFileNode(children)
        expect(String(decodeFileNode(block).map(c => [c.bytes, c.cid]))).toBe(
          String(children.map(c => [c.bytes, c.cid]))
        )
        const data = UnixFS.unmarshal(dagPb.decode(block).Data ?? new Uint8Array(0))
        expect(data.fileSize()).toBe(BigInt(sizes.reduce((sum, size) => sum + size, 0)))
      })
    )
  })

  it('is refused in any other form, never with another kind of error', () => {
    const block = encodeFileNode([child(0), child(1), child(2, 9)])
    const law = fc.property(
      fc.nat(block.byteLength - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      (at, flip, cut) => {
        const changed = cut ? block.slice(0, at) : block.map((byte, i) => (i === at ? byte ^ flip : byte))
        try {
          // a change inside a digest or a size is still a tree node, of other content
          return equalBytes(encodeFileNode(decodeFileNode(changed)), changed)
        } catch (error) {
          return error instanceof InvalidContentError
        }
      }
    )
    expect(() => fc.assert(law, { numRuns: 1000 })).not.toThrow()
  })
})
