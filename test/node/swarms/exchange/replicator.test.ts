import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Content } from '../../../../node/content/content.ts'
import { silentLogger } from '../../../../node/process/logger.ts'
import { createReplicator } from '../../../../node/swarms/exchange/replicator.ts'
import type { ReadableState } from '../../../../node/state/swarm-state.ts'
import { rawCid } from '../../../../src/codec.ts'
import { ContentUnavailableError } from '../../../../src/errors.ts'
import { testCid, testPeer } from '../../../helpers/swarm-factory.ts'

test('bundles are fetched, smallest first, as far as their limit goes, and the others are told once', async () => {
  const author = Uint8Array.of(1)
  const cids = [0, 1, 2].map(i => rawCid(Uint8Array.of(i)))
  const chosen = [600, 2 ** 31, 300].map((dagBytes, partition) => ({
    partition,
    score: { key: `${partition}`, body: { author, prior: { bundle: { cid: cids[partition], dagBytes } } } },
    result: { body: { raw: cids[partition], author } },
    alignment: { body: { shard: cids[partition], bytes: 1, author } }
  }))
  const events = new EventTarget()
  const state = {
    swarm: { manifest: { partitions: [], dimension: 1 } },
    events,
    view: () => ({ chosen: new Map(chosen.map(one => [one.partition, one])), pending: new Map() })
  } as unknown as ReadableState
  const asked = new EventTarget()
  const tried: string[] = []
  const content = {
    holds: async () => true,
    peek: async () => undefined, // no bundle is here
    block: async (cid: (typeof cids)[number]) => {
      tried.push(cid.toString())
      asked.dispatchEvent(new Event('asked'))
      return new Uint8Array(0) // no directory: the bundle is given up
    }
  } as unknown as Content
  const told: unknown[] = []
  const logger = { ...silentLogger, warn: (_: string, fields?: object) => void told.push(fields) }
  const replicator = createReplicator({ state, content, maxBundleBytes: 1000, logger })
  onTestFinished(async () => await replicator.stop())
  const first = once(asked, 'asked')
  replicator.start()
  await first
  while (tried.length < 2) await turn()
  events.dispatchEvent(new Event('change'))
  await replicator.stop()
  expect(tried).toEqual([cids[2], cids[0]].map(String))
  expect(told).toEqual([{ cid: `${cids[1]}`, bytes: 2 ** 31, maxBundleBytes: 1000 }])
})

test('a file that nobody sends is asked for less and less often, and not at all once the view does not want it', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    const author = Uint8Array.of(1)
    const pending = new Map([[0, [{ partition: 0, result: { body: { raw: rawCid(author), author } } }]]])
    const events = new EventTarget()
    const state = {
      swarm: { manifest: { partitions: [{ rows: 1 }], dimension: 1 } },
      events,
      view: () => ({ chosen: new Map(), pending })
    } as unknown as ReadableState
    let fetches = 0
    const content = {
      holds: async () => false,
      fetch: async () => {
        fetches++
        throw new ContentUnavailableError('nobody has it')
      }
    } as unknown as Content
    const replicator = createReplicator({ state, content, maxBundleBytes: 0, logger: silentLogger })
    replicator.start()
    await vi.advanceTimersByTimeAsync(3_600_000)
    // at once, after 5, 15, 35, 75, 155, 315, 615 s, then every 5 minutes
    expect(fetches).toBe(8 + 9)
    pending.clear()
    events.dispatchEvent(new Event('change'))
    await vi.advanceTimersByTimeAsync(0)
    expect(vi.getTimerCount()).toBe(0)
    await replicator.stop()
  } finally {
    vi.useRealTimers()
  }
})

test('files that nobody has do not hold up those of other authors, however many there are', async () => {
  const [honest, liar] = [testPeer('honest').key, testPeer('liar').key]
  const raw = (author: Uint8Array, i: number) => ({
    partition: 0,
    result: { body: { raw: testCid(`${author[0]} ${i}`), author } }
  })
  const results = [
    ...Array.from({ length: 100 }, (_, i) => raw(liar, i)),
    ...Array.from({ length: 20 }, (_, i) => raw(honest, i))
  ]
  const state = {
    swarm: { manifest: { partitions: [{ rows: 1 }], dimension: 1 } },
    events: new EventTarget(),
    view: () => ({ chosen: new Map(), pending: new Map([[0, results]]) })
  } as unknown as ReadableState
  let fetched = 0
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const content = {
    holds: async () => false,
    fetch: async (_: unknown, __: number, { from, signal }: { from: Uint8Array; signal: AbortSignal }) => {
      if (from === liar) await once(signal, 'abort')
      else if (++fetched === 20) resolve()
    }
  } as unknown as Content
  const replicator = createReplicator({ state, content, maxBundleBytes: 0, logger: silentLogger })
  replicator.start()
  await all
  await replicator.stop()
  expect(fetched).toBe(20)
})
