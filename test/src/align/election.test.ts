import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createElectionMemo, NO_VALUE, type Candidate } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import { POLICY_NAMES, type Manifest } from '../../../src/distribute/manifest.ts'
import { assess, DEFAULT_GATE, type Assessment } from '../../../src/align/gate.ts'
import { ABSENT, encodeMatrix } from '../../../src/bytes.ts'
import { rawCid } from '../../../src/codec.ts'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'
import { distance } from '../../helpers/vectors.ts'

const seed = new Uint8Array(32).fill(5)
const uniformity = { t: 2, centred: false }
const under = (policy: Manifest['election']['policy'], human = false) => ({
  seed,
  election: { policy, margin: 0.02, human }
})

const plain: Assessment = {
  uniformValue: -1,
  z: 50,
  rowsNeeded: 0,
  effectiveRank: 5,
  present: 100,
  admissible: true,
  refusals: []
}
const candidate = (key: string, uniformValue: number, more: Partial<Candidate> = {}): Candidate => ({
  key,
  author: `peer of ${key}`,
  kind: 'onnx',
  targetsCid: rawCid(new TextEncoder().encode(key)),
  claimed: uniformValue,
  assessment: { ...plain, uniformValue },
  ...more
})

const VALUES = new Map([
  ['u', -3],
  ['v', -2],
  ['w', -2.0000001],
  ['x', -2.0000009],
  ['y', -1],
  ['z', -0.5]
])

describe('election by uniformity', () => {
  const anyCandidate = fc
    .record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
      human: fc.boolean(),
      admissible: fc.boolean(),
      equivocator: fc.boolean(),
      lie: fc.constantFrom(0, 5e-5, 2e-4),
      // a value belongs to its content; some are close, so that ties after rounding come up
      content: fc.constantFrom(...VALUES.keys())
    })
    .map(({ key, human, admissible, equivocator, lie, content }) => {
      const value = VALUES.get(content) ?? 0
      return candidate(key, value, {
        kind: human ? 'human' : 'onnx',
        assessment: { ...plain, uniformValue: value, admissible },
        claimed: value + lie,
        equivocator,
        targetsCid: rawCid(new TextEncoder().encode(content))
      })
    })
  const anySet = fc.uniqueArray(anyCandidate, { selector: c => c.key })

  test('every order of arrival gives the same election', () => {
    fc.assert(
      fc.property(
        anySet.chain(set => fc.tuple(fc.constant(set), fc.shuffledSubarray(set, { minLength: set.length }))),
        ([set, mixed]) => {
          expect(elect(under('uniformity'), mixed)).toEqual(elect(under('uniformity'), set))
        }
      )
    )
  })

  test('the winner is the lowest electable value and everybody is ranked once', () => {
    fc.assert(
      fc.property(anySet, fc.boolean(), (set, human) => {
        const { reference, ranking } = elect(under('uniformity', human), set)
        expect(ranking.map(r => r.key).sort()).toEqual(set.map(c => c.key).sort())
        const fair = set.filter(
          c =>
            c.assessment.admissible &&
            c.equivocator !== true &&
            Math.abs(c.claimed - c.assessment.uniformValue) < 1e-4 &&
            (human || c.kind === 'onnx')
        )
        expect(reference === undefined).toBe(fair.length === 0)
        const winner = set.find(c => c.key === reference?.provenance.from[0])
        for (const c of fair) expect(winner?.assessment.uniformValue).toBeLessThan(c.assessment.uniformValue + 1e-6)
        if (winner !== undefined) expect(reference?.cid?.equals(winner.targetsCid)).toBe(true)
        for (const r of ranking) expect(r.electable).toBe(r.reason === undefined)
      })
    )
  })

  test('equal values are decided by the record key', () => {
    expect(elect(under('uniformity'), [candidate('b', -2), candidate('a', -2.0000001)]).reference?.provenance).toEqual({
      policy: 'uniformity',
      from: ['a']
    })
  })

  test('each reason for not being electable is given', () => {
    const x = rawCid(Uint8Array.of(1))
    const { ranking } = elect(under('uniformity'), [
      candidate('0', -1, { targetsCid: x }),
      candidate('1', -1, { targetsCid: x }),
      candidate('2', -2, { kind: 'human' }),
      candidate('3', -3, { equivocator: true }),
      candidate('4', -2, { claimed: -3 }),
      candidate('5', -3.9, { assessment: { ...plain, uniformValue: -3.9, admissible: false, refusals: ['noise'] } }),
      candidate('6', -3.9, { claimed: NaN }),
      candidate('7', -3, { kind: 'table', targets: matrix(101, 1, new Float32Array(101)) }),
      candidate('8', -0.5, { kind: 'table', targets: matrix(100, 1, new Float32Array(100)) })
    ])
    expect(Object.fromEntries(ranking.map(r => [r.key, r.reason]))).toEqual({
      '0': undefined,
      '1': 'the same targets as 0',
      '2': 'this swarm does not elect human labels',
      '3': 'its author signed two records under one sequence number',
      '4': 'it claims the uniform value -3, its targets have -2',
      '5': 'not eligible',
      '6': 'it claims the uniform value NaN, its targets have -3.9',
      '7': 'its table has vectors for 100 of 101 shared images',
      '8': undefined
    })
    expect(ranking[0]).toEqual({ key: '0', author: 'peer of 0', value: -1, figure: -1, electable: true })
    expect(ranking.find(r => r.key === '5')).toMatchObject({ value: NO_VALUE })
    // the same public model brought by two: one candidate, but both's work is worth the same
    expect(ranking.flatMap(r => (r.sameAs === undefined ? [] : [r]))).toMatchObject([
      { key: '1', sameAs: '0', value: -1, electable: false }
    ])
  })

  test('nobody electable means no reference', () => {
    expect(elect(under('uniformity'), [])).toEqual({ ranking: [] })
  })
})

describe('election of real matrices', () => {
  const rows = 240
  const hidden = gaussian(rows, 8, 'causes')
  const features = honest(hidden, 40, 0.3, 'features')
  const judged = (key: string, targets: Matrix32): Candidate => {
    const assessment = assess({ gate: DEFAULT_GATE, uniformity }, { targets, kind: 'onnx' }, features)
    return {
      key,
      author: key,
      kind: 'onnx',
      targetsCid: rawCid(encodeMatrix(targets)),
      claimed: assessment.uniformValue,
      assessment,
      targets
    }
  }
  const priors = [0.1, 2, 2.2, 2.4, 2.6].map((spread, i) => judged(`prior ${i}`, honest(hidden, 24, spread, `p${i}`)))

  test.each([...Array(20).keys()])('noise never wins under any policy (seed %i)', i => {
    const attackers = [4, 24, 64].map(columns => judged(`a noise ${columns}`, noise(rows, columns, `${i}`)))
    expect(attackers.at(-1)?.assessment.uniformValue).toBeLessThan(
      Math.min(...priors.map(p => p.assessment.uniformValue))
    )
    for (const policy of POLICY_NAMES) {
      const { reference, ranking } = elect(under(policy), [...attackers, ...priors])
      expect(reference?.provenance.from.every(key => key.startsWith('prior'))).toBe(true)
      expect(ranking.filter(r => r.key.includes('noise')).every(r => !r.electable)).toBe(true)
    }
  })

  test('predictivity elects the clearest view, for any order of arrival', () => {
    const election = elect(under('predictivity'), priors)
    expect(election.reference?.provenance).toEqual({ policy: 'predictivity', from: ['prior 0'] })
    expect(elect(under('predictivity'), priors.toReversed())).toEqual(election)
    const [first] = election.ranking
    expect(first?.value).toBe(-(first?.figure ?? NaN))
  })

  test('a candidate whose matrix is not available is not elected by predictivity', () => {
    const [best, ...rest] = priors
    if (best === undefined) throw new Error('no priors')
    const { targets: _, ...without } = best
    const { ranking, reference } = elect(under('predictivity'), [without, ...rest])
    expect(ranking.find(r => r.key === best.key)).toMatchObject({
      electable: false,
      reason: 'its targets are not available locally'
    })
    expect(reference?.provenance.from).not.toContain(best.key)
  })

  test('the consensus is made of all distinct priors, for any order of arrival, with noise and copies present', () => {
    const election = elect(under('consensus'), priors)
    const { reference, ranking } = election
    expect(reference?.provenance).toEqual({ policy: 'consensus', from: priors.map(({ key }) => key).sort() })
    if (reference?.matrix === undefined) throw new Error('no matrix')
    expect(reference.cid?.equals(matrixCid(reference.matrix))).toBe(true)
    expect(priors.some(({ targetsCid }) => reference.cid?.equals(targetsCid))).toBe(false)
    expect(ranking.map(({ figure }) => figure)).toEqual(
      elect(under('predictivity'), priors).ranking.map(({ figure }) => figure)
    )
    expect(elect(under('consensus'), priors.toReversed())).toEqual(election)
    expect(elect(under('consensus'), [...priors, judged('noise', noise(rows, 24, 'n'))]).reference).toEqual(reference)
    // a scaled copy has other bytes and the same content: the group counts once, under its lowest CID
    const [first] = priors
    if (first?.targets === undefined) throw new Error('no targets')
    const copies = [2, 3].map(factor => judged(`copy ${factor}`, scaled(first.targets as Matrix32, factor)))
    const crowded = elect(under('consensus'), [...priors, ...copies]).reference
    expect(crowded?.provenance.from).toHaveLength(priors.length)
    if (crowded?.matrix === undefined) throw new Error('no matrix')
    expect(distance(crowded.matrix.data, reference.matrix.data)).toBeLessThan(1e-5)
  })

  test('says which priors are one, where checks are counted by distinct priors', () => {
    const [first, second] = priors
    if (first?.targets === undefined || second === undefined) throw new Error('no targets')
    const copies = [2, 3].map(factor => judged(`copy ${factor}`, scaled(first.targets as Matrix32, factor)))
    const rules = { ...under('uniformity'), acceptance: { quorum: 1, voters: 'priors' as const } }
    const { ranking } = elect(rules, [...priors, ...copies])
    const distinct = new Map(ranking.map(one => [one.key, one.distinct]))
    const [lowest] = [first, ...copies].map(({ targetsCid }) => targetsCid.toString()).sort()
    for (const { key } of [first, ...copies]) expect(distinct.get(key)).toBe(lowest)
    expect(new Set(distinct.values()).size).toBe(priors.length)
    for (const { distinct: none } of elect(under('uniformity'), [...priors, ...copies]).ranking)
      expect(none).toBeUndefined()
  })

  test('an unchanged set of members costs nothing', () => {
    const memo = createElectionMemo()
    const first = elect(under('consensus'), priors, memo).reference?.matrix
    expect(elect(under('consensus'), priors.toReversed(), memo).reference?.matrix).toBe(first)
    expect(elect(under('consensus'), priors.slice(1), memo).reference?.matrix).not.toBe(first)
    expect(elect(under('consensus'), priors, memo).reference?.matrix).toEqual(first)
  })

  test('a single prior is its own consensus, alone or with its copies', () => {
    const [first] = priors
    if (first?.targets === undefined) throw new Error('no targets')
    const own = { cid: first.targetsCid, provenance: { policy: 'consensus', from: [first.key] } }
    expect(elect(under('consensus'), [first]).reference).toEqual(own)
    const copy = judged('copy', scaled(first.targets, 2))
    const [leader] = [first, copy].sort((a, b) => (a.targetsCid.toString() < b.targetsCid.toString() ? -1 : 1))
    expect(elect(under('consensus'), [first, copy]).reference).toEqual({
      cid: leader?.targetsCid,
      provenance: { policy: 'consensus', from: [leader?.key] }
    })
  })

  test('labels take part where the manifest elects people and no row lacks one', () => {
    const labels = (data: Float32Array): Candidate => ({
      ...judged('labels', { rows, columns: 24, data }),
      kind: 'human',
      claimed: -1,
      assessment: plain
    })
    const data = honest(hidden, 24, 1, 'people').data
    const whole = labels(data)
    const from = (human: boolean, c: Candidate) =>
      elect(under('consensus', human), [...priors, c]).reference?.provenance.from ?? []
    expect(from(true, whole)).toContain('labels')
    expect(from(false, whole)).not.toContain('labels')
    const lacking = data.slice()
    lacking.set(ABSENT(24), 0)
    expect(from(true, labels(lacking))).not.toContain('labels')
    expect(elect(under('consensus', true), [labels(lacking)]).reference?.provenance.from).toEqual(['labels'])
  })

  test('of nine priors the best eight by predictivity are taken, so a ninth that is the worst changes nothing', () => {
    const eight = Array.from({ length: 8 }, (_, i) => judged(`p ${i}`, honest(hidden, 24, 0.5 + 0.1 * i, `q${i}`)))
    const ninth = judged('worst', honest(hidden, 24, 3, 'worst'))
    const before = elect(under('consensus'), eight)
    const after = elect(under('consensus'), [...eight, ninth])
    expect(after.ranking.at(-1)?.key).toBe('worst')
    expect(after.reference).toEqual(before.reference)
  })
})

function scaled({ rows, columns, data }: Matrix32, factor: number): Matrix32 {
  return { rows, columns, data: data.map(x => x * factor) }
}
