import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import fc from 'fast-check'
import tar from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseArchiveName, pathOf } from '../../../../node/home/archive/archived-files.ts'
import { backUpHome } from '../../../../node/home/archive/back-up-home.ts'
import { restoreHome } from '../../../../node/home/archive/restore-home.ts'
import { homeAt } from '../../../../node/home/home.ts'
import { loadIdentity } from '../../../../node/home/identity.ts'
import { initHome } from '../../../../node/home/init-home.ts'
import { openInstallation } from '../../../../node/home/installation.ts'
import { rawCid } from '../../../../src/codec.ts'

let folder: string
let root: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-archive-'))
  root = join(folder, 'home')
  file = join(folder, 'backup.tar')
})
afterEach(async () => await rm(folder, { recursive: true, force: true }))

const swarm = rawCid(Uint8Array.of(1)).toString()

/** The backup with entries changed: `change` gets each and returns those to write in its place. */
async function altered(change: (name: string, bytes: Buffer) => [string, Buffer][]): Promise<string> {
  const extract = tar.extract()
  createReadStream(file).pipe(extract)
  const pack = tar.pack()
  for await (const entry of extract) {
    const parts: Buffer[] = []
    for await (const part of entry as AsyncIterable<Buffer>) parts.push(part)
    for (const [name, bytes] of change(entry.header.name, Buffer.concat(parts))) pack.entry({ name }, bytes)
  }
  pack.finalize()
  const parts: Uint8Array[] = []
  for await (const part of pack as AsyncIterable<Uint8Array>) parts.push(part)
  const path = join(folder, 'altered.tar')
  await writeFile(path, Buffer.concat(parts))
  return path
}

const manifestOf = (bytes: Buffer): { files: { name: string; bytes: number; sha256: string }[]; v: number } =>
  JSON.parse(bytes.toString()) as ReturnType<typeof manifestOf>

test('a restored home has identity and settings of the other, and says that it was restored', async () => {
  const { peer } = await initHome(root, { batchSize: 8 })
  const report = await backUpHome(root, file)
  expect(report).toMatchObject({ peer, swarms: 0, records: 0 })
  const copy = join(folder, 'copy')
  expect(await restoreHome(file, copy)).toMatchObject({ peer, home: copy })
  expect((await loadIdentity(homeAt(copy).identity)).peerId).toBe(peer)
  expect(await readFile(homeAt(copy).config, 'utf8')).toBe(await readFile(homeAt(root).config, 'utf8'))
  expect(await openInstallation(homeAt(copy))).toMatchObject({ origin: 'restored' })
  expect(await openInstallation(homeAt(root))).toMatchObject({ origin: 'made' })
})

test('only the owner can read a backup and what is restored from it', async () => {
  await initHome(root)
  await backUpHome(root, file)
  const copy = join(folder, 'copy')
  await restoreHome(file, copy)
  for (const path of [file, copy, homeAt(copy).identity]) expect((await stat(path)).mode & 0o077).toBe(0)
})

test('neither a backup nor a restored home ever overwrites anything', async () => {
  const { peer } = await initHome(root)
  await backUpHome(root, file)
  const before = await readFile(file)
  await expect(backUpHome(root, file)).rejects.toMatchObject({ name: 'InvalidInputError' })
  expect(await readFile(file)).toEqual(before)
  const other = join(folder, 'other')
  const { peer: theirs } = await initHome(other)
  await expect(restoreHome(file, other)).rejects.toThrow(/not empty/)
  expect((await loadIdentity(homeAt(other).identity)).peerId).toBe(theirs)
  expect(theirs).not.toBe(peer)
})

test('names of an archive lead to their own places below the home, and every other name is refused', () => {
  const names = ['identity.key', 'config.json', 'pins.json', 'keys/birds.key', `swarms/${swarm}/records.log`]
  for (const name of names) {
    const parsed = parseArchiveName(name)
    expect(relative('/home', pathOf('/home', parsed as NonNullable<typeof parsed>))).toBe(name)
  }
  const pieces = fc.constantFrom(
    '..',
    '.',
    '',
    'keys',
    'swarms',
    'identity.key',
    'a.key',
    swarm,
    swarm.toUpperCase(),
    'records.log',
    '/',
    'api.json',
    'version'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map(parts => parts.join('/'))
      ),
      name => {
        const parsed = parseArchiveName(name)
        if (parsed === undefined) return
        const path = pathOf('/home', parsed)
        expect(resolve(path)).toBe(path)
        expect(relative('/home', path)).toBe(name)
      }
    )
  )
  for (const name of [
    '../identity.key',
    '/etc/passwd',
    'keys/../x.key',
    'LOCK/x',
    'installation.json',
    `swarms/${swarm}/progress/x`
  ])
    expect(parseArchiveName(name)).toBeUndefined()
})

test.each<[string, (name: string, bytes: Buffer) => [string, Buffer][], RegExp]>([
  [
    'a byte of the key is another',
    (name, bytes) => [[name, name === 'identity.key' ? bytes.fill(7, 40, 41) : bytes]],
    /identity\.key is damaged/
  ],
  ['an entry is missing', (name, bytes) => (name === 'config.json' ? [] : [[name, bytes]]), /config\.json is missing/],
  [
    'an entry is added',
    (name, bytes) => [[name, bytes], ...(name === 'identity.key' ? [['../../evil', bytes] as [string, Buffer]] : [])],
    /not a file of a backup/
  ],
  [
    'an entry comes twice',
    (name, bytes) =>
      name === 'backup.json'
        ? [[name, bytes]]
        : [
            [name, bytes],
            [name, bytes]
          ],
    /twice/
  ],
  [
    'the manifest is not the first',
    (name, bytes) => (name === 'backup.json' ? [] : [[name, bytes]]),
    /does not begin with backup\.json/
  ],
  [
    'the manifest names a path',
    (name, bytes) => {
      if (name !== 'backup.json') return [[name === 'config.json' ? '../config.json' : name, bytes]]
      const manifest = manifestOf(bytes)
      for (const one of manifest.files) if (one.name === 'config.json') one.name = '../config.json'
      return [[name, Buffer.from(JSON.stringify(manifest))]]
    },
    /"\.\.\/config\.json" is not a file of a backup/
  ],
  [
    'it is of a later version',
    (name, bytes) => [
      [name, name === 'backup.json' ? Buffer.from(JSON.stringify({ ...manifestOf(bytes), v: 2 })) : bytes]
    ],
    /format version 2.*update coopt/
  ]
])('an archive is refused, and nothing written, when %s', async (_, change, message) => {
  await initHome(root)
  await backUpHome(root, file)
  const copy = join(folder, 'copy')
  await expect(restoreHome(await altered(change), copy)).rejects.toMatchObject({
    name: 'InvalidInputError',
    message: expect.stringMatching(message) as string
  })
  expect(await readdir(folder)).not.toContain('copy')
})

test('a backup that was cut off anywhere is refused', async () => {
  await initHome(root)
  await backUpHome(root, file)
  const whole = await readFile(file)
  const short = join(folder, 'short.tar')
  // the last KiB are the end mark
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: whole.byteLength - 1536 }), async end => {
      await writeFile(short, whole.subarray(0, end))
      await expect(restoreHome(short, join(folder, 'copy'))).rejects.toMatchObject({ name: 'InvalidInputError' })
    }),
    { numRuns: 30 }
  )
})

test('a home that was copied is noticed by its place, and one that was moved is not', async () => {
  await initHome(root)
  await openInstallation(homeAt(root))
  const { cp, rename } = await import('node:fs/promises')
  const copy = join(folder, 'copy')
  await cp(root, copy, { recursive: true, preserveTimestamps: true })
  const opened = await openInstallation(homeAt(copy))
  expect(opened.origin).toBe('copied')
  const cid = rawCid(Uint8Array.of(9))
  expect(opened.isAssured(cid)).toBe(false)
  await opened.assure(cid)
  const again = await openInstallation(homeAt(copy))
  expect([again.isAssured(cid), again.isAssured(rawCid(Uint8Array.of(8)))]).toEqual([true, false])
  const moved = join(folder, 'moved')
  await rename(root, moved)
  expect((await openInstallation(homeAt(moved))).origin).toBe('made')
})
