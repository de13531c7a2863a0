/**
 * Merged targets as files: NAME.npy (float32 [rows, n]) and NAME.npy.ids.txt exactly as `coopt export --npy` writes them, and
 * NAME.provenance.csv, which says whose targets each row has. Rows without a target are in none of them.
 */
import { join } from 'node:path'
import { encodeMatrix } from '../../src/bytes.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { npyHeader } from '../export/npy.ts'
import { writeFileAtomic } from '../store/atomic-file.ts'

/** Rows in the order of the merged dataset: partition after partition. */
export interface MergedTargets {
  readonly targets: Matrix32
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
  { targets, images, author, authors }: MergedTargets,
  ids: readonly string[]
): Promise<string[]> {
  const header = npyHeader([targets.rows, targets.columns])
  const body = encodeMatrix(targets)
  const array = new Uint8Array(header.byteLength + body.byteLength)
  array.set(header)
  array.set(body, header.byteLength)
  const idLines = Array.from(images, i => `${ids[i]}\n`)
  const owners = Array.from(images, (image, row) => {
    const by = authors[author[row] as number]
    return `${ids[image]},${by?.participant},${by?.prior}\n`
  })
  const files: [string, Uint8Array][] = [
    [`${name}.npy`, array],
    [`${name}.npy.ids.txt`, new TextEncoder().encode(idLines.join(''))],
    [`${name}.provenance.csv`, new TextEncoder().encode(`id,participant,prior\n${owners.join('')}`)]
  ]
  for (const [file, bytes] of files) await writeFileAtomic(join(folder, file), bytes, { mode: PUBLIC_MODE })
  return files.map(([file]) => join(folder, file))
}
