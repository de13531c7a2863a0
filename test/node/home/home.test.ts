import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../node/home/config.ts'
import { homeAt, listSwarms, prepareHome, prepareSwarm } from '../../../node/home/home.ts'
import { loadIdentity } from '../../../node/home/identity.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { lockHome } from '../../../node/home/lock.ts'
import { cborCid } from '../../../src/codec.ts'

let root: string
beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'coopt-home-')), 'home')
})
afterEach(async () => await rm(join(root, '..'), { recursive: true, force: true }))

const swarm = cborCid(Uint8Array.of(1))

test('names of a swarm stay inside the home, whatever a journal is called', () => {
  fc.assert(
    fc.property(fc.string(), name => {
      const { progress, journal } = homeAt(root).swarm(swarm)
      expect(relative(progress, journal(name))).toMatch(/^[0-9a-f]{64}$/)
    })
  )
  const hostile = CID.createV1(0x71, identity.digest(new TextEncoder().encode('../../etc')))
  expect(() => homeAt(root).swarm(hostile)).toThrow(expect.objectContaining({ name: 'InvalidInputError' }))
})

test('directories are for the owner only, and left-overs of a killed process are removed', async () => {
  const home = homeAt(root)
  await prepareHome(home)
  const paths = await prepareSwarm(home, swarm)
  const kept = [paths.log, paths.journal('work'), home.config]
  for (const path of kept) await writeFile(path, 'x')
  for (const path of kept) await writeFile(`${path}.1-ab.tmp`, 'x')
  await mkdir(home.spool)
  await prepareHome(home)
  await prepareSwarm(home, swarm)
  for (const path of kept) await access(path)
  expect((await readdir(root, { recursive: true })).filter(name => name.endsWith('.tmp'))).toEqual([])
  expect(await readdir(root)).not.toContain('spool')
  for (const path of [root, home.swarms, paths.directory, paths.progress])
    expect((await stat(path)).mode & 0o077).toBe(0)
})

test('lists swarms by their CIDs and leaves other names alone', async () => {
  const home = homeAt(root)
  expect(await listSwarms(home)).toEqual([])
  await prepareHome(home)
  await prepareSwarm(home, swarm)
  await mkdir(join(home.swarms, 'notes'))
  expect((await listSwarms(home)).map(String)).toEqual([swarm.toString()])
})

describe('initHome', () => {
  test('makes identity and configuration once', async () => {
    const report = await initHome(root, { batchSize: 8 })
    expect(report).toMatchObject({ home: root, created: true })
    const home = homeAt(root)
    const config = await loadConfig(home)
    expect(config.batchSize).toBe(8)
    const again = await initHome(root, { batchSize: 9 })
    expect(again).toEqual({ ...report, created: false })
    expect(await loadConfig(home)).toEqual(config)
    expect((await loadIdentity(home.identity)).peerId).toBe(report.peer)
    expect((await stat(home.identity)).mode & 0o777).toBe(0o600)
  })

  test('keeps the port that it draws, and uses the addresses that it is given', async () => {
    await initHome(root)
    const { listen } = (await loadConfig(homeAt(root))).network
    expect(listen).toEqual([
      expect.stringMatching(/^\/ip4\/0\.0\.0\.0\/tcp\/[23]\d{4}$/),
      expect.stringContaining('/ip6/')
    ])
    await initHome(join(root, 'other'), { network: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
    expect((await loadConfig(homeAt(join(root, 'other')))).network.listen).toEqual(['/ip4/127.0.0.1/tcp/0'])
  })

  test('finishes what a crash left half done, with the same identity', async () => {
    const { peer } = await initHome(root)
    await unlink(homeAt(root).config)
    expect(await initHome(root)).toMatchObject({ peer, created: true })
  })

  test('never makes a new key for a home that lost its own', async () => {
    await initHome(root)
    await unlink(homeAt(root).identity)
    await expect(initHome(root)).rejects.toMatchObject({ name: 'DamagedStoreError' })
    expect(await readdir(root)).not.toContain('identity.key')
  })

  test('refuses a damaged key, a wrong configuration and a home in use', async () => {
    const lock = await lockHome(root, { what: 'coopt up' })
    await expect(initHome(root)).rejects.toMatchObject({ name: 'HomeLockedError' })
    await lock.release()
    await expect(initHome(root, { batchSize: 0 })).rejects.toThrow(/"batchSize" is 0/)
    await initHome(root)
    const key = await readFile(homeAt(root).identity)
    await writeFile(homeAt(root).identity, key.subarray(0, 20))
    await expect(initHome(root)).rejects.toMatchObject({ name: 'DamagedStoreError' })
  })
})
