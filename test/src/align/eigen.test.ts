import { expect, test } from 'vitest'
import { symmetricEigen } from '../../../src/align/eigen.ts'
import { columnMeans, subtractRow } from '../../../src/align/rows.ts'
import { zeros } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'

/** Gram matrix of the centred targets of one-hot labels: of rank 9, and the other 71 eigenvalues are what rounding left. */
function gramOfLabels(seed: number) {
  const [rows, classes, n] = [257, 10, 80]
  const stream = createRandomStream('test', 'labels', `${seed}`)
  const targets = Float32Array.from({ length: classes * n }, () => (stream.uniform() - 0.5) * 0.4)
  const x = zeros(rows, n)
  for (let i = 0; i < rows; i++) {
    const label = stream.below(classes)
    x.data.set(targets.subarray(label * n, (label + 1) * n), i * n)
  }
  subtractRow(x, columnMeans(x))
  const gram = zeros(n, n)
  for (let i = 0; i < rows; i++)
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) gram.data[a * n + b]! += x.data[i * n + a]! * x.data[i * n + b]!
  return gram
}

test('a matrix of low rank, like that of labels, has eigenvalues too: at most rounding apart from the matrix', () => {
  for (let seed = 0; seed < 60; seed++) {
    const gram = gramOfLabels(seed)
    const { values, vectors } = symmetricEigen(gram)
    const n = gram.rows
    const largest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0)
    expect(values.filter(v => Math.abs(v) > 1e-12 * largest).length, `rank with seed ${seed}`).toBe(9)
    let worst = 0
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) {
        let sum = 0
        for (let k = 0; k < n; k++) sum += values[k]! * vectors.data[k * n + a]! * vectors.data[k * n + b]!
        worst = Math.max(worst, Math.abs(sum - gram.data[a * n + b]!))
      }
    expect(worst / largest, `seed ${seed}`).toBeLessThan(1e-13)
  }
})
