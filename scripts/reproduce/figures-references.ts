/** Tab. 7 and Fig. 6d (what to align to), and the cost of each policy's choice relative to the best. */
import {
  ACCURACY,
  column,
  falling,
  mean,
  NAME,
  round,
  scored,
  spread,
  verdict,
  type Figure,
  type Results,
  type Row
} from './figure.ts'
import { isAttackElected } from './figures-elections.ts'
import { alignedTo, ATTACKERS, BEST, elected, MEDIUM, PRIORS, WORST } from './swarms.ts'
import type { StudentRun, SwarmSetup } from './work-list.ts'

const toPrior = (prior: string): SwarmSetup => alignedTo(`prior:${prior}`)
const NONE = alignedTo('none')
const CODES = alignedTo('random')
const CONSENSUS = elected('consensus')
const run = (setup: SwarmSetup): StudentRun => ({ swarm: setup.name })

const STRATEGIES: ReadonlyArray<{ name: string; setup: SwarmSetup }> = [
  { name: `best (${BEST})`, setup: toPrior(BEST) },
  { name: `medium (${MEDIUM})`, setup: toPrior(MEDIUM) },
  { name: `worst (${WORST})`, setup: toPrior(WORST) },
  { name: 'none', setup: NONE },
  { name: 'consensus of all', setup: CONSENSUS },
  { name: 'random codes', setup: CODES }
]

export const tab7: Figure = {
  key: 'tab7',
  swarms: STRATEGIES.map(s => s.setup),
  students: STRATEGIES.map(s => run(s.setup)),
  section(results) {
    const rows = STRATEGIES.map(({ name, setup }) =>
      results.accuracy(name, run(setup), {
        looR2: mean(results.reports(setup).flatMap(r => r.participants.map(p => p.looR2)))
      })
    )
    const [best, medium, worst, none, consensus, codes] = rows as [Row, Row, Row, Row, Row, Row]
    const n = results.scale.seeds.length
    return {
      title: 'Tab. 7: what the targets are aligned to',
      paper: 'best 65.3 > medium 63.1 > worst 60.1 > none 44.7',
      columns: [NAME, ACCURACY, column('mean R² of the priors to it', 'looR2', 2)],
      rows,
      verdicts: [
        falling('best > medium > worst', [best, medium, worst], n),
        falling(
          'worst > none',
          [worst, none],
          n,
          'ridge towards a poor reference keeps of every prior what that reference can tell; targets that are not aligned keep all, and a student of this size learns eight different codes side by side'
        ),
        falling('best > none', [best, none], n),
        falling('consensus > best', [consensus, best], n),
        falling('random codes > medium', [codes, medium], n)
      ],
      notes: [
        'The reference is set by hand here, whatever would be elected. Random codes are Gaussian vectors, one for each shared image.'
      ]
    }
  }
}

export const fig6d: Figure = {
  key: 'fig6d',
  swarms: tab7.swarms,
  students: tab7.students,
  section(results) {
    const curves = STRATEGIES.map(({ name, setup }) => {
      const outcomes = results.outcomes(run(setup))
      const points = (outcomes[0]?.points ?? []).map(({ epoch }, i) => ({
        epoch,
        ...spread(outcomes.map(o => 100 * (o.points[i]?.accuracy ?? NaN)))
      }))
      return { name, points }
    })
    const epochs = curves[0]?.points.map(p => p.epoch) ?? []
    const rows: Row[] = curves.map(({ name, points }) => ({
      name,
      ...Object.fromEntries(points.map(p => [`e${p.epoch}`, round(p.mean, 2)]))
    }))
    return {
      title: 'Fig. 6d: accuracy while a student trains',
      paper: 'the order of Tab. 7 from the first epochs on; without alignment the curve rises and falls again',
      columns: [NAME, ...epochs.map(epoch => column(`epoch ${epoch}`, `e${epoch}`, 1))],
      rows,
      verdicts: epochs.map((epoch, i) =>
        falling(
          `best > medium > worst at epoch ${epoch}`,
          curves.slice(0, 3).map(({ name, points }) => ({ name, ...points[i] })),
          results.scale.seeds.length
        )
      ),
      curves
    }
  }
}

const POLICIES = ['uniformity', 'predictivity', 'consensus'] as const
const electedBy = (policy: string, attacked: boolean, gate = true): SwarmSetup =>
  elected(policy, { attackers: attacked ? ATTACKERS : [], gate })
const CHOICES = [
  ...[false, true].flatMap(attacked => POLICIES.map(policy => ({ policy, attacked, gate: true }))),
  { policy: 'uniformity', attacked: true, gate: false }
]

export const regret: Figure = {
  key: 'regret',
  swarms: [...PRIORS.map(toPrior), NONE, CODES, ...CHOICES.map(c => electedBy(c.policy, c.attacked, c.gate))],
  students: [...PRIORS.map(toPrior), NONE, CODES, ...CHOICES.map(c => electedBy(c.policy, c.attacked, c.gate))].map(
    run
  ),
  section(results) {
    const references = PRIORS.map(prior => results.accuracy(prior, run(toPrior(prior)), { kind: 'by hand' }))
    const best = references.reduce((a, b) => ((b.mean ?? 0) > (a.mean ?? 0) ? b : a))
    const choices = CHOICES.map(({ policy, attacked, gate }) => choiceRow(results, { policy, attacked, gate }, best))
    const find = (name: string): Row => choices.find(r => r.name === name) ?? { name }
    const n = results.scale.seeds.length
    return {
      title: 'Choice of the reference: what each policy costs',
      paper: 'not in the papers: they elect by the uniform value among honest participants',
      columns: [NAME, column('elected', 'elected'), ACCURACY, column('below the best prior as reference', 'regret', 1)],
      rows: [
        ...references,
        results.accuracy('random codes', run(CODES), { kind: 'by hand' }),
        results.accuracy('none', run(NONE), { kind: 'by hand' }),
        ...choices
      ].map(row => ({ ...row, regret: row.regret ?? round((best.mean ?? 0) - (row.mean ?? 0), 2) })),
      verdicts: [
        falling('predictivity > uniformity', [find('predictivity'), find('uniformity')], n),
        falling('consensus > predictivity', [find('consensus'), find('predictivity')], n),
        falling(
          'consensus with two attackers > predictivity without',
          [find('consensus, attacked'), find('predictivity')],
          n
        ),
        falling(
          'attacked, by uniformity: with the gate > without',
          [find('uniformity, attacked'), find('uniformity, attacked, no gate')],
          n,
          'behind the gate the whitened prior is elected as well, and as a reference it serves like random codes; the gate only takes the noise away'
        ),
        ...POLICIES.filter(policy => policy !== 'consensus').map(policy =>
          verdict(
            `attacked, behind the gate: ${policy} elects no attacker`,
            results.reports(electedBy(policy, true)).every(report => !isAttackElected(report)),
            'a whitened prior passes the gate and has nearly the lowest uniform value there is'
          )
        )
      ],
      notes: [
        'Attacked: white noise and a whitened untrained network take part besides the eight. The first rows set the reference by hand.'
      ]
    }
  }
}

// --- internal ---

function choiceRow(
  results: Results,
  { policy, attacked, gate }: { policy: string; attacked: boolean; gate: boolean },
  best: Row
): Row {
  const setup = electedBy(policy, attacked, gate)
  const outcomes = results.outcomes(run(setup))
  const names = results
    .reports(setup)
    .map(r => (r.reference?.from.length === 1 ? r.reference.from[0] : `${r.reference?.from.length ?? 0} priors`))
  const row = scored(
    `${policy}${attacked ? ', attacked' : ''}${gate ? '' : ', no gate'}`,
    outcomes.map(o => 100 * o.accuracy),
    { kind: 'elected', elected: [...new Set(names)].join(', ') }
  )
  return { ...row, regret: round((best.mean ?? 0) - (row.mean ?? 0), 2) }
}
