/** People as a prior: psi(x) is the one-hot (or soft) label of x, absent for an image without a label. */
import { createHash } from 'node:crypto'
import { matrix } from '../../src/matrix.ts'
import { createLabelReader, type Labels } from '../../src/optimize/labels.ts'
import { NameIndex } from '../../src/optimize/name-index.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import { idOfDigest } from '../../src/optimize/sample-key.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'
import { randomMultipliers, resolveNames } from './image-names.ts'
import { textLines } from './text-lines.ts'

export interface LabelFile {
  readonly labels: Labels
  /** Of the file's bytes, and of the images that its names mean. */
  readonly digest: Uint8Array
  /** By the id of a sample, where the file has file names. */
  readonly nameOf?: ReadonlyMap<string, string>
  /** What file names were taken for, for people. */
  readonly assumed: readonly string[]
}

/**
 * Read a label file as a stream: hash and labels in one pass. `images`: where file names lead (image-names.ts). Throws `InvalidPriorError` naming
 * the line.
 */
export async function readLabelFile(path: string, images?: string): Promise<LabelFile> {
  const hash = createHash('sha256')
  const reader = createLabelReader()
  for await (const lines of textLines(path, chunk => hash.update(chunk))) for (const line of lines) reader.line(line)
  const labels = reader.finish()
  const digest = hash.digest()
  if (labels.keys !== 'name') return { labels, digest, assumed: [] }
  const index = new NameIndex(randomMultipliers())
  const names = [...labels.ids()]
  for (const [row, name] of names.entries()) index.add(name, row)
  const nameOf = new Map<string, string>()
  const mapping = createHash('sha256').update(digest)
  const found = await resolveNames(path, index, images, (image, row) => {
    const id = idOfDigest(image)
    if (nameOf.has(id)) return false
    nameOf.set(id, names[row] ?? '')
    mapping.update(image).update(`${row} `)
    return true
  })
  return { labels, digest: mapping.digest(), nameOf, assumed: [found] }
}

export function createHumanPrior(
  { labels, digest, nameOf, assumed }: LabelFile,
  options: { name: string; license?: string }
): PriorModel {
  const l = labels.dimension
  return {
    descriptor: {
      kind: 'human',
      id: sha256Cid(digest),
      name: options.name,
      dimension: l,
      ...(options.license === undefined ? {} : { license: options.license }),
      ...(assumed.length === 0 ? {} : { assumed }),
      feature: labels.kind === 'hard' ? `one-hot label of ${l} classes` : `${l} probabilities`
    },
    async embed(images, { signal } = {}) {
      signal?.throwIfAborted()
      const data = new Float32Array(images.length * l)
      const absent = images.map(
        ({ id }, i) =>
          !labels.write(nameOf === undefined ? id : (nameOf.get(id) ?? ''), data.subarray(i * l, (i + 1) * l))
      )
      return { features: matrix(images.length, l, data), absent }
    },
    async close() {
      // nothing is held but memory
    }
  }
}
