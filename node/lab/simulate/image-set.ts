/**
 * The images of a plan, in the order of their digests (as src/distribute/partition.ts takes them), and their labels.
 *
 * Labels are used for evaluation and as human priors only.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { sampleId } from '../../../src/distribute/content-id.ts'
import { DIGEST_BYTES, sortDigests } from '../../../src/distribute/partition.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import type { EncodedImage } from '../../../src/optimize/prior.ts'
import { openSource } from '../../image-sources/source.ts'

export interface ImageSet {
  readonly count: number
  /** sha2-256 of image i at 32 i, ascending */
  readonly digests: Uint8Array
  /** CIDs as text */
  readonly ids: readonly string[]
  /** Of the list of CIDs: names the set */
  readonly digest: string
  /** File names without folders; only used to match labels */
  readonly names: readonly string[]
  read(i: number): Promise<EncodedImage>
  close(): Promise<void>
}

/** A label for some of the images. */
export interface ImageLabels {
  /** By image, -1 without a label */
  readonly classes: Int32Array
  /** Labels in the order of their class numbers */
  readonly names: readonly string[]
  /** Of the label file */
  readonly digest: Uint8Array
}

/** Throws `InvalidInputError`. Call `close` once all features are computed. */
export async function openImages(paths: readonly string[], signal: AbortSignal): Promise<ImageSet> {
  const spool = await mkdtemp(join(tmpdir(), 'coopt-simulate-'))
  try {
    const source = await openSource(paths, { spool, signal })
    const order = sortDigests(source.digests)
    const digests = new Uint8Array(order.length * DIGEST_BYTES)
    order.forEach((from, to) =>
      digests.set(source.digests.subarray(from * DIGEST_BYTES, (from + 1) * DIGEST_BYTES), to * DIGEST_BYTES)
    )
    const ids = Array.from(order, (_, i) => sampleId(digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)))
    return {
      count: ids.length,
      digests,
      ids,
      digest: createHash('sha256').update(digests).digest('hex'),
      names: Array.from(order, i => fileName(source.nameOf(i))),
      read: async i => ({ id: ids[i] as string, bytes: await source.read(order[i] as number) }),
      close: async () => {
        await source.close()
        await rm(spool, { recursive: true, force: true })
      }
    }
  } catch (error) {
    await rm(spool, { recursive: true, force: true })
    throw error
  }
}

/** A file `name,label` or `id,label`. Throws `InvalidInputError` naming the line, or when no image has a label. */
export async function readLabels(path: string, images: ImageSet): Promise<ImageLabels> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new InvalidInputError(`labels ${path} cannot be read: ${cause.message}`, { cause })
  })
  const lines = bytes.toString('utf8').split('\n')
  const header = lines[0]?.trim()
  if (header !== 'name,label' && header !== 'id,label')
    throw new InvalidInputError(`labels ${path}, line 1: the header must be name,label or id,label`)
  const labels = new Map<string, string>()
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line.trim() === '') continue
    const [key = '', label = '', ...rest] = line.trim().split(',')
    if (key === '' || label === '' || rest.length > 0)
      throw new InvalidInputError(`labels ${path}, line ${i + 1}: expected two fields`)
    if (labels.has(key)) throw new InvalidInputError(`labels ${path}, line ${i + 1}: ${key} occurs twice`)
    labels.set(key, label)
  }
  const keys = header === 'id,label' ? images.ids : images.names
  const texts = keys.map(key => labels.get(key))
  const names = [...new Set(texts.filter(text => text !== undefined))].sort(byValue)
  if (names.length < 2)
    throw new InvalidInputError(
      `labels ${path}: the images have ${names.length} different labels; at least two are needed`
    )
  const numbers = new Map(names.map((text, i) => [text, i]))
  const classes = Int32Array.from(texts, text => (text === undefined ? -1 : (numbers.get(text) ?? -1)))
  return { classes, names, digest: createHash('sha256').update(bytes).digest() }
}

// --- internal ---

/** Images from archives are named `archive: path`. */
function fileName(name: string): string {
  return basename(name.slice(name.lastIndexOf(': ') < 0 ? 0 : name.lastIndexOf(': ') + 2))
}

/** Whole numbers first, by value; other text by code unit. */
function byValue(a: string, b: string): number {
  const [x, y] = [a, b].map(text => (/^-?\d{1,15}$/.test(text) ? Number(text) : Infinity)) as [number, number]
  if (x !== y) return x < y ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}
