import { describe, expect, test } from 'vitest'
import { consensus } from '../../../src/align/consensus.ts'
import { corroboration, createCorroborationMemo } from '../../../src/align/corroboration.ts'
import { symmetricEigen } from '../../../src/align/eigen.ts'
import { createForm, formR2, STRENGTHS } from '../../../src/align/loo-form.ts'
import { fitTransform } from '../../../src/align/transform.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../../src/align/rows.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { multiplyByTranspose, plainGemm, transpose } from '../../../src/gemm.ts'
import { matrix, type Matrix, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, noise } from '../../helpers/synthetic-priors.ts'

const ROWS = 300
const N = 40
const seed = new Uint8Array(32).fill(9)
const all = Array.from({ length: ROWS }, (_, i) => i)
const causes = gaussian(ROWS, 24, 'causes')

/** Sees the causes from..to through a random map, with noise of its own: more causes are more dimensions. */
function seeing(from: number, to: number, own: number, name: string): Matrix32 {
  const mix = gaussian(to - from, N, 'mix', name)
  const data = noise(ROWS, N, name).data.map(value => own * value)
  for (let i = 0; i < ROWS; i++)
    for (let k = from; k < to; k++)
      for (let c = 0; c < N; c++)
        data[i * N + c] =
          (data[i * N + c] as number) + (causes.data[i * 24 + k] as number) * (mix.data[(k - from) * N + c] as number)
  return matrix(ROWS, N, data)
}

function whitened(m: Matrix32): Matrix32 {
  const x = takeRows(m, all)
  subtractRow(x, columnMeans(x))
  const crossed = transpose(x)
  const { values, vectors } = symmetricEigen(multiplyByTranspose(crossed, crossed))
  const map = { ...vectors, data: vectors.data.map((v, at) => v / Math.sqrt(values[Math.floor(at / N)] as number)) }
  return float32(multiplyByTranspose(x, map))
}

function rotated(m: Matrix32): Matrix32 {
  const { vectors } = symmetricEigen(multiplyByTranspose(gaussian(N, N, 'q'), gaussian(N, N, 'q')))
  return float32(multiplyByTranspose(takeRows(m, all), vectors))
}

function blended(m: Matrix32, weight: number, name: string): Matrix32 {
  const a = normaliseRows(takeRows(m, all))
  const b = normaliseRows(takeRows(noise(ROWS, N, name), all))
  return matrix(
    ROWS,
    N,
    Float32Array.from(a.data, (v, at) => (1 - weight) * v + weight * (b.data[at] as number))
  )
}

const float32 = ({ rows, columns, data }: Matrix): Matrix32 => matrix(rows, columns, Float32Array.from(data))

/** Two that see much and four that see little, the same little. */
const honest: Record<string, Matrix32> = {
  good1: seeing(4, 24, 3, 'good1'),
  good2: seeing(4, 24, 3, 'good2'),
  poor1: seeing(0, 5, 0.5, 'poor1'),
  poor2: seeing(0, 5, 0.5, 'poor2'),
  poor3: seeing(0, 4, 0.5, 'poor3'),
  poor4: seeing(0, 4, 0.5, 'poor4')
}

const candidates = (list: Record<string, Matrix32>) =>
  Object.entries(list).map(([id, targets]) => ({ id, targets, votes: true }))
function winner(more: Record<string, Matrix32>, base = honest): string {
  const values = corroboration(candidates({ ...base, ...more }), seed)
  return [...values].sort((a, b) => b[1] - a[1])[0]?.[0] ?? ''
}

describe('leave-one-out forms', () => {
  test.each([
    ['more rows than columns', 300],
    ['fewer rows than columns', 30]
  ])('give the R2 that a fit of T gives, %s', async (_, rows) => {
    const [from, to] = ['poor1', 'good1'].map(name => {
      const x = takeRows(honest[name] as Matrix32, all.slice(0, rows))
      return normaliseRows(subtractRow(x, columnMeans(x)))
    }) as [Matrix, Matrix]
    const { looR2 } = await fitTransform({ from, to, grid: STRENGTHS, gemm: plainGemm })
    const [a, b] = ['good1', 'poor1'].map(name => createForm(honest[name] as Matrix32, all.slice(0, rows)))
    if (a === undefined || b === undefined) throw new Error('no forms')
    expect(formR2(a, b)).toBeCloseTo(looR2, 9)
  })
})

describe('corroboration', () => {
  const first = winner({})

  test('finds the two good priors among four poor ones', () => {
    const ranked = [...corroboration(candidates(honest), seed)].sort((a, b) => b[1] - a[1]).map(([id]) => id)
    expect(ranked.slice(0, 2).sort()).toEqual(['good1', 'good2'])
  })

  test.each<[string, () => Matrix32]>([
    ['noise', () => noise(ROWS, N, 'attack')],
    ['a whitened poor prior that takes part', () => whitened(honest.poor1 as Matrix32)],
    ['a whitened poor prior that does not', () => whitened(seeing(0, 4, 0.5, 'private'))],
    ['a poor prior blended with a tenth of noise', () => blended(honest.poor2 as Matrix32, 0.1, 'b1')],
    ['a poor prior blended with half noise', () => blended(honest.poor2 as Matrix32, 0.5, 'b5')],
    ['the consensus of all', () => rotated(float32(consensus(candidates(honest), seed)))]
  ])('%s changes nothing', (_, attack) => {
    expect(winner({ attack: attack() })).toBe(first)
    expect(winner({ 'a before all in order': attack() })).toBe(first)
  })

  test('copies of the winner, rotated or whitened, are no second opinion', () => {
    const plain = corroboration(candidates(honest), seed)
    const victim = honest[first] as Matrix32
    const copies = { copy: rotated(victim), flat: whitened(victim) }
    const copied = corroboration(candidates({ ...honest, ...copies }), seed)
    // each of the group is worth no more than the original was, and nobody gains by the others' copies
    for (const id of [...Object.keys(honest), 'copy', 'flat'])
      expect(copied.get(id)).toBeLessThan((plain.get(id) ?? plain.get(first) ?? 0) + 0.05)
    expect(['good1', 'good2', 'copy']).toContain(winner(copies))
  })

  test('is the same for every order of arrival, with and without a memo', () => {
    const list = candidates({ ...honest, flat: whitened(honest.poor1 as Matrix32) })
    const memo = createCorroborationMemo()
    const values = corroboration(list, seed, memo)
    expect(corroboration(list.toReversed(), seed)).toEqual(values)
    expect(corroboration(list, seed, memo)).toEqual(values)
    corroboration(list.slice(2), seed, memo)
    expect(memo.forms.size).toBe(list.length - 2)
    expect(corroboration(list, seed, memo)).toEqual(values)
  })

  test('who lacks rows has no value and does not vouch, nor does who may not', () => {
    const lacking = seeing(4, 24, 3, 'third')
    lacking.data.set(ABSENT(N), 0)
    const values = corroboration(
      [...candidates({ ...honest, lacking }), { id: 'mute', targets: seeing(4, 24, 3, 'fourth'), votes: false }],
      seed
    )
    expect(values.get('lacking')).toBe(0)
    expect(values.get('mute')).toBeGreaterThan(1)
    const plain = corroboration(candidates(honest), seed)
    for (const id of Object.keys(honest)) expect(values.get(id)).toBe(plain.get(id))
  })

  test('a single prior has no value, of two unlike ones the better explained leads', () => {
    expect(corroboration(candidates({ only: honest.good1 as Matrix32 }), seed)).toEqual(new Map([['only', 0]]))
    const flat = whitened(seeing(0, 5, 0.5, 'other'))
    expect(winner({ flat }, { poor1: honest.poor1 as Matrix32 })).toBe('poor1')
  })
})
