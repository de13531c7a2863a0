import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { ABSENT } from '../../../src/bytes.ts'
import { InvalidContentError, NumericError } from '../../../src/errors.ts'
import { row, type Matrix32 } from '../../../src/matrix.ts'
import { appendTargets } from '../../../src/publish/shard.ts'
import { readTargets } from '../../../src/publish/shard-rows.ts'
import { decodeNumbers, encodeNumbers } from '../../../src/publish/target-dtype.ts'
import { all, concat, fileOf, partitionOf } from '../distribute/samples.ts'

const shardOf = async (rows: number, targets: Matrix32): Promise<Uint8Array> => {
  const source = await partitionOf(Array.from({ length: rows }, () => 20))
  const { keep, tail } = await appendTargets(fileOf(source), { targets, dtype: 'float16' }, {})
  return await concat([source.subarray(0, keep), ...tail])
}
const one = (value: number): Matrix32 => ({ rows: 1, columns: 1, data: Float32Array.of(value) })

describe('float16 targets', () => {
  test('come back as the nearest float16, absent rows as absent, for our reader and for hyparquet', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.nat(29), { maxLength: 5 }),
        async (rows, columns, absent) => {
          const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 12.9898) * 437.585453)
          for (const i of absent) if (i < rows) data.set(ABSENT(columns), i * columns)
          const bytes = await shardOf(rows, { rows, columns, data })
          const [part] = await all(readTargets(fileOf(bytes), columns, 'float16'))
          const rounded = data.map(Math.f16round)
          expect(part?.targets.data).toEqual(rounded)
          const seen = await parquetReadObjects({ file: bytes.slice().buffer })
          for (const [i, fields] of seen.entries())
            expect(fields['target'] ?? null).toEqual(
              absent.includes(i) ? null : [...row({ rows, columns, data: rounded }, i)]
            )
        }
      ),
      { numRuns: 40 }
    )
  })

  test('are declared as FLOAT16 and as a feature of datasets, and take half the bytes', async () => {
    const targets: Matrix32 = { rows: 10, columns: 4, data: Float32Array.from({ length: 40 }, (_, i) => i / 7) }
    const metadata = parquetMetadata((await shardOf(10, targets)).slice().buffer)
    expect(metadata.schema.at(-1)).toMatchObject({
      name: 'element',
      type: 'FIXED_LEN_BYTE_ARRAY',
      type_length: 2,
      logical_type: { type: 'FLOAT16' }
    })
    const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? ''
    expect(JSON.parse(text)).toMatchObject({
      info: { features: { target: { length: 4, feature: { dtype: 'float16' } } } }
    })
  })

  test('are refused where float16 has no number for them', async () => {
    await expect(shardOf(1, one(65_504))).resolves.toBeDefined()
    await expect(shardOf(1, one(65_520))).rejects.toThrow(NumericError)
    await expect(shardOf(1, one(-1e30))).rejects.toThrow('row 0 of the targets has a value that is too large')
  })

  test('and float32 targets are not taken for each other', async () => {
    const bytes = await shardOf(1, one(1))
    await expect(all(readTargets(fileOf(bytes), 1))).rejects.toThrow('not end with a target column of float32')
    const source = await partitionOf([20])
    const { keep, tail } = await appendTargets(fileOf(source), { targets: one(1) }, {})
    const other = await concat([source.subarray(0, keep), ...tail])
    await expect(all(readTargets(fileOf(other), 1, 'float16'))).rejects.toThrow(
      'not end with a target column of float16'
    )
  })

  test('with infinities, NaN or of another length are refused when read', () => {
    for (const value of [Infinity, -Infinity, NaN])
      expect(() => decodeNumbers(encodeNumbers(one(value), 'float16'), 1, 1, 'float16')).toThrow(InvalidContentError)
    expect(() => decodeNumbers(new Uint8Array(4), 1, 1, 'float16')).toThrow(InvalidContentError)
  })

  test('keep the direction of a vector to a few parts in 10^8', () => {
    const components = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 64, maxLength: 64 })
    const cosine = (a: Float32Array, b: Float32Array): number => {
      let [ab, aa, bb] = [0, 0, 0]
      for (const [i, x] of a.entries()) {
        const y = b[i] as number
        ab += x * y
        aa += x * x
        bb += y * y
      }
      return ab / Math.sqrt(aa * bb)
    }
    fc.assert(
      fc.property(components, values => {
        const a = Float32Array.from(values)
        // below the normal numbers of float16 there is nothing left to keep
        fc.pre(Math.hypot(...a) > 1)
        const b = decodeNumbers(encodeNumbers({ rows: 1, columns: 64, data: a }, 'float16'), 1, 64, 'float16').data
        // relative errors of at most 2^-11 turn a vector by at most that angle: 1 - cos <= 2^-23
        expect(1 - cosine(a, b)).toBeLessThan(2 ** -23 + 1e-12)
      })
    )
  })
})
