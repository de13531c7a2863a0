import type { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { createPrefetch, type Present } from '../../../node/participant/prefetch.ts'
import { silentLogger } from '../../../node/process/logger.ts'
import { testCid, testPeer } from '../../helpers/swarm-factory.ts'

const MIB = 1024 * 1024

interface Line extends Disposable {
  /** Of the transfers so far, in order: `1`, or `1 aborted` */
  readonly log: string[]
  /** The transfer that is under way comes to its end. */
  come(): Promise<void>
  readonly taken: Set<number>
  workingOn(present: Present): Promise<void>
}

/** Partitions of so many MiB, of which the one with the least number is next that is neither done nor fetched ahead. */
function line(mib: number): Line {
  const partitions = Array.from({ length: 8 }, (_, i) => ({
    cid: testCid(`p${i}`),
    bytes: mib * MIB,
    dagBytes: mib * MIB,
    rows: 10
  }))
  const shared = { cid: testCid('shared'), bytes: MIB, dagBytes: MIB, rows: 10 }
  const log: string[] = []
  const done = new Set<Present>()
  const taken = new Set<number>()
  const here = new Set<string>()
  let finish: (() => void) | undefined
  const nameOf = (cid: CID): string => {
    const index = partitions.findIndex(one => one.cid.equals(cid))
    return index < 0 ? 'shared' : `${index}`
  }
  const content = {
    fetch: async (cid: CID, _: number, { signal }: { signal: AbortSignal }): Promise<void> => {
      if (here.has(`${cid}`)) return
      const at = log.push(nameOf(cid)) - 1
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => {
        log[at] = `${nameOf(cid)} aborted`
        reject(signal.reason as Error)
      })
      finish = resolve
      await promise
      here.add(`${cid}`)
    }
  }
  const prefetch = createPrefetch({
    manifest: { partitions, shared, publisher: testPeer('publisher').key },
    content,
    isTaken: partition => taken.has(partition),
    logger: silentLogger,
    signal: new AbortController().signal
  })
  return {
    log,
    taken,
    come: async () => {
      finish?.()
      await settled()
    },
    workingOn: async present => {
      prefetch.workingOn(present, ahead =>
        partitions.map((_, i) => i).find(one => !done.has(one) && one !== present && !ahead.has(one))
      )
      done.add(present)
      await settled()
    },
    [Symbol.dispose]: () => prefetch[Symbol.dispose]()
  }
}

/** All that follows at once has happened: nothing here waits for anything but these promises. */
const settled = async (): Promise<void> => await new Promise(resolve => setImmediate(resolve))

test('while the shared set is scored the first partitions come, after it', async () => {
  using one = line(10)
  await one.workingOn('shared')
  expect(one.log).toEqual(['shared'])
  for (let i = 0; i < 5; i++) await one.come()
  expect(one.log).toEqual(['shared', '0', '1', '2'])
})

test('a large partition ahead is enough', async () => {
  using one = line(500)
  await one.workingOn(0)
  for (let i = 0; i < 5; i++) await one.come()
  expect(one.log).toEqual(['0', '1'])
})

test('work on a partition that was fetched ahead makes room for another', async () => {
  using one = line(10)
  await one.workingOn(0)
  for (let i = 0; i < 5; i++) await one.come()
  expect(one.log).toEqual(['0', '1', '2', '3'])
  await one.workingOn(1)
  expect(one.log).toEqual(['0', '1', '2', '3', '4'])
})

test('what is worked on comes first, and what was under way goes on afterwards', async () => {
  using one = line(10)
  await one.workingOn(0)
  await one.come()
  expect(one.log).toEqual(['0', '1'])
  await one.workingOn(5)
  expect(one.log).toEqual(['0', '1 aborted', '5'])
  await one.come()
  expect(one.log).toEqual(['0', '1 aborted', '5', '1'])
})

test('a partition that another peer works on is given up', async () => {
  using one = line(10)
  await one.workingOn(0)
  await one.come()
  one.taken.add(1)
  await one.workingOn(5)
  await one.come()
  expect(one.log).toEqual(['0', '1 aborted', '5'])
  one.taken.delete(1)
  await one.workingOn(6)
  await one.come()
  expect(one.log).toEqual(['0', '1 aborted', '5', '6', '1'])
})
