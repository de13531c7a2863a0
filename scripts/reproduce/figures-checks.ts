/** Checks between priors on three datasets: false alarms, and what is found of each kind of garbage. No student is trained for it. */
import { MAX_SHORTFALL, MIN_Z } from '../../src/publish/plausibility.ts'
import { MIN_OTHER_Z } from '../../src/publish/distribution.ts'
import type { Dataset } from './datasets.ts'
import { checkPairs, HONEST, keyOf, KINDS, PARTITION, type CheckedPairs, type CheckSetup } from './checked-pairs.ts'
import { column, firm, round, verdict, type Figure, type Results, type Row, type Section } from './figure.ts'
import { GARBAGE, IMPOSTORS } from './garbage.ts'
import { table } from './markdown.ts'

const KS = [16, 32, 64, 128, 256] as const
/** k of the table of pairs, and of the claims that are about one k. */
const K = 64

const SETUPS: readonly CheckSetup[] = [
  { dataset: 'photos', m: 300, n: 128, draws: 3 },
  { dataset: 'photos', m: 700, n: 128, draws: 3 },
  { dataset: 'photos', m: 700, n: 256, draws: 2 },
  { dataset: 'flowers', m: 1000, n: 128, draws: 3 },
  { dataset: 'flowers', m: 1000, n: 256, draws: 1 },
  { dataset: 'CIFAR-10', m: 1000, n: 128, draws: 3 },
  { dataset: 'CIFAR-10', m: 1000, n: 256, draws: 1 }
]

/** One dataset, four priors, two k: twenty seconds once their features are computed. */
const QUICK: readonly CheckSetup[] = [{ dataset: 'CIFAR-10', m: 500, n: 64, draws: 1 }]
const QUICK_PRIORS = 4
const QUICK_KS = [32, K] as const

interface Checked {
  readonly setup: CheckSetup
  readonly priors: readonly string[]
  readonly found: CheckedPairs
}

export const checks: Figure = {
  key: 'checks',
  swarms: [],
  students: [],
  datasets: true,
  async section(results) {
    const { quick } = results.scale
    const checked = await checkAll(results, quick ? QUICK : SETUPS, quick)
    return sectionOf(checked, quick ? QUICK_KS : KS)
  }
}

// --- internal ---

async function checkAll(results: Results, setups: readonly CheckSetup[], quick: boolean): Promise<Checked[]> {
  const datasets: readonly Dataset[] = await results.datasets([...new Set(setups.map(s => s.dataset))])
  const checked: Checked[] = []
  for (const setup of setups) {
    const dataset = datasets.find(d => d.name === setup.dataset)
    if (dataset === undefined) continue
    results.onProgress(`checks: ${setup.dataset}, m = ${setup.m}, n = ${setup.n}`)
    const priors = quick ? dataset.swarm.slice(0, QUICK_PRIORS) : dataset.swarm
    checked.push({ setup, priors, found: await checkPairs(dataset, setup, priors, quick ? QUICK_KS : KS) })
  }
  return checked
}

function sectionOf(checked: readonly Checked[], ks: readonly number[]): Section {
  const rows = checked.flatMap(c => KINDS.map(kind => rowOf(c, kind, ks)))
  const sum = (kinds: readonly string[], field: 'plausible' | 'implausible' | 'total', at = ks): number =>
    rows
      .filter(r => kinds.includes(String(r.kind)))
      .reduce((total, r) => total + at.reduce((s, k) => s + Number(r[`${field} ${k}`] ?? 0), 0), 0)
  // what is wrong in every row
  const whole = [...GARBAGE.filter(kind => !kind.startsWith('first ')), IMPOSTORS[0], IMPOSTORS[2]]
  const half = ['first half honest']
  const mapped = [IMPOSTORS[1], IMPOSTORS[3]]
  const [honest, blamed] = [sum([HONEST], 'total'), sum([HONEST], 'implausible')]
  const tested = (kinds: readonly string[], field: 'tested' | 'found'): number =>
    rows.filter(r => kinds.includes(String(r.kind))).reduce((total, r) => total + Number(r[field] ?? 0), 0)
  const full = ks.filter(k => k >= K)
  return {
    title: 'Checks: do published targets belong to their images?',
    paper: 'not in the papers, whose participants are honest',
    columns: [
      column('images', 'dataset'),
      { title: 'm', text: row => String(row.m) },
      { title: 'n', text: row => String(row.n) },
      column('author publishes', 'kind'),
      ...ks.map(k => ({ title: `k = ${k}`, text: (row: Row): string => String(row[`share ${k}`]) })),
      column('distribution', 'distribution')
    ],
    rows,
    verdicts: [
      firm(verdict(`of ${honest} checks between honest priors at most 1 in 10,000 blames`, blamed <= honest / 10_000)),
      firm(
        verdict(
          `none of ${sum(whole, 'total')} checks praises targets that are wrong in every row`,
          sum(whole, 'plausible') === 0
        )
      ),
      verdict(
        `of ${sum(half, 'total')} checks of targets of which half are honest at most 1 in 100 praises`,
        sum(half, 'plausible') <= sum(half, 'total') / 100
      ),
      verdict(
        `with k of ${K} and more, half of the checks or more blame targets that are wrong in every row, on every dataset`,
        rows
          .filter(r => whole.some(kind => kind === r.kind))
          .every(r => full.every(k => 2 * Number(r[`implausible ${k}`] ?? 0) >= Number(r[`total ${k}`] ?? 0)))
      ),
      firm(
        verdict(
          `none of ${tested([HONEST], 'tested')} honest partitions is found to be distributed otherwise than S_Y`,
          tested([HONEST], 'found') === 0
        )
      ),
      verdict(
        `all ${tested(mapped, 'tested')} partitions with own targets mapped onto somebody else's S_Y are`,
        tested(mapped, 'found') === tested(mapped, 'tested')
      )
    ],
    notes: [
      `Cells: checks that find the rows plausible / abstain / find them implausible, in %; – where the pool has fewer rows. Every prior of the swarm checks every other. Plausible: z of ${MIN_Z} or more, a shortfall of ${MAX_SHORTFALL} or less against S, and more (src/publish/plausibility.ts). Distribution: partitions of ${PARTITION} rows found to be distributed otherwise than the author's S_Y (z of ${MIN_OTHER_Z} or more, src/publish/distribution.ts), least and greatest z; it reads published bytes alone. Three honest checks for one of each kind of garbage; the ${POOL_NOTE}.`,
      `Greatest z of targets that are wrong in every row: ${greatest(checked, whole).toFixed(1)}.`,
      ...pairTables(checked)
    ]
  }
}

const POOL_NOTE = 'rows of other images come from the same pool of 2,000 (photos: what S leaves of 1,000)'

function rowOf({ setup, found }: Checked, kind: string, ks: readonly number[]): Row {
  const { dataset, m, n } = setup
  const fields: Record<string, unknown> = {}
  for (const k of ks) {
    const tally = found.checks.get(keyOf(kind, k))
    fields[`share ${k}`] = '–'
    if (tally === undefined) continue
    const { plausible, abstain, implausible } = tally.counts
    fields[`share ${k}`] = [plausible, abstain, implausible].map(count => percent(count, tally.total)).join(' / ')
    fields[`plausible ${k}`] = plausible
    fields[`implausible ${k}`] = implausible
    fields[`total ${k}`] = tally.total
    fields[`least z ${k}`] = round(tally.least, 2)
    fields[`greatest z ${k}`] = round(tally.greatest, 2)
  }
  const tested = found.distributions.get(kind)
  if (tested !== undefined && tested.total > 0)
    Object.assign(fields, {
      tested: tested.total,
      found: tested.found,
      distribution: `${tested.found} of ${tested.total} (${tested.least.toFixed(1)} to ${tested.greatest.toFixed(1)})`
    })
  return { name: `${dataset} ${m} ${n} ${kind}`, dataset, m, n, kind, ...fields }
}

function greatest(checked: readonly Checked[], kinds: readonly string[]): number {
  const values = checked.flatMap(({ found }) =>
    [...found.checks].filter(([key]) => kinds.includes(key.split(' | ')[0] ?? '')).map(([, tally]) => tally.greatest)
  )
  return Math.max(-Infinity, ...values)
}

/** For each dataset, at its largest m and smallest n: expected z, honest found plausible, permuted and half honest found implausible. */
function pairTables(checked: readonly Checked[]): string[] {
  const names = [...new Set(checked.map(c => c.setup.dataset))]
  return names.flatMap(name => {
    const chosen = checked
      .filter(c => c.setup.dataset === name)
      .sort((a, b) => b.setup.m - a.setup.m || a.setup.n - b.setup.n)[0]
    if (chosen === undefined) return []
    const { setup, priors, found } = chosen
    const cell = (checker: string, author: string): string => {
      const of = (kind: string) => found.pairs.get(keyOf(checker, author, kind, K))
      const [honest, permuted, half] = [of(HONEST), of('rows permuted'), of('first half honest')]
      if (honest === undefined || permuted === undefined || half === undefined) return '–'
      const share = (count: number, total: number): string => percent(count, total)
      return [
        (honest.expected / honest.total).toFixed(0),
        share(honest.counts.plausible, honest.total),
        share(permuted.counts.implausible, permuted.total),
        share(half.counts.implausible, half.total)
      ].join(' · ')
    }
    return [
      `Pairs on ${name} (m = ${setup.m}, n = ${setup.n}, k = ${K}): expected z · honest found plausible % · permuted found implausible % · half honest found implausible %. Checkers in rows, authors in columns.`,
      table(
        ['', ...priors],
        priors.map(checker => [checker, ...priors.map(author => (checker === author ? '' : cell(checker, author)))])
      )
    ]
  })
}

function percent(count: number, total: number): string {
  const value = (100 * count) / total
  return value === 0 || value === 100 || value >= 10 ? value.toFixed(0) : value.toFixed(1)
}
