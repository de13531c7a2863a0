/** Flowers, with priors of really different worth: what the reference, the policy and single priors are worth to students. */
import {
  ACCURACY,
  column,
  falling,
  mean,
  NAME,
  round,
  scored,
  verdict,
  type Figure,
  type Results,
  type Row
} from './figure.ts'
import { isAttackElected } from './figures-elections.ts'
import { EPOCHS, INTRUDERS, photoSwarm, SIX, studentOf } from './photo-swarms.ts'
import type { Outcome } from './students.ts'
import { participants } from './swarms.ts'
import type { StudentRun, SwarmSetup } from './work-list.ts'

export const POLICIES = ['corroboration', 'uniformity', 'predictivity', 'consensus'] as const

export const flowersTo = (alignTo: string): SwarmSetup =>
  photoSwarm('flowers', `to-${alignTo.replace(':', '-')}`, { alignTo })
export const flowersBy = (policy: string, attacked = false): SwarmSetup =>
  photoSwarm('flowers', `by-${policy}${attacked ? '-attacked' : ''}`, {
    policy,
    ...(attacked ? { participants: [...participants(SIX), ...INTRUDERS] } : {})
  })
export const flowersOnly = (prior: string): SwarmSetup =>
  photoSwarm('flowers', `only-${prior}`, { participants: participants([prior]), alignTo: 'none', gate: false })

const REFERENCES = SIX.map(prior => ({ name: prior, setup: flowersTo(`prior:${prior}`) }))
const CODES = flowersTo('random')
const NONE = flowersTo('none')
const CHOICES = [false, true].flatMap(attacked =>
  (attacked ? (['corroboration', 'uniformity'] as const) : POLICIES).map(policy => ({
    name: `${policy}${attacked ? ', attacked' : ''}`,
    setup: flowersBy(policy, attacked),
    attacked
  }))
)
const SINGLES = SIX.map(flowersOnly)

/** As long as the slowest participant and the student together take. */
const BASELINE_EPOCHS = 14
const baseline = (method: 'byol' | 'simclr'): StudentRun => ({
  ...studentOf(flowersBy('corroboration')),
  method,
  epochs: BASELINE_EPOCHS,
  probes: Array.from({ length: BASELINE_EPOCHS }, (_, i) => i + 1)
})
const UNTRAINED: StudentRun = { ...studentOf(flowersBy('corroboration')), method: 'untrained' }

export const students: Figure = {
  key: 'students',
  swarms: [...REFERENCES.map(r => r.setup), CODES, NONE, ...CHOICES.map(c => c.setup), ...SINGLES],
  students: [
    ...[...REFERENCES.map(r => r.setup), CODES, NONE, ...CHOICES.map(c => c.setup), ...SINGLES].map(studentOf),
    baseline('simclr'),
    baseline('byol'),
    UNTRAINED
  ],
  async section(results) {
    const references = REFERENCES.map(({ name, setup }) => referenceRow(results, `to ${name}`, setup, name))
    const codes = referenceRow(results, 'to random codes', CODES)
    const none = referenceRow(results, 'to nothing', NONE)
    const choices = CHOICES.map(({ name, setup }) => choiceRow(results, `elected by ${name}`, setup))
    const singles = SIX.map((prior, i) =>
      results.accuracy(`${prior} alone`, studentOf(SINGLES[i] as SwarmSetup), {
        probe: probeOf(results, SINGLES[i] as SwarmSetup, prior)
      })
    )
    const average = averageOf('mean of the six alone', singles)
    const own = results.outcomes(studentOf(flowersBy('corroboration')))
    const paces = await results.paces(SIX)
    const work = SIX.map(prior => ({ prior, seconds: (paces.get(prior) ?? 0) * ROWS_EACH })).sort(
      (a, b) => b.seconds - a.seconds
    )
    const [slowest = { prior: '', seconds: 0 }] = work
    const training = mean(own.map(o => o.seconds)) ?? 0
    const budget = slowest.seconds + training
    const baselines = (['simclr', 'byol'] as const).map(method => {
      const reached = results.outcomes(baseline(method)).map(o => within(o, budget))
      return scored(
        method === 'simclr' ? 'SimCLR' : 'BYOL',
        reached.map(p => 100 * p.accuracy),
        { seconds: mean(reached.map(p => p.seconds)), epochs: mean(reached.map(p => p.epoch)) }
      )
    })
    const n = own.length
    const choice = (name: string): Row => choices.find(r => r.name === `elected by ${name}`) ?? { name }
    const to = (prior: string): Row => references.find(r => r.name === `to ${prior}`) ?? { name: prior }
    const byWorth = references.toSorted((a, b) => Number(b.probe) - Number(a.probe))
    const [best, worst] = [byWorth[0], byWorth.at(-1)] as [Row, Row]
    return {
      title: 'Flowers: students of six priors of different worth',
      paper:
        'best 65.3 > medium 63.1 > worst 60.1 > none 44.7 (Tab. 7); CoOpt 65.8, mean of the single priors 62.1 (Tab. 2)',
      columns: [
        NAME,
        column('reference', 'elected'),
        column('linear probe of the reference, or prior %', 'probe', 1),
        ACCURACY,
        column('mean R² of the priors to it', 'looR2', 2)
      ],
      rows: [
        ...choices,
        ...references,
        codes,
        none,
        average,
        ...singles,
        ...baselines,
        results.accuracy('untrained student', UNTRAINED)
      ],
      verdicts: [
        ...POLICIES.map(policy => falling(`CoOpt by ${policy} > mean of the six alone`, [choice(policy), average], n)),
        falling(
          `aligned to the best (${best.name.slice(3)}) > aligned to the worst (${worst.name.slice(3)})`,
          [best, worst],
          n
        ),
        falling('aligned to the best > random codes', [best, codes], n),
        falling('aligned to the best > nothing', [best, none], n),
        falling('corroboration > predictivity', [choice('corroboration'), choice('predictivity')], n),
        falling('corroboration > consensus', [choice('corroboration'), choice('consensus')], n),
        verdict(
          'corroboration elects what the uniform value elects among the honest',
          choice('corroboration').elected === choice('uniformity').elected
        ),
        verdict(
          'with two attackers corroboration elects none of them',
          results.reports(flowersBy('corroboration', true)).every(report => !isAttackElected(report))
        ),
        verdict(
          'with two attackers the uniform value elects one',
          results.reports(flowersBy('uniformity', true)).every(isAttackElected)
        ),
        falling(
          'with two attackers corroboration > uniform value',
          [choice('corroboration, attacked'), choice('uniformity, attacked')],
          n
        ),
        falling('aligned to lite0 > aligned to vgg_small', [to('lite0'), to('vgg_small')], n),
        ...baselines.map(row =>
          falling(`CoOpt by corroboration > ${row.name} ${timeText(row, budget)}`, [choice('corroboration'), row], n)
        )
      ],
      notes: [
        `${n} seeds, each with 2,000 of 3,000 flowers, 1,000 of them shared, n = 256; students of 64 x 64 pixels learn for ${EPOCHS.flowers} epochs; a ridge probe of 700 test images (standard error of one figure 1.8 points, the same images for all). Linear probe: ridge, of the reference prior's own features of these rows.`,
        `In the same time: the slowest participant (${slowest.prior}) works ${slowest.seconds.toFixed(0)} s for its sixth of the rows and the shared set, on one core, and the student trains ${training.toFixed(0)} s: ${budget.toFixed(0)} s together. Baselines train on the same rows for ${BASELINE_EPOCHS} epochs, and are read when that time is over. CoOpt has what its priors learned from other images; they have these only.`,
        'Attacked: white noise and a whitened untrained network take part, behind the gate, and do their share of the rows where they pass it.'
      ]
    }
  }
}

/** A row for a reference that was set by hand. */
export function referenceRow(results: Results, name: string, setup: SwarmSetup, prior?: string, trained = true): Row {
  return rowOf(results, name, setup, trained, {
    ...(prior === undefined ? {} : { probe: probeOf(results, setup, prior) }),
    looR2: setup.settings.alignTo === 'none' ? undefined : looR2Of(results, setup)
  })
}

/** A row for a reference that a policy chose. */
export function choiceRow(results: Results, name: string, setup: SwarmSetup, trained = true): Row {
  const reports = results.reports(setup)
  const names = reports.map(r =>
    r.reference?.from.length === 1 ? r.reference.from[0] : `${r.reference?.from.length ?? 0} priors`
  )
  return rowOf(results, name, setup, trained, {
    elected: [...new Set(names)].join(', '),
    probe: mean(
      reports.map(r => {
        const prior = r.reference?.prior
        const found = prior === undefined ? undefined : r.priorProbes?.[prior]
        return found !== undefined && 'accuracy' in found ? 100 * found.accuracy : undefined
      })
    ),
    looR2: looR2Of(results, setup)
  })
}

/** Seed by seed, so that the spread is that of the mean. */
export function averageOf(name: string, rows: readonly Row[]): Row {
  const values = rows.map(r => r.values as number[])
  return scored(
    name,
    (values[0] ?? []).map((_, seed) => mean(values.map(v => v[seed])) ?? NaN)
  )
}

/** Ridge probe of the prior's own features, in percent; undefined if it takes no part. */
export function probeOf(results: Results, setup: SwarmSetup, prior: string): number | undefined {
  const found = results.reports(setup).map(r => r.priorProbes?.[prior])
  const value = mean(found.map(p => (p !== undefined && 'accuracy' in p ? 100 * p.accuracy : undefined)))
  return value === undefined ? undefined : round(value, 2)
}

// --- internal ---

/** `trained`: students learned from it; without them the row has no accuracy. */
function rowOf(
  results: Results,
  name: string,
  setup: SwarmSetup,
  trained: boolean,
  fields: Readonly<Record<string, unknown>>
): Row {
  return trained ? results.accuracy(name, studentOf(setup), fields) : { name, ...fields }
}

/** The shared set, and a sixth of the rows */
const ROWS_EACH = 1000 + 2000 / SIX.length

function looR2Of(results: Results, setup: SwarmSetup): number | undefined {
  return mean(results.reports(setup).flatMap(r => r.participants.map(p => p.looR2)))
}

/** The last probe before this many seconds, or the first. */
function within({ points }: Outcome, seconds: number): Outcome['points'][number] {
  const reached = points.filter(p => p.seconds <= seconds).at(-1) ?? points[0]
  if (reached === undefined) throw new Error('a baseline without points')
  return reached
}

function timeText({ seconds }: Row, budget: number): string {
  const share = Number(seconds) / budget
  return share > 0.9 ? 'in the same time' : `in ${Math.round(100 * share)} % of the time`
}
