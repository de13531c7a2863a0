import { describe, expect, test } from 'vitest'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../../src/align/transform.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { alignmentDifference, alignmentHolds, rerunDifference, rerunHolds } from '../../../src/publish/recomputed.ts'
import { asStored, TARGET_DTYPES } from '../../../src/publish/target-dtype.ts'
import { gaussian, honest } from '../../helpers/synthetic-priors.ts'

const N = 16
const causes = gaussian(120, 6, 'causes')
const raw = honest(causes, N, 1, 'raw')
const reference = honest(causes, N, 1, 'reference')
const transform = fitTransform({ from: raw, to: reference, grid: DEFAULT_GRID, gemm: plainGemm })

const changed = (m: Matrix32, row: number, change: (value: number) => number): Matrix32 => ({
  ...m,
  data: m.data.map((value, at) => (Math.floor(at / m.columns) === row ? change(value) : value))
})

describe('targets computed again', () => {
  test.each(TARGET_DTYPES)('a shard is T of its raw targets, as %s', async dtype => {
    const map = { transform: await transform, dtype, gemm: plainGemm }
    const shard = asStored(await applyTransform(map.transform, raw, plainGemm), dtype)
    expect(await alignmentHolds(shard, raw, map)).toBe(true)
    // as other kernels would round
    expect(
      await alignmentHolds(
        changed(shard, 7, v => v * (1 + 5e-5)),
        raw,
        map
      )
    ).toBe(true)
    expect(
      await alignmentDifference(
        changed(shard, 7, v => v * 1.01),
        raw,
        map
      )
    ).toMatchObject({ row: 7 })
    expect(await alignmentHolds(raw, raw, map)).toBe(false)
    expect(
      await alignmentHolds(
        changed(shard, 3, () => NaN),
        raw,
        map
      )
    ).toBe(false)
  })

  test('float32 allows less than float16', async () => {
    const map = { transform: await transform, gemm: plainGemm }
    const shard = await applyTransform(map.transform, raw, plainGemm)
    const off = changed(shard, 0, v => v * (1 + 3e-4))
    expect(await alignmentHolds(off, raw, { ...map, dtype: 'float16' })).toBe(true)
    expect(await alignmentHolds(off, raw, { ...map, dtype: 'float32' })).toBe(false)
  })

  test('a row is absent in both or in neither', async () => {
    const map = { transform: await transform, dtype: 'float32', gemm: plainGemm } as const
    const some = { ...raw, data: raw.data.slice() }
    some.data.set(ABSENT(N), 5 * N)
    const shard = await applyTransform(map.transform, some, plainGemm)
    expect(await alignmentHolds(shard, some, map)).toBe(true)
    expect(await alignmentDifference(shard, raw, map)).toEqual({ row: 5, off: Infinity })
    expect(rerunDifference(raw, some)).toEqual({ row: 5, off: Infinity })
  })

  test('a model run again may differ by a hundredth of a row, another model or image does not pass', () => {
    expect(
      rerunHolds(
        changed(raw, 2, v => v * 1.009),
        raw
      )
    ).toBe(true)
    expect(
      rerunDifference(
        changed(raw, 2, v => v * 1.02),
        raw
      )
    ).toMatchObject({ row: 2 })
    expect(rerunHolds(reference, raw)).toBe(false)
    expect(() => rerunHolds({ ...raw, rows: raw.rows - 1 }, raw)).toThrow(NumericError)
  })
})
