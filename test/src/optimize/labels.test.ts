import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base58btc } from 'multiformats/bases/base58'
import { rawCid } from '../../../src/codec.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { parseLabels, type Labels } from '../../../src/optimize/labels.ts'

const row = (labels: Labels, id: string): number[] | undefined => {
  const out = new Float32Array(labels.dimension)
  return labels.write(id, out) ? [...out] : undefined
}

describe('parseLabels', () => {
  it('makes one-hot rows whose order does not depend on the order of the file', () => {
    const a = parseLabels('id,label\nx,dog\ny,cat\nz,dog\n')
    const b = parseLabels('\uFEFFid,label\r\nz,dog\r\n\r\ny,cat\r\nx,dog')
    expect(a).toMatchObject({ kind: 'hard', dimension: 2, names: ['cat', 'dog'], count: 3 })
    for (const labels of [a, b]) {
      expect(row(labels, 'x')).toEqual([0, 1])
      expect(row(labels, 'y')).toEqual([1, 0])
      expect(row(labels, 'unknown')).toBeUndefined()
    }
    expect(parseLabels('id,label\na,10\nb,9\nc,-1\n').names).toEqual(['-1', '9', '10'])
  })

  it('finds a sample by its CID, whatever its key is: CID in any base, sha256 in hex; a name only by that name', () => {
    const [a, b] = [rawCid(Uint8Array.of(1)), rawCid(Uint8Array.of(2))]
    const hex = (cid: typeof a) => Buffer.from(cid.multihash.digest).toString('hex')
    for (const text of [
      `cid,label\n${a},x\n${b},y`,
      `id,label\n${a.toString(base58btc)},x\n${b},y`,
      `sha256,label\n${hex(a)},x\n${hex(b).toUpperCase()},y`
    ]) {
      const labels = parseLabels(text)
      expect(row(labels, a.toString()), text).toEqual([1, 0])
      expect(row(labels, b.toString()), text).toEqual([0, 1])
    }
    expect(parseLabels(`sha256,label\n${hex(a)},x\n${hex(b)},y`)).toMatchObject({
      keys: 'sha256',
      keyColumn: 'sha256'
    })
    const named = parseLabels('file_name,label\nb/1.jpg,x\na/2.jpg,y')
    expect(named.keys).toBe('name')
    expect([...named.ids()]).toEqual(['b/1.jpg', 'a/2.jpg'])
    expect(row(named, 'a/2.jpg')).toEqual([0, 1])
  })

  it('reads probabilities and quoted fields', () => {
    const soft = parseLabels('id,p0,p1,p2\n"a",0.5,0.25,"0.25"\nb,1,0,0')
    expect(soft).toMatchObject({ kind: 'soft', dimension: 3, count: 2 })
    expect(row(soft, 'a')).toEqual([0.5, 0.25, 0.25])
    expect(parseLabels('id,label\na,"x, ""y"""\nb,z').names).toEqual(['x, "y"', 'z'])
  })

  it.each([
    ['', /no rows/],
    ['id,label\n', /no rows/],
    ['x,dog\n', /line 1: the header/],
    ['id,label,weight\n', /line 1: a column follows/],
    ['image_id,label\n', /file_name.*it is "image_id,label"/],
    [`id,label\na.jpg,x\n${'0'.repeat(64)},y`, /line 3: .* is one of sha256 in hex, the rows before have file names/],
    ['id,label\nbafybeicws3vn4wopfddbbculsoybptysdkunzd2fqdufrarwcets2r5p34,x', /line 2: .*tree/],
    ['id,q0,q1\n', /line 1: the header/],
    ['id,label\nx,dog\nx,cat', /line 3: sample x is labelled twice/],
    ['id,label\nx,dog,1', /line 2: 3 fields/],
    ['id,label\nx,', /line 2: the label is empty/],
    ['id,label\n,dog', /line 2: the id is empty/],
    ['id,label\nx,"dog', /line 2: a quote/],
    ['id,label\nx,dog\ny,dog', /same label/],
    ['id,p0,p1\nx,0.5,NaN', /line 2: "NaN" is not a probability/],
    ['id,p0,p1\nx,0.5,2', /"2" is not a probability/],
    ['id,p0,p1\nx,0,0', /all probabilities are 0/],
    ['id,p0\nx,1', /one column/],
    [`id,label\n${'x'.repeat(600_000)},a`, /characters/]
  ])('refuses %#: the message names the line', (text, why) => {
    expect(() => parseLabels(text)).toThrow(InvalidPriorError)
    expect(() => parseLabels(text)).toThrow(why)
  })

  it('is the identity on what it is given, for any labels', () => {
    const label = fc.string({ minLength: 1, maxLength: 8 }).filter(s => s.trim() === s && !/[\r\n]/.test(s))
    fc.assert(
      fc.property(
        fc.uniqueArray(label, { minLength: 2, maxLength: 9 }),
        fc.array(fc.nat(), { minLength: 2, maxLength: 30 }),
        (names, picks) => {
          const quoted = (s: string) => `"${s.replaceAll('"', '""')}"`
          const chosen = picks.map((p, i) => (i < 2 ? names[i] : names[p % names.length]) as string)
          const labels = parseLabels(['id,label', ...chosen.map((c, i) => `s${i},${quoted(c)}`)].join('\n'))
          chosen.forEach((c, i) => {
            const one = row(labels, `s${i}`) as number[]
            expect(labels.names[one.indexOf(1)]).toBe(c)
            expect(one.reduce((s, v) => s + v)).toBe(1)
          })
        }
      )
    )
  })
})
