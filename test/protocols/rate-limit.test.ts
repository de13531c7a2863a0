import { expect, test } from 'vitest'
import { MAX_LIMITED_KEYS } from '../../protocols/constants.ts'
import { createRateLimiter } from '../../protocols/rate-limit.ts'

test('allows a burst at once and then the rate, for each key', () => {
  let now = 0
  const limiter = createRateLimiter({ perSecond: 2, burst: 3 }, () => now)
  expect([1, 2, 3, 4].map(() => limiter.take('a'))).toEqual([true, true, true, false])
  expect(limiter.take('b')).toBe(true)
  now = 500
  expect([1, 2].map(() => limiter.take('a'))).toEqual([true, false])
  now = 60_000
  expect([1, 2, 3, 4].map(() => limiter.take('a'))).toEqual([true, true, true, false])
})

test('a refusal costs nothing', () => {
  let now = 0
  const limiter = createRateLimiter({ perSecond: 1, burst: 1 }, () => now)
  expect(limiter.take('a')).toBe(true)
  for (let i = 0; i < 1000; i++) expect(limiter.take('a')).toBe(false)
  now = 1000
  expect(limiter.take('a')).toBe(true)
})

test('charges by cost', () => {
  const limiter = createRateLimiter({ perSecond: 100, burst: 1000 }, () => 0)
  expect(limiter.take('a', 900)).toBe(true)
  expect(limiter.take('a', 101)).toBe(false)
  expect(limiter.take('a', 100)).toBe(true)
})

test('forgets the least recently used key, so that made-up identities cost no memory', () => {
  const limiter = createRateLimiter({ perSecond: 1, burst: 1 }, () => 0)
  limiter.take('first')
  for (let i = 0; i < MAX_LIMITED_KEYS; i++) limiter.take(String(i))
  expect(limiter.take('first')).toBe(true)
  expect(limiter.take(String(MAX_LIMITED_KEYS - 1))).toBe(false)
})
