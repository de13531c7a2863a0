import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { verify } from '../../../node/process/verify-signature.ts'
import { loadIdentity } from '../../../node/home/identity.ts'
import { ipnsName, openIpnsRecord } from '../../../node/upkeep/ipns-record.ts'
import { namedRoots, publishName } from '../../../node/upkeep/ipns-names.ts'
import { rawCid } from '../../../src/codec.ts'

const NOW = new Date('2026-01-02T03:04:05.678Z')
const [first, second] = [rawCid(Uint8Array.of(1)), rawCid(Uint8Array.of(2))]

async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'coopt-name-'))
  onTestFinished(async () => await rm(home, { recursive: true, force: true }))
  return home
}

test('a name keeps its key and each record goes before the last one', async () => {
  const home = await temporaryHome()
  const one = await publishName(home, 'flowers', first, NOW)
  const two = await publishName(home, 'flowers', second, NOW)
  expect(two).toEqual({ ...one, sequence: 1 })
  expect(one.name).toMatch(/^k51[0-9a-z]{59}$/)
  expect((await publishName(home, 'birds', first, NOW)).name).not.toBe(one.name)

  expect((await namedRoots(home)).map(String).sort()).toEqual([`${first}`, `${second}`].sort())
  const path = join(home, 'keys', 'flowers.key')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const { key } = await loadIdentity(path)
  expect(ipnsName(key)).toBe(one.name)
  const bytes = new Uint8Array(await readFile(two.record))
  expect(openIpnsRecord(bytes, key, verify)).toEqual({
    value: `/ipfs/${second}`,
    sequence: 1n,
    validUntil: new Date('2027-01-02T03:04:05.678Z'),
    ttl: 3_600_000_000_000n
  })
  for (let i = 0; i < bytes.byteLength; i++) {
    const damaged = Uint8Array.from(bytes)
    damaged[i] = (damaged[i] ?? 0) ^ 1
    expect(() => openIpnsRecord(damaged, key, verify), `byte ${i}`).toThrow('an IPNS record is')
  }
})

test('a key is named by letters and digits, never by a path', async () => {
  const home = await temporaryHome()
  for (const name of ['', '..', '../identity', 'a/b', 'A', '-x', 'x'.repeat(65)])
    await expect(publishName(home, name, first, NOW), name).rejects.toThrow('cannot name a key')
})
