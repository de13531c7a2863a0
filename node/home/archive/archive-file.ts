/**
 * A backup as a file: a tar whose first entry, `backup.json`, names format, version, identity and every other entry with its bytes and SHA-256.
 * Every tar program lists it; `restore-home.ts` reads it and believes no header: an entry that `backup.json` does not name, or names otherwise, is
 * an error.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod } from 'node:fs/promises'
import tar from 'tar-stream'
import { z } from 'zod'
import { CoOptError, InvalidInputError } from '../../../src/errors.ts'
import { errorCode, FILE_MODE } from '../../store/file-system.ts'
import { writeAll, writeNewFile } from '../../store/new-file.ts'
import { mostBytes, parseArchiveName } from './archived-files.ts'

const MANIFEST = 'backup.json'
const FORMAT = 'coopt-backup'
/** Raised when an older program would restore something else than what is meant. */
const VERSION = 1

/** A home in 2048 swarms has five files in each, 150 bytes of JSON a file. */
const MAX_ENTRIES = 16_384
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  v: z.literal(VERSION),
  /** Of the home (home/version.ts) */
  homeVersion: z.number().int().nonnegative(),
  peer: z.string().max(128),
  at: z.iso.datetime(),
  files: z
    .array(
      z.strictObject({
        name: z.string().max(256),
        bytes: z.number().int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/)
      })
    )
    .max(MAX_ENTRIES)
})

export type BackupManifest = z.infer<typeof manifestSchema>

export interface Archive {
  readonly manifest: BackupManifest
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Creates `path`, mode 0600, synced; removed again if it fails. Throws `InvalidInputError` when there is a file already. */
export async function writeArchive(
  path: string,
  head: Pick<BackupManifest, 'homeVersion' | 'peer' | 'at'>,
  files: ReadonlyMap<string, Uint8Array>
): Promise<void> {
  const listed = [...files].map(([name, bytes]) => ({ name, bytes: bytes.byteLength, sha256: sha256(bytes) }))
  const manifest: BackupManifest = { format: FORMAT, v: VERSION, ...head, files: listed }
  const pack = tar.pack()
  const entry = (name: string, bytes: Uint8Array): void =>
    void pack.entry({ name, mode: FILE_MODE, mtime: new Date(head.at) }, Buffer.from(bytes))
  entry(MANIFEST, new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`))
  for (const [name, bytes] of files) entry(name, bytes)
  pack.finalize()
  await writeNewFile(path, async file => {
    // before a byte of the key is in it
    if (process.platform !== 'win32') await chmod(path, FILE_MODE)
    for await (const part of pack as AsyncIterable<Uint8Array>) await writeAll(file, part)
  })
}

/** Throws `InvalidInputError` naming what is wrong: no archive of ours, a later version, a name that is none, other bytes than were backed up. */
export async function readArchive(path: string): Promise<Archive> {
  const refuse = (reason: string, cause?: unknown): InvalidInputError =>
    new InvalidInputError(`${path} cannot be restored: ${reason}`, { cause })
  let manifest: BackupManifest | undefined
  let listed = new Map<string, BackupManifest['files'][number]>()
  const files = new Map<string, Uint8Array>()
  const take = async (name: string, size: number, body: AsyncIterable<Uint8Array>): Promise<void> => {
    if (manifest === undefined) {
      if (name !== MANIFEST) throw refuse(`it does not begin with ${MANIFEST}, so "coopt backup" did not write it`)
      if (size > MAX_MANIFEST_BYTES) throw refuse(`${MANIFEST} has ${size} bytes`)
      manifest = parseManifest(await collect(body), refuse)
      listed = new Map(manifest.files.map(file => [file.name, file]))
      return
    }
    const known = listed.get(name)
    const file = parseArchiveName(name)
    if (known === undefined || file === undefined) throw refuse(`${JSON.stringify(name)} is not a file of a backup`)
    if (files.has(name)) throw refuse(`${name} is in it twice`)
    if (size !== known.bytes || size > mostBytes(file))
      throw refuse(`${name} has ${size} bytes instead of ${known.bytes}`)
    const bytes = await collect(body)
    if (sha256(bytes) !== known.sha256) throw refuse(`${name} is damaged: its SHA-256 is not the one in ${MANIFEST}`)
    files.set(name, bytes)
  }
  const extract = tar.extract()
  const input = createReadStream(path)
  input.on('error', error => extract.destroy(error))
  input.pipe(extract)
  try {
    for await (const entry of extract) {
      const { name, size, type } = entry.header
      if (type !== 'file') throw refuse(`${JSON.stringify(name)} is not a file but a ${type ?? 'thing'}`)
      await take(name, size, entry as AsyncIterable<Uint8Array>)
    }
  } catch (cause) {
    if (cause instanceof CoOptError) throw cause
    throw refuse(
      errorCode(cause) === 'ENOENT' ? 'there is no such file' : `it is not a tar, or cut off (${String(cause)})`,
      cause
    )
  } finally {
    input.destroy()
  }
  if (manifest === undefined) throw refuse('it is empty')
  const missing = [...listed.keys()].find(name => !files.has(name))
  if (missing !== undefined) throw refuse(`${missing} is missing: the file was cut off`)
  return { manifest, files }
}

// --- internal ---

const headSchema = z.object({ format: z.literal(FORMAT), v: z.number() })

function parseManifest(
  bytes: Uint8Array,
  refuse: (reason: string, cause?: unknown) => InvalidInputError
): BackupManifest {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw refuse(`${MANIFEST} is not JSON`, cause)
  }
  const head = headSchema.safeParse(value)
  if (head.success && head.data.v !== VERSION)
    throw refuse(`it has format version ${head.data.v}, and this coopt reads ${VERSION}: update coopt`)
  const checked = manifestSchema.safeParse(value)
  if (checked.success) return checked.data
  throw refuse(`${MANIFEST}: ${z.prettifyError(checked.error).replaceAll('\n', ' ')}`)
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Uint8Array.from(Buffer.concat(parts))
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
