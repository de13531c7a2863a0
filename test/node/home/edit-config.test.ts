import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_CONFIG } from '../../../node/home/config.ts'
import { configKeys, quantity, valueText } from '../../../node/home/config-keys.ts'
import { changeEntry, readEntries } from '../../../node/home/edit-config.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { CONFIG_REFERENCE, configReference } from '../../../scripts/make-config-reference.ts'
import { runCommand } from '../../helpers/run-command.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-config-'))
  await initHome(home, { network: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
})
afterEach(async () => {
  await rm(home, { recursive: true })
})

const file = async (): Promise<unknown> => JSON.parse(await readFile(join(home, 'config.json'), 'utf8'))
const coopt = async (...args: string[]) => await runCommand([...args, '--home', home])

describe('the keys of the configuration', () => {
  it('have a meaning each, and their defaults are those that apply', () => {
    const keys = configKeys()
    for (const { key, meaning } of keys) expect(meaning, key).toMatch(/\.$/)
    const byKey = new Map(keys.map(one => [one.key, one.fallback]))
    expect(byKey.get('store.minFreeBytes')).toBe(DEFAULT_CONFIG.store.minFreeBytes)
    expect(byKey.get('network.limits.maxConnections')).toBe(128)
    expect(byKey.has('network')).toBe(false)
  })

  it('are all in the reference, which is current', async () => {
    // node scripts/make-config-reference.ts
    expect(await readFile(CONFIG_REFERENCE, 'utf8')).toBe(configReference())
  })

  it('print quantities that are read back as the same number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        fc.constantFrom('bytes', 'milliseconds'),
        (value, unit) => {
          expect(quantity(valueText({ unit }, value), unit) ?? Number.NaN).toBe(value)
        }
      )
    )
    expect(quantity('40GB', 'bytes')).toBe(40e9)
    expect(quantity('1.5s', 'milliseconds')).toBe(1500)
    expect(quantity('5min', 'bytes')).toBeUndefined()
    expect(quantity('5 GB', undefined)).toBeUndefined()
    expect(quantity('-1', 'bytes')).toBeUndefined()
  })
})

describe('coopt config', () => {
  it('changes one key and leaves the others of the file as they are', async () => {
    const { code, out } = await coopt('config', 'set', 'store.maxBytes', '40GB', '--json')
    expect({ code, report: JSON.parse(out) }).toMatchObject({
      code: 0,
      report: { key: 'store.maxBytes', value: 40e9, default: null, isSet: true }
    })
    expect(await file()).toEqual({ network: { listen: ['/ip4/127.0.0.1/tcp/0'] }, store: { maxBytes: 40e9 } })
    await coopt('config', 'unset', 'store.maxBytes')
    expect(await file()).toEqual({ network: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
  })

  it('takes several values for a list', async () => {
    const addresses = ['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002']
    await coopt('config', 'set', 'network.listen', ...addresses)
    expect((await coopt('config', 'get', 'network.listen')).out).toBe(`${addresses.join('\n')}\n`)
  })

  it('writes nothing for a key or value that a node would refuse', async () => {
    const before = await file()
    const cases: [string[], RegExp][] = [
      [['batchSize', '0'], /"batchSize" is 0/],
      [['batchSize', 'many'], /"batchSize" is "many": expected a whole number from 1 to 1024/],
      [['network.mdns', 'yes'], /expected true or false/],
      [['network.listen', 'localhost'], /not a multiaddr/],
      [['replicate', 'sometimes'], /"replicate"/],
      [['store', '1'], /group of keys: name one of "store.maxBytes"/],
      [['store.maxbytes', '1'], /no key "store.maxbytes"; there is "store.maxBytes"/],
      [['batchSize', '1', '2'], /takes one value/],
      [['__proto__.polluted', '1'], /no key/]
    ]
    for (const [args, message] of cases) {
      const { code, err } = await coopt('config', 'set', ...args)
      expect({ code, err }, args.join(' ')).toEqual({ code: 4, err: expect.stringMatching(message) as string })
    }
    expect(await file()).toEqual(before)
  })

  it('shows what is changed, and every key with its default and meaning', async () => {
    const { out } = await coopt('config', 'show', '--changed', '--json')
    expect(JSON.parse(out)).toMatchObject({ home, settings: [{ key: 'network.listen', isSet: true }] })
    const all = await readEntries(home)
    expect(all.map(({ key }) => key)).toEqual(configKeys().map(({ key }) => key))
    const text = (await coopt('config', 'show', 'timing')).out
    expect(text).toContain('timing.leaseMs = 1 min  (default)\n    How long a lease holds')
  })

  it('names what is wrong in a file that was edited by hand, and does not change it', async () => {
    await writeFile(join(home, 'config.json'), '{"stor": {}}')
    await expect(changeEntry(home, 'batchSize', ['8'])).rejects.toThrow('there is no key "stor"')
    expect(await file()).toEqual({ stor: {} })
  })

  it('says that there is no node where there is none', async () => {
    const { code, err } = await runCommand(['config', 'show', '--home', join(home, 'none')])
    expect({ code, err }).toEqual({ code: 4, err: expect.stringContaining('coopt init') as string })
  })
})
