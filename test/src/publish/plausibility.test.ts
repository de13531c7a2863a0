import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix, type Matrix32 } from '../../../src/matrix.ts'
import { agreementOf } from '../../../src/publish/agreement.ts'
import { checkRows, expectedZ, fitPlausibility, plausibility } from '../../../src/publish/plausibility.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'

const M = 200
const N = 24
const POOL = 400

/** The chosen rows of a matrix. */
function take(m: Matrix32, rows: ArrayLike<number>): Matrix32 {
  const data = new Float32Array(rows.length * m.columns)
  for (let i = 0; i < rows.length; i++)
    data.set(m.data.subarray((rows[i] as number) * m.columns, ((rows[i] as number) + 1) * m.columns), i * m.columns)
  return { rows: rows.length, columns: m.columns, data }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** Targets of two priors that see the same causes, on S and on a partition. */
function pair({ noisy = 1, seed = 'pair' }: { noisy?: number; seed?: string } = {}) {
  const causes = gaussian(M + POOL, 8, 'causes', seed)
  const [own, their] = [honest(causes, N, noisy, `${seed} own`), honest(causes, N, 1, `${seed} their`)]
  return {
    ownShared: take(own, range(0, M)),
    theirShared: take(their, range(0, M)),
    own: take(own, range(M, M + POOL)),
    their: take(their, range(M, M + POOL))
  }
}

function mapped(m: Matrix32, change: (value: number, at: number) => number): Matrix32 {
  return { ...m, data: m.data.map(change) }
}

/** Every order of 0 .. n - 1. */
function orders(n: number): number[][] {
  if (n === 0) return [[]]
  return orders(n - 1).flatMap(order => range(0, n).map(at => [...order.slice(0, at), n - 1, ...order.slice(at)]))
}

const unitRows = (m: Matrix): number[][] =>
  range(0, m.rows).map(i => {
    const row = [...m.data.subarray(i * m.columns, (i + 1) * m.columns)]
    const length = Math.hypot(...row)
    return row.map(v => v / length)
  })

describe('agreement of rows', () => {
  test.each([
    [5, 2],
    [5, 9],
    [6, 3]
  ])('mean and variance are those of all permutations of %i rows (%i columns)', (k, n) => {
    const [p, y] = [gaussian(k, n, 'p', `${k} ${n}`), gaussian(k, n, 'y', `${k} ${n}`)]
    const [a, b] = [unitRows(p), unitRows(y)]
    const sum = (order: number[]): number =>
      a.reduce((total, row, i) => total + row.reduce((s, v, c) => s + v * (b[order[i] ?? 0]?.[c] ?? 0), 0), 0)
    const all = orders(k).map(sum)
    const mean = all.reduce((s, v) => s + v, 0) / all.length
    const deviation = Math.sqrt(all.reduce((s, v) => s + (v - mean) ** 2, 0) / all.length)
    const found = agreementOf({ ...p, data: p.data.slice() }, { ...y, data: y.data.slice() })
    expect(found.z).toBeCloseTo((sum(range(0, k)) - mean) / deviation, 9)
    // the mean over permutations is that over all pairs of rows
    expect(found.agreement).toBeCloseTo((sum(range(0, k)) - mean) / (k - 1), 9)
  })

  test('rows that do not vary agree on nothing, zero rows have no direction', () => {
    const constant = (): Matrix => ({ rows: 9, columns: 3, data: new Float64Array(27).fill(0.1) })
    const zero = (): Matrix => ({ rows: 9, columns: 3, data: new Float64Array(27) })
    for (const side of [constant, zero])
      expect(agreementOf(side() as never, gaussian(9, 3, 'y'))).toEqual({
        z: 0,
        agreement: 0,
        deviation: 0,
        ownSquare: 0,
        otherSquare: 0
      })
    const some = gaussian(9, 3, 'some zero')
    some.data.fill(0, 0, 3)
    expect(Number.isFinite(agreementOf(some, gaussian(9, 3, 'y')).z)).toBe(true)
  })
})

describe('plausibility of rows', () => {
  test('honest rows are plausible, with about the z that S promised', async () => {
    const { ownShared, theirShared, own, their } = pair()
    const fit = await fitPlausibility(ownShared, theirShared)
    for (const k of [32, 64, 128]) {
      const rows = [...shuffle(POOL, createRandomStream('test', `${k}`))].slice(0, k)
      const found = checkRows(fit, { ownRows: take(own, rows), theirRows: take(their, rows) })
      expect(found).toMatchObject({ verdict: 'plausible', rows: k, expected: expectedZ(fit, k) })
      expect(Math.abs(found.z - found.expected)).toBeLessThan(3.5)
      expect(Math.abs(found.shortfall)).toBeLessThan(3.5)
    }
    expect(expectedZ(fit, 128)).toBeGreaterThan(expectedZ(fit, 64))
  })

  test('in one call or from a cached fit, the verdict is the same', async () => {
    const { ownShared, theirShared, own, their } = pair()
    const rows = { ownRows: take(own, range(0, 64)), theirRows: take(their, range(0, 64)) }
    const once = await plausibility({ ownShared, theirShared, ...rows })
    expect(once).toEqual(checkRows(structuredClone(await fitPlausibility(ownShared, theirShared)), rows))
  })

  const K = 128
  const rows = range(0, K)
  const shifted = range(K, 2 * K)
  const garbage: Array<[string, (given: ReturnType<typeof pair>) => Matrix32]> = [
    ['noise', () => noise(K, N, 'garbage')],
    ['permuted rows', ({ their }) => take(their, [...rows.slice(1), 0])],
    ['rows of another partition', ({ their }) => take(their, shifted)],
    [
      'a constant',
      ({ their }) =>
        take(
          their,
          rows.map(() => 3)
        )
    ],
    ['zero rows', () => matrix(K, N, new Float32Array(K * N))],
    ['rows of S sent again', ({ theirShared }) => take(theirShared, rows)],
    ['only the first half honest', ({ their }) => take(their, [...rows.slice(0, K / 2), ...shifted.slice(K / 2)])],
    [
      'nearly a constant',
      ({ their, theirShared }) => mapped(take(their, rows), (v, at) => 20 * (theirShared.data[at % N] ?? 0) + v)
    ]
  ]
  test.each(garbage)('%s: blamed', async (_, make) => {
    const given = pair()
    const fit = await fitPlausibility(given.ownShared, given.theirShared)
    const found = checkRows(fit, { ownRows: take(given.own, rows), theirRows: make(given) })
    expect(found.verdict).toBe('implausible')
  })

  test('targets predicted from those of another prior agree too well to be praised', async () => {
    const { ownShared, theirShared, own } = pair({ noisy: 3 })
    const fit = await fitPlausibility(ownShared, theirShared)
    // T of the checker's own rows: perfect agreement, which no honest rows of this pair have
    const forged = new Float32Array(K * N)
    for (let i = 0; i < K; i++)
      for (let c = 0; c < N; c++) {
        let sum = fit.theirMean[c] ?? 0
        for (let j = 0; j < N; j++)
          sum += ((own.data[i * N + j] ?? 0) - (fit.ownMean[j] ?? 0)) * (fit.map.data[c * N + j] ?? 0)
        forged[i * N + c] = sum
      }
    const found = checkRows(fit, { ownRows: take(own, rows), theirRows: matrix(K, N, forged) })
    expect(found.z).toBeGreaterThan(found.expected)
    expect(found.verdict).toBe('abstain')
  })

  test('a checker whose prior says nothing of the author’s abstains, and knows it beforehand', async () => {
    const { theirShared, their } = pair()
    const fit = await fitPlausibility(noise(M, N, 'checker S'), theirShared)
    expect(expectedZ(fit, K)).toBeLessThan(3)
    for (const theirRows of [take(their, rows), take(their, shifted), noise(K, N, 'garbage')])
      expect(checkRows(fit, { ownRows: noise(K, N, 'checker rows'), theirRows }).verdict).toBe('abstain')
  })

  test('a constant S_Y and S with too few common rows expect nothing', async () => {
    const { ownShared, theirShared, own, their } = pair()
    const flat = mapped(ownShared, () => 0.25)
    const sparse = { ...ownShared, data: ownShared.data.slice() }
    for (let i = 5; i < M; i++) sparse.data.set(ABSENT(N), i * N)
    for (const fit of [
      await fitPlausibility(flat, theirShared),
      await fitPlausibility(
        ownShared,
        mapped(theirShared, () => 1)
      ),
      await fitPlausibility(sparse, theirShared)
    ]) {
      expect(expectedZ(fit, K)).toBe(0)
      const found = checkRows(fit, { ownRows: take(own, rows), theirRows: take(their, rows) })
      expect(found).toMatchObject({ z: 0, verdict: 'abstain' })
    }
  })

  test('rows that one of the two lacks are left out, and below eight the check abstains', async () => {
    const { ownShared, theirShared, own, their } = pair()
    const fit = await fitPlausibility(ownShared, theirShared)
    const [ownRows, theirRows] = [take(own, range(0, 70)), take(their, range(0, 70))]
    for (const i of [0, 7]) ownRows.data.set(ABSENT(N), i * N)
    for (const i of [7, 30, 31, 32, 33]) theirRows.data.set(ABSENT(N), i * N)
    const left = range(0, 70).filter(i => ![0, 7, 30, 31, 32, 33].includes(i))
    expect(checkRows(fit, { ownRows, theirRows })).toEqual(
      checkRows(fit, { ownRows: take(own, left), theirRows: take(their, left) })
    )
    const few = { ownRows: take(own, range(0, 7)), theirRows: noise(7, N, 'garbage') }
    expect(checkRows(fit, few)).toMatchObject({ rows: 7, verdict: 'abstain' })
  })

  test('rows, columns and numbers that cannot be compared are errors', async () => {
    const { ownShared, theirShared, own, their } = pair()
    const fit = await fitPlausibility(ownShared, theirShared)
    expect(() => checkRows(fit, { ownRows: take(own, rows), theirRows: take(their, range(0, 9)) })).toThrow(
      NumericError
    )
    expect(() => checkRows(fit, { ownRows: noise(K, N + 1, 'x'), theirRows: take(their, rows) })).toThrow(NumericError)
    const infinite = mapped(take(their, rows), (v, at) => (at === 9 ? Infinity : v))
    expect(() => checkRows(fit, { ownRows: take(own, rows), theirRows: infinite })).toThrow(NumericError)
    await expect(fitPlausibility(take(ownShared, range(0, 90)), theirShared)).rejects.toThrow(NumericError)
  })

  test('extreme numbers give finite figures', async () => {
    const { ownShared, theirShared, own, their } = pair()
    for (const [a, b] of [
      [1e-37, 1e36],
      [1e36, 1e-37]
    ] as const) {
      const fit = await fitPlausibility(
        mapped(ownShared, v => v * a),
        mapped(theirShared, v => v * b)
      )
      const found = checkRows(fit, {
        ownRows: mapped(take(own, rows), v => v * a),
        theirRows: mapped(take(their, rows), v => v * b)
      })
      expect(found.verdict).toBe('plausible')
      expect([found.z, found.expected, found.shortfall].every(Number.isFinite)).toBe(true)
    }
  })
})

describe('laws of plausibility', () => {
  const given = pair()
  const fitted = fitPlausibility(given.ownShared, given.theirShared)
  const chosen = fc.uniqueArray(fc.integer({ min: 0, max: POOL - 1 }), { minLength: 8, maxLength: 80 })

  test('the order of the rows does not matter', async () => {
    const fit = await fitted
    fc.assert(
      fc.property(chosen, fc.string(), (rows, seed) => {
        const order = [...shuffle(rows.length, createRandomStream('test', seed))].map(i => rows[i] ?? 0)
        const [a, b] = [rows, order].map(list =>
          checkRows(fit, { ownRows: take(given.own, list), theirRows: take(given.their, list) })
        )
        expect(b?.z).toBeCloseTo(a?.z ?? NaN, 9)
        expect(b?.verdict).toBe(a?.verdict)
      })
    )
  })

  test('shifts, rotations and scales of the author’s targets do not matter', async () => {
    await fc.assert(
      fc.asyncProperty(
        chosen,
        fc.double({ min: 0.125, max: 8, noNaN: true }),
        fc.integer({ min: -8, max: 8 }),
        fc.integer({ min: 0, max: N - 1 }),
        async (rows, scale, shift, turn) => {
          // a cyclic shift of the columns is a rotation that float32 keeps exactly
          const change = (m: Matrix32): Matrix32 =>
            mapped(m, (_, at) => {
              const [i, c] = [Math.floor(at / N), at % N]
              return Math.fround(scale * ((m.data[i * N + ((c + turn) % N)] ?? 0) + shift))
            })
          const at = { ownRows: take(given.own, rows), theirRows: take(given.their, rows) }
          const plain = checkRows(await fitted, at)
          const fit = await fitPlausibility(given.ownShared, change(given.theirShared))
          const changed = checkRows(fit, { ...at, theirRows: change(at.theirRows) })
          expect(changed.z).toBeCloseTo(plain.z, 3)
          expect(changed.shortfall).toBeCloseTo(plain.shortfall, 2)
        }
      ),
      { numRuns: 10 }
    )
  })

  test('garbage is never praised, whatever rows are drawn', async () => {
    const fit = await fitted
    fc.assert(
      fc.property(chosen, fc.integer({ min: 1, max: POOL - 1 }), (rows, by) => {
        const other = rows.map(i => (i + by) % POOL)
        const found = checkRows(fit, { ownRows: take(given.own, rows), theirRows: take(given.their, other) })
        expect(found.verdict).not.toBe('plausible')
      })
    )
  })

  test('honest rows are never blamed, whatever rows are drawn and whatever the checker is worth', async () => {
    for (const noisy of [0, 1, 4, 16]) {
      const { ownShared, theirShared, own, their } = pair({ noisy, seed: `worth ${noisy}` })
      const fit = await fitPlausibility(ownShared, theirShared)
      fc.assert(
        fc.property(chosen, rows => {
          const found = checkRows(fit, { ownRows: take(own, rows), theirRows: take(their, rows) })
          expect(found.verdict).not.toBe('implausible')
        })
      )
    }
  })
})
