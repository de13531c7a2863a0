/** People as a prior: psi(x) is the one-hot (or soft) label of x, absent for an image without a label. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { InvalidPriorError } from '../../src/errors.ts'
import { matrix } from '../../src/matrix.ts'
import { createLabelReader, type Labels } from '../../src/optimize/labels.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'

/** Above the longest valid line; a file without line ends is not collected into memory. */
const MAX_LINE_CHARACTERS = 600_000

export interface LabelFile {
  readonly labels: Labels
  /** Of the file's bytes. */
  readonly digest: Uint8Array
}

/** Read a label file as a stream: hash and labels in one pass. Throws `InvalidPriorError` naming the line. */
export async function readLabelFile(path: string): Promise<LabelFile> {
  const hash = createHash('sha256')
  const reader = createLabelReader()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (cause) {
      throw new InvalidPriorError(`labels: ${path} is not UTF-8 text`, { cause })
    }
  }
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    const lines = (rest + decode(chunk)).split('\n')
    rest = lines.pop() as string
    for (const line of lines) reader.line(line.replace(/\r$/, ''))
    if (rest.length > MAX_LINE_CHARACTERS)
      throw new InvalidPriorError(`labels: a line of ${path} is longer than ${MAX_LINE_CHARACTERS} characters`)
  }
  rest += decode()
  if (rest !== '') reader.line(rest.replace(/\r$/, ''))
  return { labels: reader.finish(), digest: hash.digest() }
}

export function createHumanPrior(
  { labels, digest }: LabelFile,
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
      feature: labels.kind === 'hard' ? `one-hot label of ${l} classes` : `${l} probabilities`
    },
    async embed(images, { signal } = {}) {
      signal?.throwIfAborted()
      const data = new Float32Array(images.length * l)
      const absent = images.map(({ id }, i) => !labels.write(id, data.subarray(i * l, (i + 1) * l)))
      return { features: matrix(images.length, l, data), absent }
    },
    async close() {
      // nothing is held but memory
    }
  }
}
