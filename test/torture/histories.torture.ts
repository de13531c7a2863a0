import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRecordSet } from '../../src/merge/record-set.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { anyHistory } from '../helpers/arbitraries.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { simulate } from '../helpers/simulator.ts'
import { makeSwarm } from '../helpers/swarm-factory.ts'

const HISTORIES = sizeOf('COOPT_HISTORIES', 20)
/** As the plan has it: each step publishes, delivers, drops, repeats, reorders, splits, crashes, restarts, syncs or equivocates. */
const STEPS = 60

test(`replicas keep every promise in random histories of ${STEPS} steps (${HISTORIES})`, async () => {
  let records = 0
  let crashes = 0
  let complete = 0
  // every third with checks: they take twice as long
  for (let seed = 0; seed < HISTORIES; seed++) {
    const report = await simulate(seed, undefined, { steps: STEPS, checks: seed % 3 === 2 })
    records += report.records
    crashes += report.crashes
    complete += Number(report.complete)
  }
  // histories in which nobody could be elected are promises kept over nothing
  expect(complete).toBeGreaterThan(HISTORIES / 2)
  figure('records', records)
  figure('crashes', crashes)
})

test(`the set of records is a join: idempotent, commutative, associative, monotonic (${HISTORIES} triples)`, async () => {
  const swarm = await makeSwarm({ quotas: { recordsPerPeer: 100, recordBytes: 1_048_576 } })
  const keys = (...lists: (readonly SignedRecord[])[]): string[] =>
    createRecordSet(lists.flat(), swarm.manifest.quotas)
      .records()
      .map(({ key }) => key)
  const joined = (a: readonly SignedRecord[], b: readonly SignedRecord[]): readonly SignedRecord[] =>
    createRecordSet([...a, ...b], swarm.manifest.quotas).records()
  fc.assert(
    fc.property(anyHistory(swarm), anyHistory(swarm), anyHistory(swarm), (a, b, c) => {
      expect(keys(joined(a, a))).toEqual(keys(a))
      expect(keys(a, b)).toEqual(keys(b, a))
      expect(keys(joined(joined(a, b), c))).toEqual(keys(joined(a, joined(b, c))))
      // what is known twice over stays known: no record of a set is lost by joining a set that has it
      const both = new Set(keys(a, b))
      const again = new Set(keys(joined(a, b), a))
      expect(again).toEqual(both)
    }),
    { numRuns: HISTORIES }
  )
})
