import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { fetchAhead } from '../../../../node/content/dag/fetch-ahead.ts'
import { walkDag } from '../../../../node/content/dag/walk.ts'
import { pbCid, rawCid } from '../../../../src/codec.ts'
import { ContentUnavailableError } from '../../../../src/errors.ts'
import { importBytes } from '../../../../src/distribute/unixfs-import.ts'
import { collect } from '../../../helpers/collect.ts'

const { signal } = new AbortController()

/** A directory of files of two leaves each, somewhere else, and a store that they have to come to. */
async function elsewhere(count: number) {
  const remote = new Map<string, Uint8Array>()
  const here = new Map<string, Uint8Array>()
  const files = []
  for (let i = 0; i < count; i++)
    files.push(
      await importBytes([new Uint8Array(1024 * 1024).fill(i), Uint8Array.of(i)], async (cid, block) => {
        remote.set(`${cid}`, block)
      })
    )
  const directory = dagPb.encode({
    Data: new UnixFS({ type: 'directory' }).marshal(),
    Links: files.map(({ cid, bytes }, i) => ({ Name: `file-${i}`, Hash: cid, Tsize: bytes }))
  })
  const root = pbCid(directory)
  remote.set(`${root}`, directory)
  const block = async (cid: CID): Promise<Uint8Array> => {
    const found = here.get(`${cid}`)
    if (found === undefined) throw new ContentUnavailableError(`${cid} is not here`)
    return found
  }
  const store = (cids: readonly { cid: CID }[]): void => {
    for (const { cid } of cids) here.set(`${cid}`, remote.get(`${cid}`) as Uint8Array)
  }
  return { remote, here, root, files, block, store }
}

test('asks for the leaves of further files while those of the first are on their way', async () => {
  const { root, remote, here, block, store } = await elsewhere(4)
  const isWaitedFor = Promise.withResolvers<void>()
  let leafLists = 0
  using ahead = fetchAhead(
    [root],
    {
      block,
      bring: async cids => {
        if (cids.length === 2 && cids.every(({ cid }) => cid.equals(rawCid(remote.get(`${cid}`) as Uint8Array)))) {
          // nothing comes before the leaves of all files have been asked for
          if (++leafLists === 4) isWaitedFor.resolve()
          await isWaitedFor.promise
        }
        store(cids)
      }
    },
    { signal }
  )
  await isWaitedFor.promise
  await new Promise(resolve => setImmediate(resolve))
  expect(here.size).toBe(remote.size)
  expect((await collect(walkDag(root, ahead.get, new Set()))).length).toBe(remote.size)
})

test('asks for no block twice, and says about how long each is', async () => {
  const { root, remote, here, block, store } = await elsewhere(3)
  const asked: string[] = []
  const done = Promise.withResolvers<void>()
  using _ = fetchAhead(
    [root, root],
    {
      block,
      bring: async wanted => {
        for (const { cid, bytes } of wanted) {
          asked.push(`${cid}`)
          expect(bytes).toBeLessThanOrEqual(1024 * 1024)
          expect(bytes).toBeGreaterThan(0)
        }
        store(wanted)
        if (here.size === remote.size) done.resolve()
      }
    },
    { signal }
  )
  await done.promise
  expect(asked.toSorted()).toEqual([...remote.keys()].toSorted())
})

test('its reader learns at once why the fetching ended', async () => {
  const { root, files, block, store } = await elsewhere(2)
  const failed = Promise.withResolvers<void>()
  using ahead = fetchAhead(
    [root],
    {
      block,
      bring: async cids => {
        if (!cids.some(({ cid }) => cid.equals(root) || files.some(file => file.cid.equals(cid)))) {
          failed.resolve()
          throw new ContentUnavailableError('nobody sends the leaves')
        }
        store(cids)
      }
    },
    { signal }
  )
  await failed.promise
  await expect(collect(walkDag(root, ahead.get, new Set()))).rejects.toThrow('nobody sends the leaves')
})

test('stops when nobody reads any more', async () => {
  const { root, block, store } = await elsewhere(2)
  const ended = Promise.withResolvers<string>()
  const ahead = fetchAhead(
    [root],
    {
      block,
      bring: async (cids, options) => {
        store(cids)
        const { promise, resolve } = Promise.withResolvers<void>()
        options.signal.addEventListener('abort', () => resolve())
        await promise
        ended.resolve(String(options.signal.reason))
      }
    },
    { signal }
  )
  ahead[Symbol.dispose]()
  expect(await ended.promise).toContain('nobody reads this any more')
})
