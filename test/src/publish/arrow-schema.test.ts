import { expect, test } from 'vitest'
import { shardArrowSchema } from '../../../src/publish/arrow-schema.ts'

/** Positions of what differs between two schemas in their bytes. */
function differing(a: string, b: string): number[] {
  const [x, y] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')]
  expect(x.byteLength).toBe(y.byteLength)
  return [...x.keys()].filter(i => x[i] !== y[i])
}

test('shardArrowSchema is a message of the Arrow IPC format, framed and padded', () => {
  const bytes = Buffer.from(shardArrowSchema({ length: 128, dtype: 'float32' }), 'base64')
  expect(bytes.readUInt32LE(0)).toBe(0xffffffff)
  expect(bytes.readUInt32LE(4)).toBe(bytes.byteLength - 8)
  expect(bytes.byteLength % 8).toBe(0)
  for (const name of ['id', 'image', 'bytes', 'path', 'target', 'element'])
    expect(bytes.includes(`${name}\0`), name).toBe(true)
})

test('the length and the precision are one number each in it', () => {
  expect(
    differing(
      shardArrowSchema({ length: 1, dtype: 'float32' }),
      shardArrowSchema({ length: 0x01020301, dtype: 'float32' })
    )
  ).toHaveLength(3)
  expect(
    differing(shardArrowSchema({ length: 128, dtype: 'float32' }), shardArrowSchema({ length: 128, dtype: 'float16' }))
  ).toHaveLength(1)
})

test('shardArrowSchema keeps the text that pyarrow 26 reads as fixed_size_list<element: float>[128]', () => {
  // a known answer: this text is part of every shard, so another one changes all CIDs
  expect(shardArrowSchema({ length: 128, dtype: 'float32' }, [['k', 'é']])).toBe(
    '//////ABAAAQAAAAAAAKAAsACAAKAAQACgAAABQAAAAEAAEAAAAKAAwAAAAEAAgACgAAAAgAAACUAQAAAwAAABwAAABQAAAACAEA' +
      'ABAAEgAEABAAEQAIAAAADAAQAAAAEAAAABgAAAAYAAAAAQUAAAIAAABpZAAABAAEAAQAAAAAAAAAEAASAAQAEAARAAgAAAAMABAA' +
      'AAAQAAAAHAAAABwAAAABDQAABQAAAGltYWdlAAAABAAEAAQAAAACAAAAGAAAAFAAAAAQABIABAAQABEACAAAAAwAEAAAABAAAAAc' +
      'AAAAHAAAAAEEAAAFAAAAYnl0ZXMAAAAEAAQABAAAAAAAAAAQABIABAAQABEACAAAAAwAEAAAABAAAAAcAAAAHAAAAAEFAAAEAAAA' +
      'cGF0aAAAAAAEAAQABAAAAAAAAAAQABIABAAQABEACAAAAAwAEAAAABAAAAAgAAAAJAAAAAEQAAAGAAAAdGFyZ2V0AAAAAAYACAAE' +
      'AAYAAACAAAAAAQAAABQAAAAQABIABAAQABEACAAAAAwAEAAAABAAAAAgAAAAJAAAAAEDAAAHAAAAZWxlbWVudAAAAAYABgAEAAYA' +
      'AAABAAAAAAAAAAEAAAAMAAAACAAMAAQACAAIAAAACAAAAAwAAAABAAAAawAAAAIAAADDqQAA'
  )
})

test('a weight is one more field, nullable float32, behind the target', () => {
  const shape = { length: 128, dtype: 'float32' } as const
  const plain = Buffer.from(shardArrowSchema(shape), 'base64')
  const weighted = Buffer.from(shardArrowSchema({ ...shape, weighted: true }), 'base64')
  expect(shardArrowSchema({ ...shape, weighted: false })).toBe(shardArrowSchema(shape))
  expect(plain.includes('weight\0')).toBe(false)
  expect(weighted.indexOf('weight\0')).toBeGreaterThan(weighted.indexOf('target\0'))
  expect(weighted.byteLength % 8).toBe(0)
})
