/** Fig. 5c and attackers: how scores rank priors, and who is elected. No student is trained for these. */
import { rankCorrelation } from '../../node/evaluate/rank-correlation.ts'
import type { ConfigurationReport } from '../../node/lab/simulate/report.ts'
import { column, firm, mean, NAME, round, spread, verdict, type Figure, type Results, type Row } from './figure.ts'
import { elected, participants, PRIORS } from './swarms.ts'
import type { SwarmSetup } from './work-list.ts'

const ZOO = [...PRIORS, 'im_mobilenet025'] as const
const NOISE = 'noise_hash'
/** The whole zoo, including priors that the gate refuses: this measures scores, not elections. */
const zoo = (policy: string, centred: boolean): SwarmSetup => ({
  name: `zoo-${policy}${centred ? '-centred' : ''}`,
  settings: { policy, centred, gate: false, participants: participants([...ZOO, NOISE]) }
})
const SCORES = [
  { name: 'uniform value', setup: zoo('uniformity', false), field: 'uniformValue' },
  { name: 'uniform value, centred', setup: zoo('uniformity', true), field: 'uniformValue' },
  { name: 'predictivity', setup: zoo('predictivity', false), field: 'predictivity' }
] as const

export const fig5c: Figure = {
  key: 'fig5c',
  swarms: SCORES.map(s => s.setup),
  students: [],
  section(results) {
    const rows = SCORES.map(({ name, setup, field }) => {
      const reports = results.reports(setup)
      const honest = correlations(results, reports, field, ZOO)
      const all = correlations(results, reports, field, [...ZOO, NOISE])
      return { name, honest, all, honestText: text(honest), allText: text(all) }
    })
    const scores = (index: number, prior: string): number | undefined => {
      const score = SCORES[index]
      return score === undefined
        ? undefined
        : mean(results.reports(score.setup).map(r => scoreOf(r, score.field, prior)))
    }
    const priors: Row[] = [...ZOO, NOISE].map(prior => ({
      name: prior,
      probe: 100 * (results.zoo.get(prior)?.accuracy ?? NaN),
      v: scores(0, prior),
      centred: scores(1, prior),
      predictivity: scores(2, prior)
    }))
    const rho = (i: number, whom: 'honest' | 'all'): number => rows[i]?.[whom].mean ?? NaN
    return {
      title: 'Fig. 5c: does a score that needs no labels rank the priors?',
      paper: 'Spearman of uniform value and accuracy -0.97 over models of one kind',
      columns: [
        NAME,
        column('linear probe %', 'probe', 1),
        column('uniform value', 'v', 2),
        column('centred', 'centred', 2),
        column('predictivity', 'predictivity'),
        column('rho, nine honest priors', 'honestText'),
        column('rho, and noise', 'allText')
      ],
      rows: [
        ...priors,
        ...rows.map(({ name, honest, all, honestText, allText }) => ({
          name: `Spearman of ${name}`,
          honest,
          all,
          honestText,
          allText
        }))
      ],
      verdicts: [
        verdict('uniform value: lower is better among honest priors (rho ≤ -0.5)', rho(0, 'honest') <= -0.5),
        verdict('centred: lower is better among honest priors (rho ≤ -0.5)', rho(1, 'honest') <= -0.5),
        verdict('predictivity: higher is better among honest priors (rho ≥ 0.5)', rho(2, 'honest') >= 0.5),
        firm(
          verdict(
            'with noise among them predictivity ranks better than the uniform value',
            rho(2, 'all') > -rho(0, 'all')
          )
        )
      ],
      notes: [
        'Accuracy: linear probe of zoo.json. No student is trained for this. The zoo mixes supervised, self-supervised and untrained models, which the papers do not.'
      ]
    }
  }
}

const ATTACKS: ReadonlyArray<{ name: string; attackers: readonly object[] }> = [
  { name: 'noise', attackers: [{ prior: 'noise_hash', attack: 'noise' }] },
  { name: 'whitened weak prior', attackers: [{ prior: 'random_conv', attack: 'whiten', name: 'whitened' }] },
  { name: 'noise blended in', attackers: [{ prior: 'random_conv', attack: 'blend', name: 'blended' }] },
  { name: 'copies, three', attackers: [{ prior: 'random_conv', attack: 'copy', sybils: 3 }] },
  { name: 'garbage, five sybils', attackers: [{ prior: 'random_conv', attack: 'garbage', sybils: 5 }] }
]
const attacked = (attack: (typeof ATTACKS)[number], policy: string, gate: boolean): SwarmSetup =>
  elected(policy, { attackers: attack.attackers, gate, name: attack.name.replaceAll(/[^a-z]+/g, '-') })
const RULES = [
  { name: 'uniformity, no gate', policy: 'uniformity', gate: false },
  { name: 'uniformity, gate', policy: 'uniformity', gate: true },
  { name: 'predictivity, gate', policy: 'predictivity', gate: true },
  { name: 'consensus, gate', policy: 'consensus', gate: true }
]

export const attacks: Figure = {
  key: 'attacks',
  swarms: ATTACKS.flatMap(a => RULES.map(r => attacked(a, r.policy, r.gate))),
  students: [],
  section(results) {
    const rows: Row[] = ATTACKS.map(attack => ({
      name: attack.name,
      ...Object.fromEntries(
        RULES.map(rule => {
          const reports = results.reports(attacked(attack, rule.policy, rule.gate))
          return [
            rule.name,
            {
              won: reports.filter(isAttackElected).length,
              rows: round(100 * (mean(reports.map(attackedShare)) ?? 0), 1),
              of: reports.length
            }
          ]
        })
      )
    }))
    const cell = (row: Row | undefined, rule: string) =>
      row?.[rule] as { won: number; rows: number; of: number } | undefined
    const seeds = results.scale.seeds.length
    const won = (attack: number, rule: string): number => cell(rows[attack], rule)?.won ?? NaN
    return {
      title: 'Attackers: who is elected, and how many rows are theirs',
      paper: 'not in the papers, whose participants are honest',
      columns: [
        { title: 'attack', text: row => row.name },
        ...RULES.map(({ name }) => ({
          title: name,
          text: (row: Row): string => {
            const c = cell(row, name)
            return c === undefined
              ? '–'
              : `${name.startsWith('consensus') ? '' : `elected ${c.won} of ${c.of}, `}${c.rows.toFixed(0)} % of rows`
          }
        }))
      ],
      rows,
      verdicts: [
        firm(
          verdict('without the gate noise is elected by the uniform value', won(0, 'uniformity, no gate') === seeds)
        ),
        firm(verdict('behind the gate it is not', won(0, 'uniformity, gate') === 0)),
        firm(
          verdict(
            'the gate does not keep out a whitened prior: the uniform value elects it',
            won(1, 'uniformity, gate') === seeds
          )
        ),
        firm(verdict('predictivity does not elect it', won(1, 'predictivity, gate') === 0)),
        verdict('predictivity elects no copy of its winner', won(3, 'predictivity, gate') === 0)
      ],
      notes: [
        'Attackers besides the eight. Garbage: honest on the shared set, noise on partitions; no election can see it, an audit of rows does. A copy is the winner’s S_Y, rotated, with a little noise: as a reference it is as good, and its author does the work of its own weak prior. Not simulated: a copy of the consensus itself, which would lead the ranking (predictivity .82, the best prior’s .64 on one draw).'
      ]
    }
  }
}

// --- internal ---

type Score = 'uniformValue' | 'predictivity'

function scoreOf({ participants: list }: ConfigurationReport, field: Score, prior: string): number | undefined {
  return list.find(p => p.prior === prior)?.[field]
}

function correlations(
  results: Results,
  reports: readonly ConfigurationReport[],
  field: Score,
  priors: readonly string[]
) {
  const rhos = reports.map(report => {
    const known = priors.filter(prior => scoreOf(report, field, prior) !== undefined)
    const scores = known.map(prior => scoreOf(report, field, prior) ?? NaN)
    return (
      rankCorrelation(
        scores,
        known.map(prior => results.zoo.get(prior)?.accuracy ?? NaN)
      )?.rho ?? NaN
    )
  })
  return spread(rhos)
}

function text({ mean: center, deviation }: { mean: number; deviation: number }): string {
  return `${center.toFixed(2)} ± ${deviation.toFixed(2)}`
}

export function isAttackElected({ reference, participants: list }: ConfigurationReport): boolean {
  const [only, ...others] = reference?.from ?? []
  return others.length === 0 && list.some(p => p.participant === only && p.attack !== undefined)
}

function attackedShare({ participants: list }: ConfigurationReport): number {
  const all = list.reduce((sum, p) => sum + p.partitions, 0)
  return all === 0 ? 0 : list.filter(p => p.attack !== undefined).reduce((sum, p) => sum + p.partitions, 0) / all
}
