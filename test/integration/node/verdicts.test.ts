import type { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { VerifyReport } from '../../../node/api/reports.ts'
import { createExact, type Exact } from '../../../node/compute/exact/exact.ts'
import { sealManifest, type Swarm } from '../../../src/distribute/manifest.ts'
import { matrix, row, type Matrix32 } from '../../../src/matrix.ts'
import { mergeDataset } from '../../../src/merge/dataset.ts'
import { localAcceptance, type LocalRule } from '../../../src/merge/local-view.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import {
  assessmentKey,
  candidatesOf,
  qualityKey,
  viewOf,
  type Choice,
  type Evidence,
  type SwarmView
} from '../../../src/merge/views.ts'
import { drawRows } from '../../../src/publish/check-rows.ts'
import { importMatrix } from '../../../src/publish/matrix-file.ts'
import { plausibility } from '../../../src/publish/plausibility.ts'
import { sealRecord, type Check, type Score, type SignedRecord } from '../../../src/publish/record.ts'
import { seeded } from '../../helpers/seeded.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'
import { bundledPrior, closeShared, pictures, shared, startNode, type TestNode } from '../../helpers/test-node.ts'

/**
 * One finished swarm again under a manifest that asks for checks. Its checkers' priors are made up: the author's targets with noise, which is what an
 * honest prior with much in common is.
 */
const ROWS = 48
const CHECKERS = ['bea', 'cyd'] as const
type Checker = (typeof CHECKERS)[number]
const signal = new AbortController().signal

let node: TestNode
let swarm: Swarm
let exact: Exact
let ownScore: SignedRecord<Score>
let work: SignedRecord[]
let choices: Choice[]
let sharedTargets: Matrix32
let raws: Matrix32[]
const scores = new Map<Checker, { record: SignedRecord<Score>; shared: Matrix32 }>()
const evidence = { assessments: new Map(), qualities: new Map() } satisfies Evidence

/** Targets with noise and far from the origin, so that they spread less than the author's. */
function noisy(targets: Matrix32, name: string): Matrix32 {
  const random = seeded(name.length + name.charCodeAt(0))
  const size = Math.sqrt(targets.data.reduce((sum, v) => sum + v * v, 0) / targets.data.length)
  const data = targets.data.map(v => v + size * (2 + 0.8 * (random.below(2 ** 16) / 2 ** 16 - 0.5)))
  return matrix(targets.rows, targets.columns, data)
}

const take = (all: Matrix32, rows: readonly number[]): Matrix32 =>
  matrix(
    rows.length,
    all.columns,
    Float32Array.from({ length: rows.length * all.columns }, (_, i) => {
      const values = row(all, rows[Math.floor(i / all.columns)] as number)
      return values[i % all.columns] as number
    })
  )

beforeAll(async () => {
  node = await shared(async () => await startNode({ timing: { handoffMs: 1 } }))
  const published = await node.publish(await shared(pictures))
  await node.join(published.invite, bundledPrior('superclass2'))
  const { state } = node.membership(published.manifest)
  const { identity, content } = node.runtime
  const { manifest } = state.swarm
  const { rows: m } = manifest.shared
  const n = manifest.dimension
  swarm = await sealManifest(
    {
      ...manifest,
      election: { ...manifest.election, policy: 'uniformity' },
      acceptance: { quorum: 1, voters: 'priors' }
    },
    identity.sign
  )
  await content.put(swarm.id, swarm.bytes)
  const [first] = state.set.byType('score')
  if (first === undefined) throw new Error('no score')
  ownScore = await sealRecord({ ...first.body, swarm: swarm.id }, identity.sign)
  work = [ownScore]
  choices = []
  raws = []
  sharedTargets = await content.matrix(first.body.targets, m, n, { signal })
  for (const { result, alignment, partition } of [...state.view().chosen.values()].sort(
    (a, b) => a.partition - b.partition
  )) {
    const again = await sealRecord({ ...result.body, swarm: swarm.id, score: ownScore.id }, identity.sign)
    const aligned = await sealRecord({ ...alignment.body, swarm: swarm.id, result: again.id }, identity.sign)
    work.push(again, aligned)
    choices.push({ partition, score: ownScore, result: again, alignment: aligned })
    raws.push(await content.matrix(result.body.raw, manifest.partitions[partition]?.rows ?? 0, n, { signal }))
  }
  const features = await content.matrix(manifest.referenceFeatures.cid, m, manifest.referenceFeatures.dimension, {
    signal
  })
  exact = await createExact(swarm, features)
  const assess = async (score: Score, targets: Matrix32): Promise<void> => {
    evidence.assessments.set(assessmentKey(score), await exact.assess(score.targets, 'onnx', targets))
  }
  await assess(ownScore.body, sharedTargets)
  for (const name of CHECKERS) {
    const own = noisy(sharedTargets, name)
    const { cid: targets } = await importMatrix(own, content.put)
    const uniformValue = await exact.uniformValue(own)
    const { key, sign } = testPeer(name)
    const prior = { id: targets, kind: 'onnx' as const, name: `prior of ${name}`, dimension: n }
    const body: Score = {
      v: 1,
      swarm: swarm.id,
      author: key,
      seq: 0,
      type: 'score',
      prior,
      targets,
      present: m,
      uniformValue
    }
    await assess(body, own)
    scores.set(name, { record: await sealRecord(body, sign), shared: own })
  }
  for (const { body } of [ownScore, ...[...scores.values()].map(({ record }) => record)])
    evidence.qualities.set(
      qualityKey(body.targets, ownScore.body.targets),
      await exact.quality(body.targets, ownScore.body.targets)
    )
})
afterAll(async () => {
  await exact.close()
  await closeShared()
})

let seq = 1
/** An honest check of one partition; `changes` are what its author makes of it. */
async function check(
  by: Checker,
  p: number,
  changes: Partial<NonNullable<Check['opinion']>> = {}
): Promise<SignedRecord<Check>> {
  const { key, sign } = testPeer(by)
  const { record, shared: ownShared } = scores.get(by)!
  const { result, alignment } = choices[p]!
  const raw = raws[p]!
  const seed = new Uint8Array(32).fill(p + 1)
  const drawn = drawRows(raw.rows, ROWS, seed)
  const ownRows = take(noisy(raw, by), drawn)
  const found = await plausibility({ ownShared, theirShared: sharedTargets, ownRows, theirRows: take(raw, drawn) })
  expect(found.verdict).toBe('plausible')
  const { cid: targets } = await importMatrix(ownRows, node.runtime.content.put)
  const { z, expected, verdict } = found
  return await sealRecord(
    {
      v: 1,
      swarm: swarm.id,
      author: key,
      seq: seq++,
      type: 'check',
      partition: result.body.partition,
      alignment: alignment.id,
      result: result.id,
      shard: 'sound',
      opinion: { by: 'prior', score: record.id, seed, rows: ROWS, targets, z, expected, verdict, ...changes }
    },
    sign
  )
}

async function mergeOf(checks: readonly SignedRecord[], rule?: LocalRule): Promise<{ root: CID; view: SwarmView }> {
  const set = createRecordSet([...work, ...[...scores.values()].map(({ record }) => record), ...checks])
  const acceptance = rule === undefined ? undefined : localAcceptance(swarm.manifest, rule)
  const election = await exact.elect(candidatesOf(set, evidence))
  expect(election.reference?.cid).toEqual(ownScore.body.targets)
  const view = viewOf(swarm.manifest, set, evidence, election, acceptance)
  const { root, blocks } = await mergeDataset(swarm, set, evidence, view)
  for (const { cid, bytes } of blocks) await node.runtime.content.put(cid, bytes)
  return { root, view }
}

const verify = async (cid: CID): Promise<VerifyReport> => await node.node.verify(cid.toString())
const failed = (report: VerifyReport): Record<string, string> =>
  Object.fromEntries(report.checks.flatMap(({ name, ok, detail }) => (ok ? [] : [[name, detail]])))
const detail = (report: VerifyReport, name: string): string =>
  report.checks.find(c => c.name === name)?.detail ?? 'not checked'

describe('verification of a dataset with checks', () => {
  test('replays what is confirmed, and computes every verdict again from public bytes', async () => {
    const checks = await Promise.all([0, 1, 2].map(async p => await check('bea', p)))
    const { root, view } = await mergeOf([...checks, await check('cyd', 0)])
    expect(view.unconfirmed).toEqual([3])
    const report = await verify(root)
    expect(failed(report)).toEqual({})
    expect(detail(report, 'confirmation')).toBe('by 1 other: 3 of 4 shards are confirmed; 1 are not (provisional)')
    expect(detail(report, 'verdicts')).toBe('4 of 4 verdicts computed again')
    expect(report.verdicts).toEqual({ total: 4, recomputed: 4, unavailable: 0, contradicting: 0 })
  })

  test('fails for a verdict that its own rows contradict, and names check, author and figures', async () => {
    const lie = await check('bea', 1, { verdict: 'implausible', z: 0.25 })
    const report = await verify((await mergeOf([await check('bea', 0), lie])).root)
    expect(Object.keys(failed(report))).toEqual(['verdicts'])
    const why = failed(report)['verdicts']
    expect(why).toMatch(/^1 of 2 contradict their rows: check /)
    for (const part of [lie.key, testPeer('bea').id, 'implausible', 'z 0.25', 'say plausible: z '])
      expect(why).toContain(part)
    expect(report.verdicts).toMatchObject({ contradicting: 1 })
  })

  test('fails for praise with the rows of other images', async () => {
    const other = await check('bea', 1)
    const praise = await check('bea', 0, { targets: other.body.opinion!.targets })
    expect(failed(await verify((await mergeOf([praise])).root))['verdicts']).toMatch(
      /are plausible .* say (implausible|abstain)/
    )
  })

  test('says which verdicts cannot be computed because their rows are not available', async () => {
    const { cid } = await importMatrix(
      matrix(ROWS, swarm.manifest.dimension, new Float32Array(ROWS * swarm.manifest.dimension)),
      async () => {}
    )
    const report = await verify((await mergeOf([await check('bea', 0), await check('cyd', 1, { targets: cid })])).root)
    expect(failed(report)).toEqual({})
    expect(detail(report, 'verdicts')).toMatch(/^1 of 2 verdicts computed again, 1 not: .*--fetch/)
  })
})

describe('a local view', () => {
  test('has only what those that are trusted confirmed, says so, and is verified by its own rule', async () => {
    const checks = [await check('bea', 0), await check('bea', 1), await check('cyd', 1), await check('cyd', 2)]
    const whole = await mergeOf(checks)
    const { root, view } = await mergeOf(checks, { trust: [testPeer('cyd').id] })
    expect([...view.chosen.keys()].toSorted((a, b) => a - b)).toEqual([1, 2])
    expect(root).not.toEqual(whole.root)
    const report = await verify(root)
    expect(failed(report)).toEqual({})
    expect(detail(report, 'local view')).toContain(`1 of ${testPeer('cyd').id} confirmed`)
    const twice = await mergeOf(checks, { confirmed: 2 })
    expect([...twice.view.chosen.keys()]).toEqual([1])
    expect(failed(await verify(twice.root))).toEqual({})
  })
})
