/** A table of vectors as a prior: psi(x) is the vector of x, absent for an image that has none. */
import { NonFiniteFeatureError } from '../../../src/errors.ts'
import { matrix } from '../../../src/matrix.ts'
import type { PriorModel } from '../../../src/optimize/prior.ts'
import { digestOfId } from '../../../src/optimize/sample-key.ts'
import type { OpenTable } from './open-table.ts'
import { nonFinite } from './vector-source.ts'

export function createTablePrior(table: OpenTable, options: { name: string; license?: string }): PriorModel {
  const l = table.dimension
  return {
    descriptor: {
      kind: 'table',
      id: table.id,
      name: options.name,
      dimension: l,
      ...(options.license === undefined ? {} : { license: options.license }),
      feature: table.feature,
      tensor: table.tensor,
      assumed: table.assumed
    },
    async embed(images, { signal } = {}) {
      const data = new Float32Array(images.length * l)
      const absent: boolean[] = []
      for (const [i, { id }] of images.entries()) {
        signal?.throwIfAborted()
        const digest = digestOfId(id)
        const out = data.subarray(i * l, (i + 1) * l)
        absent.push(digest === undefined || !(await table.read(digest, out)))
        // it was finite when the table was opened
        const broken = nonFinite(out)
        if (broken !== undefined)
          throw new NonFiniteFeatureError(`sample ${id}: ${broken}; the table changed meanwhile`)
      }
      return { features: matrix(images.length, l, data), absent }
    },
    close: table.close
  }
}
