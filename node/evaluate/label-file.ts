/**
 * Labels for an evaluation: CSV `id,label` with images by CID, or `name,label` with images by their owner's file names. Labels are never used by
 * priors or records.
 */
import { readFile, stat } from 'node:fs/promises'
import { InvalidInputError } from '../../src/errors.ts'
import { parseLabels } from '../../src/optimize/labels.ts'

/** Seven million rows of CIDs, slightly below the longest string of V8. */
const MAX_BYTES = 500 * 1024 ** 2

export interface LabelFile {
  readonly path: string
  readonly by: 'id' | 'name'
  /** Class names */
  readonly names: readonly string[]
  readonly count: number
  /** Index of the class of an id or name */
  of(key: string): number | undefined
}

/** Throws `InvalidInputError` if the file cannot be read, `InvalidPriorError` naming the invalid line. */
export async function readLabels(path: string): Promise<LabelFile> {
  const text = await readText(path)
  const by = /^\uFEFF?"?name"?\s*,/.test(text) ? 'name' : 'id'
  const labels = parseLabels(by === 'name' ? text.replace(/^\uFEFF?"?name"?/, 'id') : text)
  if (labels.kind !== 'hard')
    throw new InvalidInputError(`${path} has probabilities; an evaluation needs one label for each image: id,label`)
  const row = new Float32Array(labels.dimension)
  return {
    path,
    by,
    names: labels.names,
    count: labels.count,
    of: key => {
      row.fill(0)
      return labels.write(key, row) ? row.indexOf(1) : undefined
    }
  }
}

// --- internal ---

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw new InvalidInputError(`${path} has ${size} bytes; at most ${MAX_BYTES} are accepted`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause
    throw new InvalidInputError(`${path} cannot be read as labels: ${cause instanceof Error ? cause.message : ''}`, {
      cause
    })
  }
}
