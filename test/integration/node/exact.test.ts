import { expect, test } from 'vitest'
import { createExact } from '../../../node/compute/exact/exact.ts'
import type { Candidate } from '../../../src/align/candidate.ts'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { testSwarm } from '../../helpers/signed-swarm.ts'
import { gaussian, honest } from '../../helpers/synthetic-priors.ts'

const ROWS = 64
const DIMENSION = 8
/** Of the reference features, 4 a row */
const BYTES = ROWS * 4 * 4

test('an election does not depend on past ones, also where somebody publishes a past consensus as its own targets', async () => {
  const plain = await testSwarm()
  const { manifest } = plain
  const swarm = await testSwarm({
    dimension: DIMENSION,
    shared: { ...manifest.shared, rows: ROWS },
    referenceFeatures: { ...manifest.referenceFeatures, dimension: 4, bytes: BYTES, dagBytes: BYTES },
    election: { policy: 'consensus', margin: 0, human: false }
  })
  const hidden = gaussian(ROWS, 4, 'hidden')
  const features: Matrix32 = { rows: ROWS, columns: 4, data: Float32Array.from(hidden.data) }
  const priors = ['a', 'b', 'c', 'd', 'e'].map(name => honest(hidden, DIMENSION, 0.1, name))

  const electors = [await createExact(swarm, features), await createExact(swarm, features)] as const
  try {
    const [old, fresh] = electors
    const judged = async (exact: typeof old, targets: Matrix32, i: number): Promise<Candidate> => {
      const cid = matrixCid(targets)
      const assessment = await exact.assess(cid, 'onnx', targets)
      expect(assessment.refusals).toEqual([])
      const claimed = assessment.uniformValue
      return { key: `${i}`, author: `author ${i}`, kind: 'onnx', targetsCid: cid, claimed, assessment }
    }
    const candidates = await Promise.all(priors.map(async (targets, i) => await judged(old, targets, i)))
    const first = (await old.elect(candidates.slice(0, 2))).reference?.matrix
    if (first === undefined) throw new Error('two priors have a consensus')
    const copy = await judged(old, first, priors.length)
    // as many other references as make the thread forget the first
    for (const left of candidates.keys()) {
      const { reference } = await old.elect(candidates.filter((_, i) => i !== left))
      expect(reference?.matrix).toBeDefined()
    }
    for (const [i, targets] of [...priors, first].entries()) await judged(fresh, targets, i)
    const all = [...candidates, copy]
    expect(await old.elect(all)).toEqual(await fresh.elect(all))
    await expect(old.quality(copy.targetsCid, copy.targetsCid)).resolves.toBeDefined()
  } finally {
    for (const exact of electors) await exact.close()
  }
})
