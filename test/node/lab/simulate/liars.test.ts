import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChecksReport } from '../../../../node/lab/simulate/check-report.ts'
import { BASE, only, ROWS, smallPlans, type SmallPlans } from './small-plan.ts'

let plans: SmallPlans
beforeAll(async () => {
  plans = await smallPlans()
})
afterAll(async () => await plans.close())

const RULE = { acceptance: { quorum: 1, voters: 'members' } }
/** The opinions of three priors of one kind are worth much to each other, so 50 rows are enough */
const HONEST = BASE.participants

const checked = async (participants: object[], rest: object = {}): Promise<ChecksReport> => {
  const report = only(await plans.run({ configs: [{ name: 'checked', ...RULE, participants, ...rest }] }))
  if (report.checks === undefined) throw new Error('nothing was checked')
  console.log(JSON.stringify(report.checks), report.participants.map(p => [p.participant, p.partitions]).join(' '))
  return report.checks
}

test('honest members confirm all of each other’s work', async () => {
  const found = await checked(HONEST)
  expect(found).toMatchObject({ complete: true, caught: [], refutedHonest: 0, refutedFalse: 0 })
  expect(found.confirmed).toEqual({ honest: ROWS, garbage: 0, ghost: 0, lost: 0 })
  expect(found.checks).toBe(8)
})

describe('behind an honest S_Y', () => {
  test.each(['garbage', 'ghosts', 'permuted', 'other-partition', 'first-rows', 'constant', 'shared-again', 'mixed'])(
    'work of this kind is never confirmed, and done by others: %s',
    async attack => {
      const found = await checked([...HONEST, { prior: 'simclr_conv', attack, speed: 3 }])
      expect(found).toMatchObject({ complete: true, caughtHonest: 0, refutedHonest: 0 })
      expect(found.confirmed).toEqual({ honest: ROWS, garbage: 0, ghost: 0, lost: 0 })
    }
  )
})
