import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cborCid, encodeCbor, rawCid } from '../../../src/codec.ts'
import { differingBuckets, setDigest, SET_DIGEST_BYTES } from '../../../src/merge/record-digest.ts'
import { compareRanks } from '../../../src/merge/ranking.ts'
import { createRecordSet, join, type RecordSet } from '../../../src/merge/record-set.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { RecordBody, SignedRecord } from '../../../src/publish/record.ts'

const swarm = rawCid(Uint8Array.of(1))

/** A record as `openRecord` would return it; the set never looks at signatures. */
function record(
  author: number,
  seq: number,
  variant: number,
  type: 'result' | 'alignment' | 'score' = 'result'
): SignedRecord {
  const head = { v: 1 as const, swarm, author: new Uint8Array(32).fill(author), seq }
  const cid = rawCid(Uint8Array.of(variant, author))
  const body: RecordBody =
    type === 'result'
      ? { ...head, type, partition: variant % 4, score: cid, raw: cid, present: 1 }
      : type === 'alignment'
        ? {
            ...head,
            type,
            partition: variant % 4,
            result: cid,
            reference: cid,
            shard: cid,
            bytes: 1,
            dagBytes: 1,
            lambda: 1,
            looR2: 0,
            looCosine: 0
          }
        : {
            ...head,
            type,
            prior: { id: cid, kind: 'onnx', name: 'p', dimension: 2 },
            targets: cid,
            present: 1,
            uniformValue: -1
          }
  const bytes = encodeCbor(body)
  const id = cborCid(bytes)
  return { id, key: id.toString(), body, bytes }
}

const arbitraryRecord = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 7 }),
    fc.constantFrom('result' as const, 'alignment' as const, 'score' as const)
  )
  .map(([author, seq, variant, type]) => record(author, seq, variant, type))
const arbitraryRecords = fc.array(arbitraryRecord, { maxLength: 40 })

/** Everything observable about a set. */
function observe(set: RecordSet): unknown {
  return {
    keys: set.records().map(r => r.key),
    bytes: set.bytes,
    size: set.size,
    equivocators: [...set.equivocators()].sort(),
    types: (['score', 'result', 'alignment'] as const).map(t => set.byType(t).map(r => r.key)),
    partitions: [0, 1, 2, 3].map(p => set.byPartition(p).map(r => r.key)),
    next: [0, 1, 2, 3].map(a => set.nextSeq(new Uint8Array(32).fill(a))),
    digest: setDigest(set)
  }
}

describe('join', () => {
  test('is associative', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, arbitraryRecords, (x, y, z) => {
        const [a, b, c] = [createRecordSet(x), createRecordSet(y), createRecordSet(z)]
        // a + (b + c) == (a + b) + c
        expect(observe(join(a, join(b, c)))).toEqual(observe(join(join(a, b), c)))
      })
    )
  })

  test('is commutative', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, (x, y) => {
        const [a, b] = [createRecordSet(x), createRecordSet(y)]
        expect(observe(join(a, b))).toEqual(observe(join(b, a)))
      })
    )
  })

  test('is idempotent', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, (x, y) => {
        const [a, b] = [createRecordSet(x), createRecordSet(y)]
        expect(observe(join(a, a))).toEqual(observe(a))
        expect(observe(join(join(a, b), b))).toEqual(observe(join(a, b)))
      })
    )
  })

  test('is monotone: slots and proofs of equivocation only grow, and a kept record gives way only to two lower ones', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, (x, y) => {
        const a = createRecordSet(x)
        const joined = join(a, createRecordSet(y))
        expect(joined.size).toBeGreaterThanOrEqual(a.size)
        expect([...joined.equivocators()]).toEqual(expect.arrayContaining([...a.equivocators()]))
        for (const r of a.records()) {
          if (joined.has(r.key)) continue
          expect(joined.equivocators()).toContain(peerIdOf(r.body.author))
          expect(joined.insert(r)).toBe('superseded')
        }
      })
    )
  })

  test('leaves its arguments as they were', () => {
    const a = createRecordSet([record(0, 0, 0)])
    const b = createRecordSet([record(1, 0, 0)])
    expect(join(a, b).size).toBe(2)
    expect([a.size, b.size]).toEqual([1, 1])
  })
})

describe('insert', () => {
  test('gives the same set in every order and with repetitions', () => {
    fc.assert(
      fc.property(
        arbitraryRecords.chain(list =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }))
        ),
        ([list, shuffled]) => {
          expect(observe(createRecordSet(shuffled))).toEqual(observe(createRecordSet(list)))
        }
      )
    )
  })

  test('says what happened', () => {
    const [low, middle, high] = [record(0, 0, 0), record(0, 0, 1), record(0, 0, 2)].sort((a, b) =>
      Buffer.compare(a.id.bytes, b.id.bytes)
    ) as [SignedRecord, SignedRecord, SignedRecord]
    const set = createRecordSet()
    expect(set.insert(low)).toBe('added')
    expect(set.insert(low)).toBe('duplicate')
    expect(set.equivocators()).toEqual(new Set())
    expect(set.insert(high)).toBe('added')
    expect(set.equivocators()).toEqual(new Set([peerIdOf(low.body.author)]))
    expect(set.insert(middle)).toBe('replaced') // takes the place of `high`
    expect(set.equivocators()).toEqual(new Set([peerIdOf(low.body.author)]))
    expect(set.has(high.key)).toBe(false)
    expect(set.insert(high)).toBe('superseded')
    expect(set.get(middle.key)).toBe(middle)
  })

  test('adds two records of an author that signs one number a hundred times, however it sorts them', () => {
    const all = Array.from({ length: 100 }, (_, variant) => record(0, 0, variant))
    for (const sign of [1, -1]) {
      const set = createRecordSet()
      const outcomes = [...all].sort((a, b) => sign * Buffer.compare(a.id.bytes, b.id.bytes)).map(r => set.insert(r))
      expect(outcomes.filter(o => o === 'added')).toHaveLength(2)
      expect(outcomes.slice(2)).toEqual(Array.from({ length: 98 }, () => (sign === 1 ? 'superseded' : 'replaced')))
    }
  })

  test('bounds what an author can add by twice its sequence numbers', () => {
    const set = createRecordSet()
    for (let variant = 0; variant < 100; variant++)
      for (let seq = 0; seq < 3; seq++) set.insert(record(0, seq, variant))
    expect(set.size).toBe(6)
    expect(set.nextSeq(new Uint8Array(32).fill(0))).toBe(3)
  })
})

describe('a set with a quota', () => {
  const anyQuota = fc.integer({ min: 1, max: 3000 }).map(recordBytes => ({ recordBytes }))

  test('keeps the records before which less than the quota lies, by sequence number, author, length and id', () => {
    fc.assert(
      fc.property(arbitraryRecords, anyQuota, (list, quotas) => {
        let before = 0
        const kept = [...createRecordSet(list).records()].sort(compareRanks).filter(({ bytes }) => {
          const isKept = before < quotas.recordBytes
          before += bytes.byteLength
          return isKept
        })
        expect(observe(createRecordSet(list, quotas))).toEqual(observe(createRecordSet(kept)))
      })
    )
  })

  test('is the same in every order of arrival and for every split among members that sync', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, arbitraryRecords, anyQuota, (x, y, z, quotas) => {
        const [a, b, c] = [x, y, z].map(list => createRecordSet(list, quotas)) as [RecordSet, RecordSet, RecordSet]
        const all = observe(createRecordSet([...z, ...x, ...y], quotas))
        expect(observe(join(a, join(b, c, quotas), quotas))).toEqual(all)
        expect(observe(join(join(c, b, quotas), a, quotas))).toEqual(all)
      }),
      { numRuns: 500 }
    )
  })

  test('says what gave way, and does not verify what it would not keep', () => {
    const own = [0, 1, 2].map(seq => record(0, seq, 0))
    const set = createRecordSet(own, { recordBytes: own.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) })
    const displaced: number[] = []
    set.onDisplaced(({ body }) => displaced.push(body.seq))
    const verify = (): void => {
      throw new Error('not signed')
    }
    expect(set.fits(record(1, 3, 0))).toBe(false)
    expect(set.insert(record(1, 3, 0), verify)).toBe('over-quota')
    const early = record(1, 0, 0)
    expect(set.fits(early)).toBe(true)
    expect(() => set.insert(early, verify)).toThrow('not signed')
    expect(set.has(early.key)).toBe(false)
    expect(set.insert(early, () => {})).toBe('replaced')
    expect(displaced).toEqual([2])
    expect(set.nextSeq(new Uint8Array(32).fill(0))).toBe(2)
  })

  test('one author with any number of records displaces no record of an author with few', () => {
    const few = [0, 1].map(seq => record(1, seq, 0))
    const many = Array.from({ length: 50 }, (_, seq) => record(0, seq, 0))
    const set = createRecordSet([...many, ...few], { recordBytes: 2000 })
    for (const { key } of few) expect(set.has(key)).toBe(true)
    expect(set.bytes).toBeGreaterThanOrEqual(2000)
    expect(set.bytes).toBeLessThan(2000 + 400)
  })
})

describe('setDigest', () => {
  test('names exactly the buckets whose records differ', () => {
    fc.assert(
      fc.property(arbitraryRecords, arbitraryRecords, (x, y) => {
        const [a, b] = [createRecordSet(x), createRecordSet(y)]
        const different = new Set<number>()
        for (const r of a.records()) if (!b.has(r.key)) different.add(r.id.multihash.digest[0] as number)
        for (const r of b.records()) if (!a.has(r.key)) different.add(r.id.multihash.digest[0] as number)
        expect(differingBuckets(setDigest(a), setDigest(b))).toEqual([...different].sort((i, j) => i - j))
      })
    )
  })

  test('of an empty set is all zeros', () => {
    expect(setDigest(createRecordSet())).toEqual(new Uint8Array(SET_DIGEST_BYTES))
  })
})
