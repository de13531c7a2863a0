import { expect, test } from 'vitest'
import { createPresence } from '../../../node/checks/presence.ts'

test('a member is gone when it was neither connected nor heard of for long, and one that was never seen since the start', () => {
  let time = 1000
  let here = ['ann', 'bea']
  const presence = createPresence('self', () => here, { goneMs: 100, usual: 3, now: () => time })
  presence.update()
  here = ['ann']
  time += 60
  presence.heard('cyd')
  time += 60
  presence.update()
  const gone = ['self', 'ann', 'bea', 'cyd', 'dan'].filter(peer => presence.isGone(peer, 3))
  expect(gone).toEqual(['bea', 'dan'])
  here = ['ann', 'bea']
  presence.update()
  expect(presence.isGone('bea', 3)).toBe(false)
})

test('the more members vouched for a shard, the longer one of them may be away', () => {
  let time = 0
  const presence = createPresence('self', () => [], { goneMs: 100, usual: 3, now: () => time })
  const vouched = (): number[] => [1, 3, 4, 5].filter(n => presence.isGone('ann', n))
  time = 101
  expect(vouched()).toEqual([1, 3])
  time = 201
  expect(vouched()).toEqual([1, 3, 4])
  time = 401
  expect(vouched()).toEqual([1, 3, 4, 5])
  expect([4, 5].map(times => presence.isGoneFor('ann', times))).toEqual([true, false])
})
