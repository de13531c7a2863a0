import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadIdentity } from '../../../node/home/identity.ts'
import { ipnsName, openIpnsRecord } from '../../../node/upkeep/ipns-record.ts'
import { createIpnsNames } from '../../../node/upkeep/ipns-names.ts'
import { rawCid } from '../../../src/codec.ts'
import { InvalidContentError } from '../../../src/errors.ts'

const NOW = new Date('2026-01-02T03:04:05.678Z')
const [first, second] = [rawCid(Uint8Array.of(1)), rawCid(Uint8Array.of(2))]

async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'coopt-name-'))
  onTestFinished(async () => await rm(home, { recursive: true, force: true }))
  return home
}

test('a name keeps its key, and each record supersedes the last one', async () => {
  const home = await temporaryHome()
  const names = createIpnsNames(home)
  const one = await names.publish('flowers', first, NOW)
  const two = await names.publish('flowers', second, NOW)
  expect(two).toEqual({ ...one, sequence: 1 })
  expect(one.name).toMatch(/^k51[0-9a-z]{59}$/)
  expect((await names.publish('birds', first, NOW)).name).not.toBe(one.name)

  expect((await names.roots()).map(String).sort()).toEqual([`${first}`, `${second}`].sort())
  const path = join(home, 'keys', 'flowers.key')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const { publicKey } = (await loadIdentity(path)).privateKey
  expect(ipnsName(publicKey)).toBe(one.name)
  const bytes = new Uint8Array(await readFile(two.record))
  const record = {
    value: `/ipfs/${second}`,
    sequence: 1n,
    validity: '2027-01-02T03:04:05.678000000Z',
    ttl: 3_600_000_000_000n
  }
  expect(await openIpnsRecord(bytes, publicKey)).toMatchObject(record)
  for (let i = 0; i < bytes.byteLength; i++) {
    const damaged = Uint8Array.from(bytes)
    damaged[i] = (damaged[i] ?? 0) ^ 1
    const opened = await openIpnsRecord(damaged, publicKey).catch((error: unknown) => error)
    // a flipped bit of a protobuf tag may change nothing that is read
    if (opened instanceof Error) expect(opened, `byte ${i}`).toBeInstanceOf(InvalidContentError)
    else expect(opened, `byte ${i}`).toMatchObject(record)
  }
})

test('concurrent publications under one key get a sequence number each, and the record kept is the last one', async () => {
  const home = await temporaryHome()
  const names = createIpnsNames(home)
  const roots = Array.from({ length: 8 }, (_, i) => rawCid(Uint8Array.of(i)))
  const published = await Promise.all(roots.map(async root => await names.publish('flowers', root, NOW)))
  expect(published.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(new Set(published.map(({ name }) => name)).size).toBe(1)
  expect((await names.roots()).map(String)).toEqual([`${roots.at(-1)}`])
})

test('an expired record still counts: the next one continues its sequence', async () => {
  const home = await temporaryHome()
  const names = createIpnsNames(home)
  await names.publish('flowers', first, new Date('2020-01-01T00:00:00Z'))
  expect((await names.publish('flowers', second, NOW)).sequence).toBe(1)
})

test('a damaged record is an error: a guessed sequence number could be taken already', async () => {
  const home = await temporaryHome()
  const names = createIpnsNames(home)
  const { record } = await names.publish('flowers', first, NOW)
  const bytes = await readFile(record)
  await writeFile(record, bytes.subarray(0, -20))
  await expect(names.publish('flowers', second, NOW)).rejects.toBeInstanceOf(InvalidContentError)
  await expect(names.roots()).rejects.toBeInstanceOf(InvalidContentError)
})

test('a key is named by letters and digits, never by a path', async () => {
  const names = createIpnsNames(await temporaryHome())
  for (const name of ['', '..', '../identity', 'a/b', 'A', '-x', 'x'.repeat(65)])
    await expect(names.publish(name, first, NOW), name).rejects.toThrow('cannot name a key')
})
