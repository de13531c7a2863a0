import { expect, test } from 'vitest'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import { matrix } from '../../../src/matrix.ts'
import { importMatrix } from '../../../src/publish/matrix-file.ts'

// one leaf, exactly one, one number more, several
test.each([
  [16, 3],
  [1024, 256],
  [262_145, 1],
  [3000, 300]
])('a matrix of %i x %i has the CID of its import', async (rows, columns) => {
  const m = matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i))
  )
  const { cid } = await importMatrix(m, async () => {})
  expect(matrixCid(m).equals(cid)).toBe(true)
})
