import fc from 'fast-check'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_CONFIG, loadConfig, parseConfig } from '../../../node/home/config.ts'
import { readDeviceSettings } from '../../../node/home/device-settings.ts'
import { homeAt } from '../../../node/home/home.ts'
import { DEFAULT_LIMITS } from '../../../node/compute/inference/limits.ts'
import { DEFAULT_NETWORK_LIMITS } from '../../../node/network/limits.ts'

describe('parseConfig', () => {
  test('fills in every default', () => {
    expect(parseConfig({}, 'x')).toEqual(DEFAULT_CONFIG)
    const config = parseConfig({ network: { mdns: false }, timing: { leaseMs: 5 } }, 'x')
    expect(config).toEqual({
      ...DEFAULT_CONFIG,
      network: { ...DEFAULT_CONFIG.network, mdns: false },
      timing: { ...DEFAULT_CONFIG.timing, leaseMs: 5 }
    })
  })

  test('takes every limit of the network and of the inference by its name, but none that says what a valid image is', () => {
    for (const name of Object.keys(DEFAULT_NETWORK_LIMITS))
      expect(parseConfig({ network: { limits: { [name]: 7 } } }, 'x').network.limits).toEqual({ [name]: 7 })
    const ofImages = ['imagePixels', 'imageBytes']
    for (const name of ofImages)
      expect(() => parseConfig({ inference: { [name]: 7 } }, 'x')).toThrow(`there is no key "inference.${name}"`)
    for (const name of Object.keys(DEFAULT_LIMITS).filter(key => !ofImages.includes(key)))
      expect(parseConfig({ inference: { [name]: 7 } }, 'x').inference).toEqual({ [name]: 7 })
  })

  test('gives each configuration its own defaults', () => {
    parseConfig({}, 'x').network.listen.push('/ip4/1.2.3.4/tcp/1')
    expect(parseConfig({}, 'x')).toEqual(DEFAULT_CONFIG)
  })

  test.each([
    [{ network: { maxConnections: 5 } }, 'file: there is no key "network.maxConnections"'],
    [{ network: { limits: { maxConections: 5 } } }, 'file: there is no key "network.limits.maxConections"'],
    [{ network: { limits: { maxConnections: '5' } } }, /"network.limits.maxConnections" is "5": .*expected number/],
    [{ network: { limits: { maxConnections: -1 } } }, /"network.limits.maxConnections" is -1: .*>=0/],
    [{ network: { listen: ['tcp://x'] } }, /"network.listen.0" is "tcp:\/\/x": not a multiaddr .*must start with/],
    [{ store: { maxBytes: 1.5 } }, /"store.maxBytes" is 1.5: .*int/],
    [{ timing: { leaseMs: 1e12 } }, /"timing.leaseMs" is 1000000000000: /],
    [{ replicate: 'some' }, /"replicate" is "some": .*"always"\|"own"\|"never"/],
    [{ inference: { device: 'gpu' } }, /"inference.device" is "gpu": .*expected auto, cpu, cuda/],
    [{ inference: { libraryFolder: 'lib' } }, /"inference.libraryFolder" is "lib": expected an absolute path/],
    [{ inference: { retries: null } }, /"inference.retries" is null: /],
    [[], /the file is \[\]: .*object/],
    [null, /the file is null: .*object/]
  ])('refuses %j', (value, message) => {
    expect(() => parseConfig(value, 'file')).toThrow(message)
    expect(() => parseConfig(value, 'file')).toThrow(expect.objectContaining({ name: 'InvalidInputError' }))
  })

  test('fails for arbitrary values only with InvalidInputError', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        try {
          parseConfig(value, 'file')
        } catch (error) {
          expect(error).toMatchObject({ name: 'InvalidInputError' })
        }
      })
    )
  })
})

describe('loadConfig', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'coopt-config-'))
  })
  afterEach(async () => await rm(root, { recursive: true, force: true }))

  test('reads what is there, and says how to make a home where there is none', async () => {
    const home = homeAt(join(root, 'home'))
    await expect(loadConfig(home)).rejects.toThrow(
      `there is no node in ${home.root}: run "coopt init --home ${home.root}"`
    )
    await mkdir(home.root)
    await writeFile(home.config, '{ "batchSize": 8 }')
    expect(await loadConfig(home)).toEqual({ ...DEFAULT_CONFIG, batchSize: 8 })
  })

  test('says where models run, by the defaults where there is no home', async () => {
    const home = homeAt(root)
    expect(await readDeviceSettings(home)).toEqual({})
    await writeFile(home.config, '{ "inference": { "device": "cuda:1", "libraryFolder": "/lib", "retries": 3 } }')
    expect(await readDeviceSettings(home)).toEqual({ device: 'cuda:1', libraryFolder: '/lib' })
    await writeFile(home.config, '{ "inference": { "device": "gpu" } }')
    await expect(readDeviceSettings(home)).rejects.toThrow(/"inference.device" is "gpu"/)
  })

  test.each([
    ['{ "batchSize": 8', /is not JSON/],
    ['', /is not JSON/],
    [`"${'x'.repeat(300_000)}"`, /longer than/]
  ])('refuses a file that begins with %.20s', async (text, message) => {
    const home = homeAt(root)
    await writeFile(home.config, text)
    await expect(loadConfig(home)).rejects.toThrow(message)
    await expect(loadConfig(home)).rejects.toMatchObject({ name: 'InvalidInputError' })
  })
})
