import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FORMATS } from '../../../node/process/log-format.ts'
import { createLogger, LEVELS, logFormat, type Level } from '../../../node/process/logger.ts'
import { rawCid } from '../../../src/codec.ts'

function recorder(level: Level) {
  const lines: string[] = []
  return {
    lines,
    logger: createLogger({ levels: level, format: 'text', write: line => lines.push(line), now: () => new Date(0) })
  }
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

test('refuses levels and formats that do not exist', () => {
  for (const levels of ['loud', 'warn,store=loud', 'store='])
    expect(() => createLogger({ levels }), levels).toThrow(
      `COOPT_LOG="${levels}": expected one of error, warn, info, debug, trace`
    )
  expect(() => logFormat({ COOPT_LOG_FORMAT: 'xml' })).toThrow('COOPT_LOG_FORMAT="xml": expected one of text, json')
})

test('keeps a level for each component, which holds for what is below it', () => {
  const lines: string[] = []
  const write = (line: string): void => void lines.push(line)
  const logger = createLogger({ levels: 'error,swarms=debug,swarms:state=warn', format: 'text', write })
  const enabled = (name: string): string[] => LEVELS.filter(level => logger.component(name).isEnabled(level))
  expect(enabled('store')).toEqual(['error'])
  expect(enabled('swarms')).toEqual(['error', 'warn', 'info', 'debug'])
  expect(enabled('swarms:exchange')).toEqual(['error', 'warn', 'info', 'debug'])
  expect(enabled('swarms:state')).toEqual(['error', 'warn'])
  expect(enabled('swarm')).toEqual(['error'])
  logger.component('swarms').component('exchange').debug('synced')
  expect(lines).toEqual([expect.stringMatching(/ debug swarms:exchange: synced\n$/)])
})

test('writes an object a line where collectors read the log, whatever is in it', () => {
  const lines: string[] = []
  const logger = createLogger({
    levels: 'info',
    format: 'json',
    write: line => lines.push(line),
    now: () => new Date(0)
  })
  const cid = rawCid(Uint8Array.of(1))
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const error = new Error('x', { cause: new Error('disk') })
  logger
    .component('store')
    .warn('set aside', { cid, n: 3, big: 5n, ok: true, list: ['a', 'b'], error, time: 'late', circle })
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    time: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    component: 'store',
    message: 'set aside',
    cid: cid.toString(),
    n: 3,
    big: '5',
    ok: true,
    list: ['a', 'b'],
    error: 'Error: x (caused by disk)',
    time_: 'late',
    circle: expect.stringContaining('Circular') as string
  })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.jsonValue(), (text, value) => {
      lines.length = 0
      logger.info(text, { text, value, error: new Error(text) })
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]*\n$/u)
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info' })
    })
  )
})

test('prints no secret, in whatever field or message it is', async () => {
  const { privateKeyToProtobuf, generateKeyPair } = await import('@libp2p/crypto/keys')
  const key = Buffer.from(privateKeyToProtobuf(await generateKeyPair('Ed25519'))).toString('base64')
  const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHb\n-----END PRIVATE KEY-----'
  const psk = `/key/swarm/psk/1.0.0/\n/base16/\n${'ab'.repeat(32)}`
  const token = 'hunter2hunter2'
  const cases: [string, string][] = [
    [`authorization: Bearer ${token}`, token],
    [`cannot fetch https://user:${token}@example.org/pins`, token],
    [`POST https://example.org/pins?name=a&token=${token}`, token],
    [`the key ${key}`, key],
    [pem, 'MC4CAQAwBQYDK2VwBCIEIHb'],
    [psk, 'ab'.repeat(32)]
  ]
  for (const format of FORMATS) {
    const lines: string[] = []
    const logger = createLogger({ levels: 'trace', format, write: line => lines.push(line) })
    for (const [text] of cases) {
      logger.info(text, { text, nested: { text }, list: [text], error: new Error('e', { cause: new Error(text) }) })
    }
    logger.info('fields', { token, apiToken: token, password: token, privateKey: token })
    const all = lines.join('')
    for (const [text, secret] of [...cases, ['fields', token] as const]) expect(all, text).not.toContain(secret)
    expect(all).toContain('[redacted]')
    expect(all).toContain('example.org/pins')
  }
})
