/**
 * Anybody may publish targets that pass the gate and are degenerate on the very rows that a policy looks at, which follow from the public
 * seed. They must be worth nothing, and must not keep a swarm from electing its reference.
 */
import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import { assess, DEFAULT_GATE } from '../../../src/align/gate.ts'
import { splitRows } from '../../../src/align/held-out.ts'
import { POLICY_NAMES } from '../../../src/distribute/manifest.ts'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { gaussian, honest } from '../../helpers/synthetic-priors.ts'

const ROWS = 1200
const N = 16
const seed = new Uint8Array(32).fill(3)
const hidden = gaussian(ROWS, 8, 'hidden')
const features = honest(hidden, 24, 0.1, 'reference')
const uniformity = { t: 2, centred: false }

/**
 * The targets of an honest prior, but the same on `rows`, and in a way that no rounding turns into a direction: these rows differ from the
 * mean of all in one column only, so that they have length 1 exactly.
 */
function flat(rows: Iterable<number>): Matrix32 {
  const same = new Set(rows)
  const { data } = honest(hidden, N, 0.1, 'flat')
  const free = Array.from({ length: ROWS }, (_, i) => i).filter(i => !same.has(i))
  const last = free.at(-1) as number
  for (let c = 0; c < N; c++) {
    let sum = 0
    for (const i of free) sum += data[i * N + c] = Math.round(256 * (data[i * N + c] as number) - 128) / 256
    if (c > 0) data[last * N + c] = (data[last * N + c] as number) - sum
    for (const i of same) data[i * N + c] = c === 0 ? 1 : 0
  }
  return matrix(ROWS, N, data)
}

const drawn = (name: string, count: number): Uint32Array =>
  shuffle(ROWS, createRandomStream(name, seed)).subarray(0, count)

const FLAT = {
  'the rows of the corroboration': flat(drawn('coopt/1/corroboration', 720)),
  'the rows of the consensus': flat(drawn('coopt/1/consensus', 1024)),
  'the rows that others are predicted from': flat(splitRows(seed, ROWS, 512).fit),
  'the rows that others are predicted on': flat(splitRows(seed, ROWS, 512).test)
}

function candidate(key: string, targets: Matrix32): Candidate {
  const assessment = assess({ gate: DEFAULT_GATE, uniformity }, { targets, kind: 'onnx' }, features)
  const claimed = assessment.uniformValue
  return { key, author: key, kind: 'onnx', targetsCid: matrixCid(targets), claimed, assessment, targets }
}

const honestOnes = ['a', 'b', 'c', 'd'].map(name => candidate(name, honest(hidden, N, 0.3, name)))

describe.each(Object.entries(FLAT))('targets that are the same on %s', (_, targets) => {
  const attacker = candidate('attacker', targets)

  test('pass the gate', () => {
    expect(attacker.assessment.admissible).toBe(true)
  })

  test.each(POLICY_NAMES.filter(name => name !== 'uniformity'))('do not win by %s, nor keep others from it', policy => {
    const rules = { seed, election: { policy, margin: 0.02, human: false } }
    const { reference, ranking } = elect(rules, [...honestOnes, attacker], undefined)
    expect(reference?.cid).toBeDefined()
    expect(ranking[0]?.key).not.toBe('attacker')
    if (reference?.matrix !== undefined) expect(reference.matrix.data.every(Number.isFinite)).toBe(true)
  })

  test.each(POLICY_NAMES)('are the reference by %s while there is nothing else', policy => {
    const rules = { seed, election: { policy, margin: 0.02, human: false } }
    expect(elect(rules, [attacker]).reference?.cid?.equals(attacker.targetsCid)).toBe(true)
  })
})
