/**
 * Merged targets as files: NAME.npy (float32 [rows, n]), NAME.npy.weights.npy and NAME.npy.ids.txt exactly as `coopt export --npy` writes them
 * (without weights if nothing was aligned), and NAME.provenance.csv with the author of each row. Rows without a target are left out.
 */
import { join } from 'node:path'
import { encodeMatrix } from '../../../src/bytes.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { NPY_HEADER_BYTES, npyHeader } from '../../export/npy.ts'
import { writeFileAtomic } from '../../store/atomic-file.ts'

/** Rows in the order of the merged dataset: partition after partition. */
export interface MergedTargets {
  readonly targets: Matrix32
  /** Of each row (src/align/row-weight.ts); undefined if the targets are not aligned */
  readonly weights?: Float32Array | undefined
  /** Image numbers */
  readonly images: Uint32Array
  /** By row, as an index into `authors` */
  readonly author: Uint16Array
  readonly authors: ReadonlyArray<{ readonly participant: string; readonly prior: string }>
}

const PUBLIC_MODE = 0o644

/** Replaces files of the same name. `ids`: of every image, as text. Returns the paths. */
export async function writeTargets(
  folder: string,
  name: string,
  { targets, weights, images, author, authors }: MergedTargets,
  ids: readonly string[]
): Promise<string[]> {
  const idLines = Array.from(images, i => `${ids[i]}\n`)
  const owners = Array.from(images, (image, row) => {
    const by = authors[author[row] as number]
    return `${ids[image]},${by?.participant},${by?.prior}\n`
  })
  const files: [string, Uint8Array][] = [
    [`${name}.npy`, npy([targets.rows, targets.columns], targets.data)],
    ...(weights === undefined
      ? []
      : [[`${name}.npy.weights.npy`, npy([targets.rows], weights)] as [string, Uint8Array]]),
    [`${name}.npy.ids.txt`, new TextEncoder().encode(idLines.join(''))],
    [`${name}.provenance.csv`, new TextEncoder().encode(`id,participant,prior\n${owners.join('')}`)]
  ]
  for (const [file, bytes] of files) await writeFileAtomic(join(folder, file), bytes, { mode: PUBLIC_MODE })
  return files.map(([file]) => join(folder, file))
}

// --- internal ---

function npy(shape: readonly number[], data: Float32Array): Uint8Array {
  const body = encodeMatrix({ rows: 1, columns: data.length, data })
  const file = new Uint8Array(NPY_HEADER_BYTES + body.byteLength)
  file.set(npyHeader(shape))
  file.set(body, NPY_HEADER_BYTES)
  return file
}
