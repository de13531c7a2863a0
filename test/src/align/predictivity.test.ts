import { describe, expect, test } from 'vitest'
import { multiplyByTranspose } from '../../../src/gemm.ts'
import { splitRows } from '../../../src/align/held-out.ts'
import { createForm, pairFigures } from '../../../src/align/prediction-form.ts'
import { createPredictivityMemo, MAX_PANEL, predictivity, priorGroups } from '../../../src/align/predictivity.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'
import { float32, vectors } from '../../helpers/vectors.ts'

interface Known {
  cases: Array<{
    seed: string
    rows: number
    columns: number
    targets: Record<string, number[]>
    leaders: string[]
    values: Record<string, number>
  }>
}

const seed = new Uint8Array(32).fill(9)
const hidden = gaussian(240, 8, 'causes')
const prior = (id: string, spread: number, votes = true) => ({ id, targets: honest(hidden, 20, spread, id), votes })
const times = (m: Matrix32, by: { rows: number; columns: number; data: Float64Array }): Matrix32 => {
  const product = multiplyByTranspose(matrix(m.rows, m.columns, Float64Array.from(m.data)), by)
  return matrix(m.rows, by.rows, Float32Array.from(product.data))
}

describe('predictivity', () => {
  test.each(vectors<Known>('predictivity').cases)('values of $rows x $columns equal those of scikit-learn', c => {
    const candidates = Object.entries(c.targets).map(([id, data]) => ({
      id,
      targets: float32(c.rows, { columns: c.columns, data }),
      votes: true
    }))
    const values = predictivity(candidates, Buffer.from(c.seed, 'hex'))
    for (const [id, value] of Object.entries(c.values))
      expect(Math.abs((values.get(id) ?? NaN) - value)).toBeLessThan(1e-9)
  })

  const field = [prior('a', 0.1), prior('b', 2), prior('c', 2), prior('d', 2), prior('e', 6)]

  test('the clearer view predicts the others better, noise predicts nobody', () => {
    const values = predictivity([...field, { id: 'n', targets: noise(240, 20, 'n'), votes: true }], seed)
    const order = [...values].sort(([, a], [, b]) => b - a).map(([id]) => id)
    expect(order[0]).toBe('a')
    expect(order.slice(-2)).toEqual(['e', 'n'])
    expect(values.get('n')).toBeLessThan(0)
  })

  test('the order of arrival, repetition and the memo change no bit', () => {
    const expected = predictivity(field, seed)
    const memo = createPredictivityMemo()
    predictivity(field.slice(2), seed, memo)
    predictivity([prior('x', 1), ...field.slice(0, 3)], seed, memo)
    expect(predictivity(field.toReversed(), seed, memo)).toEqual(expected)
    expect(predictivity([...field.toReversed(), ...field], seed)).toEqual(expected)
    expect(memo.forms.size).toBe(5)
  })

  test('pairs computed together have the bits of pairs computed one by one', () => {
    // 400 rows make triangles longer than one chunk
    const forms = ['p', 'q', 'r', 's', 't'].map(id =>
      createForm(honest(gaussian(400, 8, 'pairs'), 20, 1, id), seed, 0.01, 512)
    )
    const together = pairFigures(forms, forms.slice(1))
    forms.forEach((from, i) => {
      forms.slice(1).forEach((to, j) => {
        expect(together.data[i * 4 + j]).toBe(pairFigures([from], [to]).data[0])
      })
    })
  })

  test('targets that lack most of the rows that are predicted gain nothing by that', () => {
    const known = new Set(splitRows(seed, 240, 512).test.slice(0, 8))
    const lacking = noise(240, 20, 'lacking')
    const { test: tested } = splitRows(seed, 240, 512)
    for (const i of tested) if (!known.has(i)) lacking.data.set(ABSENT(20), i * 20)
    const values = predictivity([...field, { id: 'lacking', targets: lacking, votes: false }], seed)
    expect(values.get('lacking')).toBeLessThan(0.2)
  })

  test('copies of one prior count once, however they are turned', () => {
    const values = predictivity(field, seed)
    const d = field[3]
    if (d === undefined) throw new Error('no field')
    const copies = ['f', 'g', 'h', 'i'].map(id => ({
      id,
      targets: times(d.targets, gaussian(20, 20, 'turn', id)),
      votes: true
    }))
    const crowded = predictivity([...field, ...copies], seed)
    for (const { id } of field) {
      if (id !== 'd') expect(crowded.get(id), id).toBeCloseTo(values.get(id) ?? NaN, 12)
    }
    // a prior is not judged on its own copies: they would predict it perfectly
    for (const { id } of copies) expect(crowded.get(id)).toBeLessThan(0.6)
  })

  test('whitening makes a weak prior uniform and does not make it predictive', () => {
    const values = predictivity([...field, { id: 'w', targets: whitened(prior('w', 3).targets), votes: true }], seed)
    expect(values.get('w')).toBeLessThan(values.get('a') ?? 0)
    expect(values.get('w')).toBeLessThan(values.get('b') ?? 0)
  })

  test('those who do not vote are valued and leave the others alone', () => {
    const labels = prior('l', 0.5, false)
    for (let i = 0; i < 240; i += 7) labels.targets.data.set(ABSENT(20), i * 20)
    const values = predictivity([...field, labels], seed)
    const expected = predictivity(field, seed)
    for (const { id } of field) expect(values.get(id)).toBe(expected.get(id))
    expect(values.get('l')).toBeGreaterThan(0)
    // voting does not help a prior that lacks rows: nobody can be asked to predict what is not there
    expect(predictivity([...field, { ...labels, votes: true }], seed)).toEqual(values)
  })

  test('without others the value is 0', () => {
    expect([...predictivity([prior('a', 1)], seed)]).toEqual([['a', 0]])
    expect(predictivity([], seed).size).toBe(0)
  })

  test('more priors than the panel takes are all valued, in bounded memory', () => {
    const causes = gaussian(24, 3, 'small')
    const many = [...Array(MAX_PANEL + 8).keys()].map(i => ({
      id: `p${i}`,
      targets: honest(causes, 4, 2, `p${i}`),
      votes: true
    }))
    const memo = createPredictivityMemo()
    const values = predictivity(many, seed, memo)
    expect(values.size).toBe(MAX_PANEL + 8)
    expect(memo.forms.size).toBeLessThanOrEqual(MAX_PANEL)
    expect(predictivity(many.toReversed(), seed)).toEqual(values)
  })

  test('more priors than the panel takes belong to at most as many groups, copies outside of it to one inside', () => {
    const causes = gaussian(24, 3, 'small')
    const many = [...Array(MAX_PANEL + 8).keys()].map(i => ({
      id: `p${i}`,
      targets: honest(causes, 4, 2, `p${i}`),
      votes: true
    }))
    const groups = priorGroups(many, seed)
    expect(groups.size).toBeLessThanOrEqual(many.length)
    expect(new Set(groups.values()).size).toBeLessThanOrEqual(MAX_PANEL)
    const [inside] = groups.keys()
    const copied = many.find(({ id }) => id === inside)
    const copies = [1, 2, 3, 4].map(i => ({
      id: `q${i}`,
      votes: true,
      targets: matrix(
        24,
        4,
        (copied?.targets.data ?? new Float32Array(0)).map(x => x * (1 + i))
      )
    }))
    const crowded = priorGroups([...many, ...copies], seed)
    const leaders = new Set([copied, ...copies].flatMap(one => crowded.get(one?.id ?? '') ?? []))
    expect(leaders.size).toBeLessThanOrEqual(1)
    expect(priorGroups([...many, ...copies].toReversed(), seed)).toEqual(crowded)
  })
})

/** Columns made uncorrelated and of equal variance (Gram, Schmidt on centred columns). */
function whitened(m: Matrix32): Matrix32 {
  const columns: number[][] = []
  for (let c = 0; c < m.columns; c++) {
    let column = Array.from({ length: m.rows }, (_, i) => m.data[i * m.columns + c] as number)
    const mean = column.reduce((a, b) => a + b, 0) / m.rows
    column = column.map(x => x - mean)
    for (const other of columns) {
      const along = column.reduce((sum, x, i) => sum + x * (other[i] ?? 0), 0)
      column = column.map((x, i) => x - along * (other[i] ?? 0))
    }
    const length = Math.hypot(...column)
    columns.push(column.map(x => x / length))
  }
  return matrix(
    m.rows,
    m.columns,
    Float32Array.from({ length: m.data.length }, (_, at) => columns[at % m.columns]?.[Math.floor(at / m.columns)] ?? 0)
  )
}
