import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parsePlan, readPlan } from '../../../../node/lab/simulate/plan.ts'

const plan = (rest: object = {}): object => ({
  images: ['a.tar'],
  priors: { one: 'one.onnx', two: 'two.onnx' },
  base: { participants: [{ prior: 'one' }] },
  ...rest
})

test('paths are relative to the plan, and what is left out has a default', () => {
  const { images, labels, priors, configurations } = parsePlan(plan({ labels: 'labels.csv' }), '/data')
  expect(images).toEqual(['/data/a.tar'])
  expect(labels).toBe('/data/labels.csv')
  expect(priors.get('two')).toBe('/data/two.onnx')
  expect(configurations).toMatchObject([
    { name: 'base', settings: { partitions: 40, shared: 1000, dimension: 128, alignTo: 'elected', gate: true } }
  ])
})

test('configurations are multiplied by what varies, and named by it', () => {
  const { configurations } = parsePlan(
    plan({
      configs: [
        { name: 'best', alignTo: 'best' },
        { name: 'none', alignTo: 'none' }
      ],
      vary: { seed: [0, 1], shared: [25, 50] }
    }),
    '/'
  )
  expect(configurations.map(c => c.name)).toEqual([
    'best-seed0-shared25',
    'best-seed0-shared50',
    'best-seed1-shared25',
    'best-seed1-shared50',
    'none-seed0-shared25',
    'none-seed0-shared50',
    'none-seed1-shared25',
    'none-seed1-shared50'
  ])
  expect(configurations[3]?.settings).toMatchObject({ seed: 1, shared: 50, alignTo: 'best' })
})

describe('an error names the path and the reason', () => {
  test.each<[string, object, RegExp]>([
    ['a field that nobody knows', { base: { participant: [] } }, /plan: base: .*participant/],
    ['nobody', { base: {} }, /plan: base\.participants: /],
    [
      'a prior that is not listed',
      { base: { participants: [{ prior: 'three' }] } },
      /base\.participants\.0\.prior: prior "three" is not in "priors"/
    ],
    ['honest without a prior', { base: { participants: [{}] } }, /base\.participants\.0: lacks a prior/],
    [
      'sybils of nobody',
      { base: { participants: [{ prior: 'one', sybils: 3 }] } },
      /base\.participants\.0: "sybils" requires an attack/
    ],
    [
      'an attack that does not exist',
      { base: { participants: [{ prior: 'one', attack: 'bribe' }] } },
      /base\.participants\.0\.attack: /
    ],
    ['a shared set that no manifest takes', { configs: [{ name: 'a', shared: 4 }] }, /configs\.0\.shared: /],
    [
      'too few rows',
      { configs: [{ name: 'a', rows: 500 }] },
      /configs\.0\.rows: 500 rows are too few for 1000 shared rows/
    ],
    ['a reference that is none', { configs: [{ name: 'a', alignTo: 'the best' }] }, /configs\.0\.alignTo: /],
    [
      'an alignment to an unknown prior',
      { configs: [{ name: 'a', alignTo: 'prior:x' }] },
      /configs\.0\.alignTo: prior "x"/
    ],
    [
      'an upgrade to an unknown prior',
      { configs: [{ name: 'a', upgrades: { one: 'x' } }] },
      /configs\.0\.upgrades\.one: prior "x"/
    ],
    ['the same name twice', { configs: [{ name: 'a' }, { name: 'a' }] }, /configs\.1\.name: "a" occurs twice/],
    ['a name that is a path', { configs: [{ name: '../a' }] }, /configs\.0\.name: a name has/],
    ['a value that varies and is wrong', { vary: { seed: [0, -1] } }, /base\.with vary seed-1\.seed: /],
    [
      'people without labels',
      { configs: [{ name: 'a', human: { share: 0.2 } }] },
      /configs\.0\.human: "human" requires "labels"/
    ]
  ])('%s', (_, rest, message) => {
    expect(() => parsePlan(plan(rest), '/')).toThrow(message)
  })

  test('a file that is no JSON', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coopt-plan-'))
    onTestFinished(async () => await rm(folder, { recursive: true }))
    await writeFile(join(folder, 'plan.json'), '{')
    await expect(readPlan(join(folder, 'plan.json'))).rejects.toThrow(/plan .*plan\.json cannot be read: .*JSON/)
    await expect(readPlan(join(folder, 'none.json'))).rejects.toMatchObject({ name: 'InvalidInputError' })
  })
})
