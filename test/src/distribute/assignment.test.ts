import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextPartition, rendezvousWeight } from '../../../src/distribute/assignment.ts'
import { testCid, testPeer } from '../../helpers/swarm-factory.ts'

const files = (count: number) => Array.from({ length: count }, (_, index) => ({ index, cid: testCid(`file ${index}`) }))
const keys = (count: number) => Array.from({ length: count }, (_, i) => testPeer(i).key)

describe('nextPartition', () => {
  test('has nothing to give when nothing is open', () => {
    expect(nextPartition({ self: testPeer(0).key, peers: [], open: [] })).toBeUndefined()
  })

  test('gives an open partition, the same one whatever the order of peers and partitions', () => {
    fc.assert(
      fc.property(
        fc
          .subarray(files(12), { minLength: 1 })
          .chain(open => fc.tuple(fc.constant(open), fc.shuffledSubarray(open, { minLength: open.length }))),
        fc.shuffledSubarray(keys(6)),
        ([open, shuffled], peers) => {
          const self = testPeer(0).key
          const taken = nextPartition({ self, peers, open })
          expect(open.map(file => file.index)).toContain(taken)
          expect(nextPartition({ self, peers: [...peers].reverse(), open: shuffled })).toBe(taken)
          expect(nextPartition({ self, peers: [self, ...peers], open })).toBe(taken)
        }
      )
    )
  })

  test('gives peers that know each other different partitions for as long as each has some of its own', () => {
    const peers = keys(4)
    const open = files(64)
    const first = peers.map(self => nextPartition({ self, peers, open }))
    expect(new Set(first).size).toBe(4)
  })

  test('gives first what a peer ranks highest on among the peers', () => {
    const peers = keys(5)
    const open = files(40)
    for (const self of peers) {
      const mine = open.filter(({ cid }) => peers.every(p => rendezvousWeight(p, cid) <= rendezvousWeight(self, cid)))
      expect(mine.length).toBeGreaterThan(0)
      const left = [...open]
      const order: number[] = []
      while (left.length > 0) {
        const index = nextPartition({ self, peers, open: left }) as number
        order.push(index)
        left.splice(
          left.findIndex(file => file.index === index),
          1
        )
      }
      expect(new Set(order.slice(0, mine.length))).toEqual(new Set(mine.map(file => file.index)))
      expect(order).toHaveLength(40)
    }
  })

  test('gives a peer alone everything, so that a dead peer is no loss', () => {
    const self = testPeer(3).key
    const left = files(16)
    for (let n = 16; n > 0; n--) {
      const index = nextPartition({ self, peers: [], open: left })
      left.splice(
        left.findIndex(file => file.index === index),
        1
      )
    }
    expect(left).toEqual([])
  })

  test('shares 1,000 partitions about evenly among 8 peers', () => {
    const peers = keys(8)
    const shares = peers.map(() => 0)
    for (const { cid } of files(1000)) {
      const weights = peers.map(peer => rendezvousWeight(peer, cid))
      const owner = weights.indexOf(Math.max(...weights))
      shares[owner] = (shares[owner] as number) + 1
    }
    // binomial(1000, 1/8): mean 125, deviation 10.5; the hash is fixed, so this cannot fail by chance
    for (const share of shares) expect(Math.abs(share - 125)).toBeLessThan(4 * 10.5)
  })

  test('moves only the partitions of a peer that leaves', () => {
    const peers = keys(6)
    const owner = (among: readonly Uint8Array[], cid: ReturnType<typeof testCid>): number => {
      const weights = among.map(peer => rendezvousWeight(peer, cid))
      return weights.indexOf(Math.max(...weights))
    }
    for (const { cid } of files(200)) {
      const before = owner(peers, cid)
      const after = owner(peers.slice(0, 5), cid)
      expect(before === 5 || after === before).toBe(true)
    }
  })
})

test('rendezvousWeight is 48 bits of a hash of peer and partition', () => {
  const weight = rendezvousWeight(testPeer(0).key, testCid('file 0'))
  expect(Number.isSafeInteger(weight)).toBe(true)
  expect(weight).toBeLessThan(2 ** 48)
  expect(weight).not.toBe(rendezvousWeight(testPeer(1).key, testCid('file 0')))
  expect(weight).not.toBe(rendezvousWeight(testPeer(0).key, testCid('file 1')))
})
