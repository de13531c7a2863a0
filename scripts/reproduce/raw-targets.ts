/** Every prior's own targets of all images, from swarms with one participant (`single`), and the images' labels. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeMatrix } from '../../src/bytes.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { NPY_HEADER_BYTES } from '../../node/export/npy.ts'
import { compareVariants, type VariantResult } from './alignment-variants.ts'
import { targetsFolder } from './simulations.ts'
import { configName, single } from './swarms.ts'

const CLASSES = 10

/** `labels`: id,label as image-files.ts writes it. */
export function variantsOf({ cache, labels }: { cache: string; labels: string }) {
  return async (
    priors: readonly string[],
    reference: string,
    shared: number,
    seed: number
  ): Promise<VariantResult[]> => {
    const [, ...lines] = (await readFile(labels, 'utf8')).trim().split('\n')
    const classOf = new Map(
      lines.map(line => [line.slice(0, line.indexOf(',')), Number(line.slice(line.indexOf(',') + 1))])
    )
    const matrices = new Map<string, Matrix32>()
    let ids: string[] | undefined
    for (const prior of priors) {
      const path = join(targetsFolder(cache), `${configName(single(prior).name, seed)}.npy`)
      const own = (await readFile(`${path}.ids.txt`, 'utf8')).trim().split('\n')
      ids ??= own
      if (own.length !== ids.length || own.some((id, i) => id !== ids?.[i]))
        throw new InvalidInputError(`${path} does not have the same rows as that of ${priors[0]}`)
      const bytes = await readFile(path)
      const columns = (bytes.byteLength - NPY_HEADER_BYTES) / 4 / own.length
      matrices.set(prior, decodeMatrix(bytes.subarray(NPY_HEADER_BYTES), own.length, columns))
    }
    // rows are ordered by partition: shuffle them, so that the first ones are a sample
    const order = [...shuffle(ids?.length ?? 0, createRandomStream('coopt/1/reproduce', new Uint8Array(32), `${seed}`))]
    const chosen = new Map(
      [...matrices].map(([prior, m]) => {
        const data = new Float32Array(m.data.length)
        order.forEach((from, to) => data.set(m.data.subarray(from * m.columns, (from + 1) * m.columns), to * m.columns))
        return [prior, { ...m, data }]
      })
    )
    return await compareVariants({
      priors: chosen,
      reference,
      labels: Int32Array.from(order, i => classOf.get(ids?.[i] ?? '') ?? -1),
      classes: CLASSES,
      shared,
      seed
    })
  }
}
