import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { createConduct } from '../../../node/network/peer-scoring.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { testKey } from '../../helpers/signed-swarm.ts'

const peer = peerIdFromString(peerIdOf(testKey(1).key))
const other = peerIdFromString(peerIdOf(testKey(2).key))

test('forgives some faults a minute, then denies for a while, and only the peer at fault', () => {
  let now = 0
  const conduct = createConduct({ faultsPerMinute: 5, denyForMs: 600_000, now: () => now })
  const denied: string[] = []
  conduct.addEventListener('denied', ({ detail }) => denied.push(detail.reason))
  for (let i = 0; i < 5; i++) conduct.fault(peer, `fault ${i}`)
  expect(conduct.isDenied(peer.toString())).toBe(false)
  conduct.fault(peer, 'one too many')
  conduct.fault(peer, 'and another')
  expect(denied).toEqual(['one too many'])
  expect(conduct.gater.denyDialPeer?.(peer)).toBe(true)
  expect(conduct.gater.denyDialPeer?.(other)).toBe(false)
  now = 600_001
  expect(conduct.isDenied(peer.toString())).toBe(false)
})

test('scores faults by the square of their number, and forgets them with time', () => {
  let now = 0
  const conduct = createConduct({ faultsPerMinute: 5, denyForMs: 1000, now: () => now })
  expect(conduct.score(peer.toString())).toBeCloseTo(0)
  conduct.fault(peer, 'x')
  expect(conduct.score(peer.toString())).toBe(-20)
  conduct.fault(peer, 'x')
  conduct.fault(peer, 'x')
  expect(conduct.score(peer.toString())).toBe(-180)
  now = 60_000
  expect(conduct.score(peer.toString())).toBeGreaterThan(-1)
  expect(conduct.score(other.toString())).toBeCloseTo(0)
})
