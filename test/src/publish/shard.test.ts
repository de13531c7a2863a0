import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { ABSENT } from '../../../src/bytes.ts'
import { readSamples } from '../../../src/distribute/partition-file.ts'
import { importBytes, IMPORT } from '../../../src/distribute/unixfs-import.ts'
import { readLeaves } from '../../../src/distribute/unixfs-leaves.ts'
import { InvalidContentError, InvalidInputError, NumericError } from '../../../src/errors.ts'
import { row, type Matrix32 } from '../../../src/matrix.ts'
import { shardArrowSchema } from '../../../src/publish/arrow-schema.ts'
import { appendTargets, shardFile } from '../../../src/publish/shard.ts'
import { readTargets } from '../../../src/publish/shard-rows.ts'
import { all, concat, fileOf, partitionOf } from '../distribute/samples.ts'

/** Numbers that use all bits of a float32; rows in `absent` are absent. */
function targetsOf(rows: number, columns: number, absent: (i: number) => boolean = () => false): Matrix32 {
  const data = new Float32Array(rows * columns)
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * 12.9898) * 43758.5453
  for (let i = 0; i < rows; i++) if (absent(i)) data.set(ABSENT(columns), i * columns)
  return { rows, columns, data }
}

async function append(
  source: Uint8Array,
  targets: Matrix32,
  metadata: Record<string, string> = {},
  weights?: Float32Array
) {
  const { keep, tail } = await appendTargets(fileOf(source), { targets, ...(weights && { weights }) }, metadata)
  return { keep, bytes: await concat([source.subarray(0, keep), ...tail]) }
}

function blocks() {
  const stored = new Map<string, Uint8Array>()
  return {
    stored,
    put: async (cid: CID, block: Uint8Array) => {
      stored.set(cid.toString(), block)
    },
    get: async (cid: CID) => {
      const block = stored.get(cid.toString())
      if (block === undefined) throw new Error(`no block ${cid}`)
      return block
    }
  }
}

/** Of all kinds in [0, 1]; 0 where the row is absent. */
const weightsOf = (rows: number, absent: (i: number) => boolean = () => false): Float32Array =>
  Float32Array.from({ length: rows }, (_, i) => (absent(i) ? 0 : i % 5 === 4 ? 1 : Math.abs(Math.sin(i * 78.233))))

const bits = (m: Float32Array) => [...new Uint32Array(m.buffer, m.byteOffset, m.length)]
const buffer = (bytes: Uint8Array) => bytes.slice().buffer
const rowsOf = async (bytes: Uint8Array) => await parquetReadObjects({ file: buffer(bytes), utf8: false })

async function matrixOf(bytes: Uint8Array, columns: number): Promise<Float32Array> {
  const parts = await all(readTargets(fileOf(bytes), columns))
  return new Float32Array(buffer(await concat(parts.map(({ targets }) => new Uint8Array(targets.data.buffer)))))
}

describe('appendTargets', () => {
  it('keeps every old row and adds the targets, as hyparquet and our reader see them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 8, max: 2000 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.nat(29), { maxLength: 5 }),
        fc.boolean(),
        async (lengths, columns, absent, weighted) => {
          const source = await partitionOf(lengths)
          const targets = targetsOf(lengths.length, columns, i => absent.includes(i))
          const weights = weighted ? weightsOf(lengths.length, i => absent.includes(i)) : undefined
          const { keep, bytes } = await append(source, targets, {}, weights)
          expect(bytes.subarray(0, keep)).toEqual(source.subarray(0, keep))
          const old = await rowsOf(source)
          // hyparquet gives null or undefined for a list that is null
          const now = (await rowsOf(bytes)).map(fields => ({ ...fields, target: fields['target'] ?? null }))
          expect(now).toEqual(
            old.map((fields, i) => ({
              ...fields,
              target: absent.includes(i) ? null : [...row(targets, i)],
              ...(weights && { weight: weights[i] })
            }))
          )
          expect(bits(await matrixOf(bytes, columns))).toEqual(bits(targets.data))
          const parts = await all(readTargets(fileOf(bytes), columns))
          expect(parts.map(part => part.weights)).toEqual([weights])
          expect(await all(readSamples(fileOf(bytes)))).toEqual(await all(readSamples(fileOf(source))))
        }
      ),
      { numRuns: 60 }
    )
  })

  it('keeps old columns of files of another writer: any codec, row groups, nulls, page indexes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 90 }),
        fc.constantFrom('SNAPPY' as const, 'UNCOMPRESSED' as const),
        fc.boolean(),
        fc.boolean(),
        async (count, rowGroupSize, codec, columnIndex, weighted) => {
          const numbers = Array.from({ length: count }, (_, i) => i % 7)
          const source = new Uint8Array(
            parquetWriteBuffer({
              columnData: [
                { name: 'n', data: numbers, type: 'INT32', columnIndex },
                { name: 'bin', data: numbers.map(i => Uint8Array.of(255, i, 254)), type: 'BYTE_ARRAY' },
                { name: 'text', data: numbers.map(i => (i === 3 ? null : `é${i}`)), type: 'STRING', nullable: true }
              ],
              codec,
              rowGroupSize,
              kvMetadata: [{ key: 'kept', value: 'as it was' }]
            })
          )
          const targets = targetsOf(count, 5, i => i % 6 === 1)
          const { keep, bytes } = await append(source, targets, { added: 'x' }, weighted ? weightsOf(count) : undefined)
          const [before, after] = [await rowsOf(source), await rowsOf(bytes)]
          expect(after).toMatchObject(before)
          expect(after[0]?.['target']).toEqual([...row(targets, 0)])
          expect(after.map(fields => fields['weight'])).toEqual(
            weighted ? [...weightsOf(count)] : after.map(() => undefined)
          )
          expect(bytes.subarray(0, keep)).toEqual(source.subarray(0, keep))
          const [old, now] = [parquetMetadata(buffer(source)), parquetMetadata(buffer(bytes))]
          expect(now.row_groups.map(group => group.columns.slice(0, weighted ? -2 : -1))).toEqual(
            old.row_groups.map(g => g.columns)
          )
          expect(now.key_value_metadata).toEqual([
            { key: 'kept', value: 'as it was' },
            { key: 'added', value: 'x' }
          ])
        }
      ),
      { numRuns: 40 }
    )
  })

  it('writes the target feature and the given metadata, for Arrow as for others', async () => {
    const { bytes } = await append(await partitionOf([10, 20]), targetsOf(2, 3), { b: '2', a: '1' })
    const features = JSON.stringify({
      info: {
        features: {
          id: { dtype: 'string', _type: 'Value' },
          image: { _type: 'Image' },
          target: { feature: { dtype: 'float32', _type: 'Value' }, length: 3, _type: 'Sequence' }
        }
      }
    })
    const arrow = shardArrowSchema({ length: 3, dtype: 'float32' }, [
      ['huggingface', features],
      ['a', '1'],
      ['b', '2']
    ])
    expect(parquetMetadata(buffer(bytes)).key_value_metadata).toEqual([
      { key: 'huggingface', value: features },
      { key: 'ARROW:schema', value: arrow },
      { key: 'a', value: '1' },
      { key: 'b', value: '2' }
    ])
  })

  it('writes the weight as a feature and for Arrow where there is one', async () => {
    const { bytes } = await append(await partitionOf([10, 20]), targetsOf(2, 3), {}, weightsOf(2))
    const { key_value_metadata: pairs = [], schema } = parquetMetadata(buffer(bytes))
    expect(pairs.map(({ key }) => key)).toEqual(['huggingface', 'ARROW:schema'])
    const { info } = JSON.parse(pairs[0]?.value ?? '') as { info: { features: object } }
    expect(Object.keys(info.features)).toEqual(['id', 'image', 'target', 'weight'])
    expect(info.features).toMatchObject({ weight: { dtype: 'float32', _type: 'Value' } })
    const arrow = shardArrowSchema({ length: 3, dtype: 'float32', weighted: true }, [
      ['huggingface', pairs[0]?.value ?? '']
    ])
    expect(pairs[1]?.value).toBe(arrow)
    expect(schema.at(-1)).toMatchObject({ name: 'weight', type: 'FLOAT', repetition_type: 'OPTIONAL' })
    expect(schema[0]?.num_children).toBe(4)
  })

  it('refuses weights that do not match, lie outside [0, 1], or whose column is there already', async () => {
    const source = await partitionOf([10, 20])
    await expect(append(source, targetsOf(2, 2), {}, weightsOf(3))).rejects.toThrow('weights for 3 rows')
    for (const wrong of [-0.5, 1.0001, NaN, Infinity])
      await expect(append(source, targetsOf(2, 2), {}, Float32Array.of(1, wrong))).rejects.toThrow(
        'row 1 has the weight'
      )
    const data = [1, 2]
    const named = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'weight', data, type: 'INT32' }] }))
    await expect(append(named, targetsOf(2, 2), {}, weightsOf(2))).rejects.toThrow('already has a column "weight"')
    await expect(append(named, targetsOf(2, 2))).resolves.toBeDefined()
  })

  it('refuses rows that do not match, a second target column, values that are not finite', async () => {
    const source = await partitionOf([10, 20])
    await expect(append(source, targetsOf(3, 2))).rejects.toThrow(InvalidInputError)
    const { bytes } = await append(source, targetsOf(2, 2))
    await expect(append(bytes, targetsOf(2, 2))).rejects.toThrow('already')
    const targets = targetsOf(2, 2)
    targets.data[3] = Infinity
    await expect(append(source, targets)).rejects.toThrow(NumericError)
    targets.data[3] = NaN
    await expect(append(source, targets)).rejects.toThrow('row 1')
  })
})

describe('readTargets', () => {
  it('refuses another dimension', async () => {
    const { bytes } = await append(await partitionOf([10, 20]), targetsOf(2, 4))
    await expect(all(readTargets(fileOf(bytes), 5))).rejects.toThrow(InvalidContentError)
    await expect(all(readTargets(fileOf(await partitionOf([10])), 4))).rejects.toThrow(
      'does not end with a target column'
    )
  })

  it('refuses a weight without a target, and one outside [0, 1]', async () => {
    const source = await partitionOf([10, 20])
    const odd = await append(
      source,
      targetsOf(2, 3, i => i === 1),
      {},
      weightsOf(2)
    )
    await expect(all(readTargets(fileOf(odd.bytes), 3))).rejects.toThrow('row 1 has a weight but no target')
    const known = 0.123_456_7
    const { bytes } = await append(source, targetsOf(2, 3), {}, Float32Array.of(1, known))
    const at = Buffer.from(bytes).indexOf(Buffer.from(Float32Array.of(known).buffer))
    for (const wrong of [1.5, -1, NaN, Infinity]) {
      bytes.set(new Uint8Array(Float32Array.of(wrong).buffer), at)
      await expect(all(readTargets(fileOf(bytes), 3)), `${wrong}`).rejects.toThrow(InvalidContentError)
    }
  })

  it.each([false, true])(
    'never crashes or hangs, whatever bytes behind the images change, weights %s',
    async weighted => {
      const { keep, bytes } = await append(
        await partitionOf(Array.from({ length: 1100 }, () => 10)),
        targetsOf(1100, 3, i => i % 9 === 0),
        {},
        weighted ? weightsOf(1100, i => i % 9 === 0) : undefined
      )
      const read = async (hostile: Uint8Array) => {
        try {
          await all(readTargets(fileOf(hostile), 3))
          return true
        } catch (error) {
          return error instanceof InvalidContentError
        }
      }
      const law = fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.byteLength - keep - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        async changes => {
          const hostile = bytes.slice()
          for (const [at, value] of changes) hostile[keep + at] = value
          return await read(hostile)
        }
      )
      await expect(fc.assert(law, { numRuns: 1000 })).resolves.toBeUndefined()
    }
  )
})

describe('shardFile', () => {
  it('has the CID of its bytes and puts only what the source lacks', async () => {
    const cases: [number[], number][] = [
      [[100, 200], 4],
      [[900_000], 8],
      [[1_040_000, 40_000], 8],
      [Array.from({ length: 40 }, () => 100_000), 64],
      [Array.from({ length: 2100 }, () => 1000), 256]
    ]
    for (const [lengths, columns] of cases) {
      const bytes = await partitionOf(lengths)
      const source = blocks()
      const { cid } = await importBytes([bytes], source.put)
      const { leaves } = await readLeaves(cid, source.get, bytes.byteLength)
      const targets = targetsOf(lengths.length, columns)
      const weights = weightsOf(lengths.length)
      const fresh = blocks()
      const shard = await shardFile({
        source: fileOf(bytes),
        leaves,
        columns: { targets, weights },
        metadata: { k: 'v' },
        put: fresh.put
      })
      const whole = blocks()
      const expected = await importBytes([(await append(bytes, targets, { k: 'v' }, weights)).bytes], whole.put)
      expect({ ...shard, newBytes: 0 }).toEqual({ ...expected, newBytes: 0 })
      for (const key of whole.stored.keys()) expect(source.stored.has(key) || fresh.stored.has(key)).toBe(true)
      const put = [...fresh.stored.values()].reduce((sum, block) => sum + block.byteLength, 0)
      expect(shard.newBytes).toBe(put)
      expect(put).toBeLessThanOrEqual(1.05 * (targets.data.byteLength + weights.byteLength) + 65_536)
    }
  })

  it('refuses leaves of another file', async () => {
    const bytes = await partitionOf([1_200_000])
    const init = { source: fileOf(bytes), columns: { targets: targetsOf(1, 2) }, metadata: {}, put: blocks().put }
    await expect(shardFile({ ...init, leaves: [] })).rejects.toThrow(InvalidContentError)
    expect(bytes.byteLength).toBeGreaterThan(IMPORT.chunkBytes)
  })
})
