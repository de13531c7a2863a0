import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChecksReport } from '../../../../node/lab/simulate/check-report.ts'
import { BASE, only, ROWS, smallPlans, type SmallPlans } from './small-plan.ts'

let plans: SmallPlans
beforeAll(async () => {
  plans = await smallPlans()
})
afterAll(async () => await plans.close())

const HONEST = BASE.participants
const PARTITIONS = 8
const ALL_HONEST = { honest: ROWS, garbage: 0, ghost: 0, lost: 0 }

const checked = async (participants: object[], quorum = 1): Promise<ChecksReport> => {
  const acceptance = { quorum, voters: 'members' }
  const { checks } = only(await plans.run({ configs: [{ name: 'checked', acceptance, participants }] }))
  if (checks === undefined) throw new Error('nothing was checked')
  return checks
}

test('honest members confirm all of each other’s work, and look at it once more while they have no history', async () => {
  const found = await checked(HONEST)
  expect(found).toMatchObject({ complete: true, confirmed: ALL_HONEST, caught: [], refutedHonest: 0, refutedFalse: 0 })
  // a partition that a stronger prior did again is checked again; what is replaced before its second look gets none
  const works = found.workRows / (ROWS / PARTITIONS)
  expect(found.checks).toBeGreaterThanOrEqual(2 * PARTITIONS)
  expect(found.checks).toBeLessThanOrEqual(2 * works)
  expect(found).toMatchObject({ opinions: found.checks, timesTargets: (2 * found.checks) / PARTITIONS })
})

describe('behind an honest S_Y', () => {
  test.each(['garbage', 'ghosts', 'permuted', 'other-partition', 'first-rows', 'constant', 'shared-again', 'mixed'])(
    'work of this kind is never confirmed, and done again by others: %s',
    { timeout: 120_000 },
    async attack => {
      const found = await checked([...HONEST, { prior: 'simclr_conv', attack, speed: 3 }])
      expect(found).toMatchObject({ complete: true, confirmed: ALL_HONEST, caughtHonest: 0, refutedHonest: 0 })
    }
  )
})

test.each(['consensus', 'consensus-mapped'])('nor is work behind a copy of the consensus: %s', async attack => {
  const found = await checked([...HONEST, { prior: 'simclr_conv', attack, speed: 3 }])
  expect(found).toMatchObject({ complete: true, confirmed: ALL_HONEST, caughtHonest: 0, refutedHonest: 0 })
})

test('ghosts of two that praise each other are found by the second look, whatever the quorum', async () => {
  const clique = ['one', 'two'].map(name => ({
    prior: 'simclr_conv',
    name,
    attack: 'ghosts',
    checks: 'conspire',
    speed: 3
  }))
  const participants = [...HONEST, { prior: 'resnet20', name: 'another' }, ...clique]
  for (const quorum of [1, 2])
    expect(await checked(participants, quorum)).toMatchObject({
      complete: true,
      confirmed: ALL_HONEST,
      caughtHonest: 0
    })
})

test('what its author alone held is lost when it leaves, and done again', async () => {
  const found = await checked([...HONEST, { prior: 'simclr_conv', speed: 8, leavesAfter: 1 }])
  expect(found).toMatchObject({ complete: true, confirmed: ALL_HONEST, caught: [] })
})

test('one accuser delays nobody for good', async () => {
  const found = await checked([...HONEST, { prior: 'simclr_conv', name: 'accuser', checks: 'accuse' }])
  expect(found).toMatchObject({ complete: true, caughtHonest: 0, refutedHonest: 0 })
  expect(found.confirmed).toEqual(ALL_HONEST)
})
