import { afterAll, beforeAll, expect, test } from 'vitest'
import { ATTACKS, isCopyAttack, isWorkAttack, type Attack } from '../../node/lab/simulate/attack-names.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { only, ROWS, smallPlans, type SmallPlans } from '../node/lab/simulate/small-plan.ts'

const SEEDS = sizeOf('COOPT_ATTACKS', 1)
/** Three of ten attack; honest ones share four priors. */
const HONEST = ['resnet20', 'vgg_small', 'superclass2', 'simclr_conv', 'resnet20', 'vgg_small', 'superclass2'].map(
  (prior, i) => ({ prior, name: `honest-${i}` })
)
const ATTACKERS = 3

let plans: SmallPlans
beforeAll(async () => {
  plans = await smallPlans()
})
afterAll(async () => await plans.close())

const attackers = (attack: Attack): object[] =>
  Array.from({ length: ATTACKERS }, (_, i) => ({
    ...(attack === 'noise' ? {} : { prior: 'simclr_conv' }),
    name: `attacker-${i}`,
    attack,
    speed: 3
  }))

test.each(ATTACKS)(`three attackers among ten gain nothing: %s (${SEEDS} seeds)`, async attack => {
  let elected = 0
  let confirmed = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const report = only(
      await plans.run({
        configs: [
          {
            name: `${attack}-${seed}`,
            seed,
            policy: 'corroboration',
            acceptance: { quorum: 1, voters: 'members' },
            participants: [...HONEST, ...attackers(attack)]
          }
        ]
      })
    )
    const { checks } = report
    if (checks === undefined) throw new Error('nothing was checked')
    elected += Number(report.reference?.from.some(name => name.startsWith('attacker')) ?? false)
    confirmed += checks.confirmed.garbage + checks.confirmed.ghost
    expect(checks, `seed ${seed}`).toMatchObject({ complete: true, caughtHonest: 0, refutedHonest: 0 })
    expect(checks.confirmed.garbage + checks.confirmed.ghost, `false rows confirmed, seed ${seed}`).toBe(0)
    // with the targets of an honest prior there is nothing to gain by an election, whoever is named
    if (!isWorkAttack(attack) && !isCopyAttack(attack) && attack !== 'blend')
      expect(
        report.reference?.from.filter(name => name.startsWith('attacker')),
        `seed ${seed}`
      ).toEqual([])
  }
  figure(`${attack}: elected, false rows of ${ROWS * SEEDS}`, `${elected}, ${confirmed}`)
})
