import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLogger, LEVELS, type Level } from '../../../node/process/logger.ts'
import { rawCid } from '../../../src/codec.ts'

function recorder(level: Level) {
  const lines: string[] = []
  return { lines, logger: createLogger({ level, write: line => lines.push(line), now: () => new Date(0) }) }
}

test('writes what is at its level or above', () => {
  for (const [i, level] of LEVELS.entries()) {
    const { lines, logger } = recorder(level)
    for (const at of LEVELS) logger[at]('message')
    expect(lines).toHaveLength(i + 1)
    for (const [j, at] of LEVELS.entries()) expect(logger.isEnabled(at)).toBe(j <= i)
  }
})

test('names component and fields', () => {
  const { lines, logger } = recorder('info')
  const cid = rawCid(Uint8Array.of(1))
  const cause = new Error('disk')
  logger
    .component('store')
    .component('blocks')
    .warn('set aside', {
      path: '/a b',
      cid,
      n: 3,
      big: 5n,
      list: [1, 2n],
      none: undefined,
      error: new Error('x', { cause })
    })
  expect(lines).toEqual([
    `1970-01-01T00:00:00.000Z warn  store:blocks: set aside path="/a b" cid=${cid.toString()} n=3 big=5 list=[ 1, 2n ] none=undefined error="Error: x (caused by disk)"\n`
  ])
})

test('writes one line whatever others put into a name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.jsonValue(), (text, value) => {
      const { lines, logger } = recorder('info')
      logger.info(text, { text, value, error: new Error(text) })
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]*\n$/u)
    })
  )
})

test('refuses an unknown level', () => {
  const before = process.env['COOPT_LOG']
  process.env['COOPT_LOG'] = 'loud'
  try {
    expect(() => createLogger()).toThrow('COOPT_LOG="loud": expected one of error, warn, info, debug, trace')
  } finally {
    if (before === undefined) delete process.env['COOPT_LOG']
    else process.env['COOPT_LOG'] = before
  }
})
