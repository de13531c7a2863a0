import { beforeEach, describe, expect, test } from 'vitest'
import {
  createLeaseTable,
  MAX_HELD_TTLS,
  MAX_OPEN_LEASES_PER_PEER,
  type LeaseTable
} from '../../../node/state/leases.ts'
import type { Lease } from '../../../src/publish/lease.ts'
import { testCid, testPeer, type TestPeer } from '../../helpers/swarm-factory.ts'

const TTL = 60_000
const [self, alice, bob] = [testPeer('self'), testPeer('alice'), testPeer('bob')]

let time: number
let leases: LeaseTable
let counter: number
beforeEach(() => {
  time = 1_000
  counter = 0
  leases = createLeaseTable({ self: self.key, ttlMs: TTL, now: () => time })
})

/** A lease with the next counter, unless `change` says otherwise. */
const lease = (peer: TestPeer, partition: number, change: Partial<Lease> = {}): Lease => ({
  v: 1,
  swarm: testCid('swarm'),
  author: peer.key,
  type: 'lease',
  partition,
  task: 'optimize',
  counter: counter++,
  done: 0,
  released: false,
  ...change
})
const ids = (): string[] =>
  leases.activePeers().map(key => [alice, bob, self].find(p => Buffer.compare(p.key, key) === 0)?.id ?? '?')

describe('a lease table', () => {
  test('is empty at first', () => {
    expect(leases.isHeldByOther(0)).toBe(false)
    expect(leases.activePeers()).toEqual([])
    expect(leases.oldestHeld([0])).toBeUndefined()
  })

  test('knows who is at work on what', () => {
    leases.observe(lease(alice, 3))
    time += 1000
    leases.observe(lease(bob, 5))
    expect([3, 4, 5].map(p => leases.isHeldByOther(p))).toEqual([true, false, true])
    expect(ids()).toEqual([alice.id, bob.id])
    leases.observe(lease(alice, 3, { done: 20 }))
    expect(leases.held()).toEqual([
      { author: alice.key, partition: 3, task: 'optimize', done: 20, heldMs: 1000 },
      { author: bob.key, partition: 5, task: 'optimize', done: 0, heldMs: 0 }
    ])
  })

  test('gives the partition of a peer that went silent to others, to the millisecond', () => {
    leases.observe(lease(alice, 3))
    time += TTL - 1
    expect(leases.isHeldByOther(3)).toBe(true)
    time += 1
    expect(leases.isHeldByOther(3)).toBe(false)
    expect(leases.activePeers()).toEqual([])
  })

  test('honours a lease for as long as renewals show progress', () => {
    for (let done = 0; done < 10; done++) {
      leases.observe(lease(alice, 3, { done }))
      time += TTL - 1
      expect(leases.isHeldByOther(3)).toBe(true)
    }
  })

  test('does not let a peer hold a partition for ever by renewing without progress', () => {
    leases.observe(lease(alice, 3, { done: 5 }))
    for (const done of [5, 4, 0]) {
      time += TTL / 4
      leases.observe(lease(alice, 3, { done }))
    }
    expect(leases.isHeldByOther(3)).toBe(true)
    time += TTL / 4
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('takes no notice of own leases: they came back from others', () => {
    leases.observe(lease(self, 3))
    expect(leases.isHeldByOther(3)).toBe(false)
    expect(leases.activePeers()).toEqual([])
  })

  test('frees a partition at once when it is released', () => {
    leases.observe(lease(alice, 3))
    leases.observe(lease(alice, 3, { released: true }))
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('is not revived by an older renewal that arrives after the release, or out of order', () => {
    const [first, renewal, release] = [
      lease(alice, 3),
      lease(alice, 3, { done: 7 }),
      lease(alice, 3, { released: true })
    ]
    leases.observe(first)
    leases.observe(release)
    leases.observe(renewal)
    leases.observe(first)
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('takes a lease after the release of an earlier one', () => {
    leases.observe(lease(alice, 3))
    leases.observe(lease(alice, 3, { released: true }))
    leases.observe(lease(alice, 3))
    expect(leases.isHeldByOther(3)).toBe(true)
  })

  test('honours two leases of a peer at a time, the youngest', () => {
    for (let partition = 0; partition < 10; partition++) {
      leases.observe(lease(alice, partition))
      time += 10
    }
    const held = Array.from({ length: 10 }, (_, p) => p).filter(p => leases.isHeldByOther(p))
    expect(held).toEqual([8, 9])
    expect(held).toHaveLength(MAX_OPEN_LEASES_PER_PEER)
  })

  test.each([
    [1, 0],
    [2, 0],
    [3, 60_000],
    [4, 120_000],
    [5, 240_000],
    [8, 1_920_000],
    [9, 3_600_000],
    [20, 3_600_000]
  ])('after %i leases that ran out without a release does not honour a peer for %i ms', (expiries, backoffMs) => {
    /** Is a new lease of alice honoured `wait` ms after the last one ran out? */
    const honours = (wait: number): boolean => {
      const table = createLeaseTable({ self: self.key, ttlMs: TTL, now: () => time })
      for (let i = 0; i < expiries; i++) {
        table.observe(lease(alice, 10 + i))
        time += TTL
        expect(table.isHeldByOther(10 + i)).toBe(false)
      }
      time += wait
      table.observe(lease(alice, 3))
      table.observe(lease(bob, 4))
      expect(table.isHeldByOther(4)).toBe(true)
      return table.isHeldByOther(3)
    }
    expect(honours(backoffMs)).toBe(true)
    if (backoffMs > 0) expect(honours(backoffMs - 1)).toBe(false)
  })

  test.each(['delivers something', 'only releases'])('forgives leases that ran out of a peer that %s: %#', what => {
    const isForgiven = what === 'delivers something'
    for (let late = 0; late < 2; late++) {
      leases.observe(lease(alice, 3))
      time += TTL
      expect(leases.isHeldByOther(3)).toBe(false)
    }
    leases.observe(lease(alice, 3))
    if (isForgiven) leases.delivered(alice.key, 3)
    leases.observe(lease(alice, 3, { released: true }))
    leases.observe(lease(alice, 4))
    time += TTL
    leases.observe(lease(alice, 5))
    expect(leases.isHeldByOther(5)).toBe(isForgiven)
  })

  test('takes no record for a partition that was not claimed as a sign of work', () => {
    for (let late = 0; late < 2; late++) {
      leases.observe(lease(alice, 3))
      time += TTL
      expect(leases.isHeldByOther(3)).toBe(false)
    }
    leases.delivered(alice.key, 7)
    leases.delivered(bob.key, 7)
    leases.observe(lease(alice, 3))
    time += TTL
    leases.observe(lease(alice, 3))
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  /** For how many of the next `turns` quarters of a lease time is partition 3 held? */
  const heldQuarters = (turns: number, act: (turn: number) => void): number => {
    let held = 0
    for (let turn = 0; turn < turns; turn++) {
      act(turn)
      if (leases.isHeldByOther(3)) held++
      time += TTL / 4
    }
    return held
  }
  const QUARTERS = 4 * MAX_HELD_TTLS

  test('lets nobody hold a partition for ever by showing one more row at a time', () => {
    expect(heldQuarters(3 * QUARTERS, done => leases.observe(lease(alice, 3, { done })))).toBe(QUARTERS)
  })

  test('lets nobody hold a partition for ever by releasing and taking it again', () => {
    const turns = heldQuarters(3 * QUARTERS, () => {
      leases.observe(lease(alice, 3, { released: true }))
      leases.observe(lease(alice, 3))
    })
    expect(turns).toBe(QUARTERS)
    // others may hold it, and others may be held by the same peer
    leases.observe(lease(alice, 4))
    expect(leases.isHeldByOther(4)).toBe(true)
    leases.observe(lease(bob, 3))
    expect(leases.isHeldByOther(3)).toBe(true)
  })

  test('counts only the time for which a partition was held', () => {
    leases.observe(lease(alice, 3))
    leases.observe(lease(alice, 3, { released: true }))
    time += 10 * MAX_HELD_TTLS * TTL
    expect(heldQuarters(2 * QUARTERS, done => leases.observe(lease(alice, 3, { done })))).toBe(QUARTERS)
  })

  test('begins to count anew when the author delivers', () => {
    const turns = heldQuarters(3 * QUARTERS, done => {
      leases.observe(lease(alice, 3, { done }))
      if (done === QUARTERS / 2) leases.delivered(alice.key, 3)
    })
    expect(turns).toBe(QUARTERS / 2 + QUARTERS)
  })

  test('takes leases of a peer whose counter began anew, once the older ones ran out', () => {
    leases.observe(lease(alice, 3, { counter: 1000 }))
    leases.observe(lease(alice, 3, { counter: 0, done: 9 }))
    time += TTL
    expect(leases.isHeldByOther(3)).toBe(false)
    leases.observe(lease(alice, 3, { counter: 1 }))
    expect(leases.isHeldByOther(3)).toBe(true)
  })

  test('does not hold it against an author that somebody sends its old leases again', () => {
    const old = lease(alice, 3)
    for (let i = 0; i < 10; i++) {
      leases.observe(old)
      time += TTL
      expect(leases.isHeldByOther(3)).toBe(false)
    }
    leases.observe(lease(alice, 4))
    expect(leases.isHeldByOther(4)).toBe(true)
  })

  test('names the partition that others have held longest, after a lease time', () => {
    leases.observe(lease(alice, 3))
    time += TTL / 2
    leases.observe(lease(bob, 5))
    leases.observe(lease(alice, 3, { done: 1 }))
    expect(leases.oldestHeld([3, 5])).toBeUndefined()
    time += TTL / 2
    leases.observe(lease(alice, 3, { done: 2 }))
    leases.observe(lease(bob, 5, { done: 1 }))
    expect(leases.oldestHeld([5, 3])).toBe(3)
    expect(leases.oldestHeld([5])).toBeUndefined()
    time += TTL / 2
    expect(leases.oldestHeld([5, 4])).toBe(5)
    leases.observe(lease(alice, 3, { released: true }))
    expect(leases.oldestHeld([3])).toBeUndefined()
  })

  test('keeps 4,096 authors, and forgets those whose leases ran out before it turns one away', () => {
    const stranger = (n: number): TestPeer => {
      const key = new Uint8Array(32)
      new DataView(key.buffer).setUint32(0, n + 1)
      return { ...alice, key }
    }
    for (let n = 0; n < 4096; n++) leases.observe(lease(stranger(n), n % 100))
    leases.observe(lease(alice, 200))
    expect(leases.isHeldByOther(200)).toBe(false)
    expect(leases.activePeers()).toHaveLength(4096)
    time += TTL
    leases.observe(lease(alice, 200))
    expect(leases.isHeldByOther(200)).toBe(true)
    expect(leases.activePeers()).toHaveLength(1)
  })

  test('counts on a clock that only goes forward: nothing expires while it stands still', () => {
    leases.observe(lease(alice, 3))
    for (let i = 0; i < 1000; i++) expect(leases.isHeldByOther(3)).toBe(true)
  })
})
