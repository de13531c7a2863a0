/** Targets appended to Parquet files of other writers, read by other readers; and rows without a target. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { ABSENT, isAbsentRow } from '../../src/bytes.ts'
import { row, type Matrix32 } from '../../src/matrix.ts'
import { appendTargets } from '../../src/publish/shard.ts'
import { concat, fileOf, partitionOf } from '../src/distribute/samples.ts'
import { hex, python, readWith, SCRIPTS } from './python.ts'

const FILES = 60
const CHECK = join(SCRIPTS, 'interop', 'append_check.py')

/** Numbers that use all bits of a float32; every seventh row from the second on is absent. */
function targetsOf(rows: number, columns: number): Matrix32 {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 12.9898) * 43758.5453)
  for (let i = 1; i < rows; i += 7) data.set(ABSENT(columns), i * columns)
  return { rows, columns, data }
}

/** 0 where the target is absent. */
const weightsOf = (m: Matrix32): Float32Array =>
  Float32Array.from({ length: m.rows }, (_, i) => (isAbsentRow(row(m, i)) ? 0 : Math.abs(Math.sin(i * 78.233))))

const hexRows = (m: Matrix32): Array<string | null> =>
  Array.from({ length: m.rows }, (_, i) => {
    const values = row(m, i).slice()
    return isAbsentRow(values) ? null : Buffer.from(values.buffer).toString('hex')
  })

describe.skipIf(inject('python') === '')('targets appended to', () => {
  let work: string
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'coopt-append-'))
  })
  afterAll(async () => await rm(work, { recursive: true, force: true }))

  test('random files of pyarrow and DuckDB leave the old columns their bytes and values, for both', async () => {
    const seed = process.env['COOPT_INTEROP_SEED'] ?? `${Date.now()}`
    const sizes = JSON.parse(await python(work, [CHECK, 'write', work, `${FILES}`, seed])) as number[]
    expect(sizes).toHaveLength(FILES)
    const expected = []
    for (const [i, rows] of sizes.entries()) {
      const source = new Uint8Array(await readFile(join(work, `${i}.parquet`)))
      const targets = targetsOf(rows, 1 + (i % 5))
      const weights = i % 3 === 0 ? undefined : weightsOf(targets)
      const columns = { targets, ...(weights && { weights }) }
      const { keep, tail } = await appendTargets(fileOf(source), columns, { added: 'x' })
      await writeFile(join(work, `${i}.out.parquet`), await concat([source.subarray(0, keep), ...tail]))
      const seen = { targets: hexRows(targets), weights: weights === undefined ? null : hex(weights) }
      expected.push({ pyarrow: seen, duckdb: seen })
    }
    const seen: unknown = JSON.parse(await python(work, [CHECK, 'compare', work, `${FILES}`]))
    expect(seen, `COOPT_INTEROP_SEED=${seed}`).toEqual(expected)
  })

  test.each(['pyarrow', 'pandas', 'polars', 'duckdb', 'datasets', 'datasets-streaming'])(
    'a partition are null for %s where a row has none, also in a shard behind one that has all',
    async reader => {
      const files: string[] = []
      const expected: Array<{ target: string | null; weight: string }> = []
      for (const absent of [false, true]) {
        const rows = 1100 // more than a row group
        const targets = targetsOf(rows, 16)
        if (!absent) for (let i = 1; i < rows; i += 7) targets.data.fill(1, i * 16, (i + 1) * 16)
        const source = await partitionOf(Array.from({ length: rows }, () => 30))
        const { keep, tail } = await appendTargets(fileOf(source), { targets, weights: weightsOf(targets) }, {})
        const path = join(work, `nulls-${absent ? 1 : 0}.parquet`)
        await writeFile(path, await concat([source.subarray(0, keep), ...tail]))
        files.push(path)
        const weights = weightsOf(targets)
        expected.push(...hexRows(targets).map((target, i) => ({ target, weight: hex(weights.subarray(i, i + 1)) })))
      }
      expect(expected).toContainEqual({ target: null, weight: '00000000' })
      const { rows } = await readWith(reader, files, work)
      expect(rows.map(({ target, weight }) => ({ target, weight }))).toEqual(expected)
    }
  )
})
