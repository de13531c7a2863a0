/** What decides the defaults of a manifest besides: how the alignment is fitted, and the gate's thresholds. No students. */
import { DEFAULT_GATE } from '../../src/align/gate.ts'
import {
  ACCURACY,
  column,
  NAME,
  round,
  scored,
  spread,
  verdict,
  type Figure,
  type Results,
  type Row
} from './figure.ts'
import { VARIANTS } from './alignment-variants.ts'
import { BEST, participants, PRIORS, single } from './swarms.ts'
import type { SwarmSetup } from './work-list.ts'

/** m twice and eight times n = 128 */
const SHARED = [250, 1000] as const

export const alignment: Figure = {
  key: 'alignment',
  swarms: PRIORS.map(single),
  students: [],
  async section(results) {
    const rows: Row[] = []
    for (const m of SHARED) {
      const seeds = []
      for (const seed of results.scale.seeds) seeds.push(await results.variants(PRIORS, BEST, m, seed))
      for (const [i, { name }] of VARIANTS.entries()) {
        const found = seeds.flatMap(variants => variants[i] ?? [])
        rows.push(
          scored(
            name,
            found.map(v => 100 * v.accuracy),
            {
              m,
              cosine: spread(found.map(v => v.cosine)).mean,
              r2: spread(found.map(v => v.r2)).mean
            }
          )
        )
      }
    }
    const cosine = (index: number, m: number): number =>
      Number(rows.filter(r => r.m === m)[index]?.cosine ?? Number.NaN)
    const others = [...VARIANTS.keys()].slice(1)
    const best = (m: number): number => Math.max(...others.map(i => cosine(i, m)))
    return {
      title: 'How the alignment is fitted',
      paper: 'least squares by gradient descent, no intercept is named',
      columns: [
        { title: 'm', text: row => String(row.m) },
        NAME,
        column('held-out cosine', 'cosine', 4),
        column('held-out R²', 'r2'),
        { title: 'ridge probe of the merged rows %', text: ACCURACY.text }
      ],
      rows,
      verdicts: [
        ...SHARED.map(m =>
          verdict(`m = ${m}: no way has a held-out cosine above the node's by 0.005`, best(m) <= cosine(0, m) + 0.005)
        ),
        verdict(
          'orthogonal Procrustes is never better than ridge',
          SHARED.every(m => cosine(VARIANTS.length - 1, m) <= cosine(0, m))
        ),
        verdict(
          'least squares loses more where m is near n',
          cosine(0, 250) - cosine(VARIANTS.length - 2, 250) > cosine(0, 1000) - cosine(VARIANTS.length - 2, 1000)
        )
      ],
      notes: [
        `Eight priors onto ${BEST}; fitted on m rows, judged on the other rows of 5,000, where cosine and R² are means over the seven others. n = 128.`
      ]
    }
  }
}

const HONEST = [...PRIORS, 'im_mobilenet025'] as const
const SIZES = [250, 500, 1000, 2500] as const
const GROUPS = [
  { name: 'honest', attack: undefined },
  { name: 'people', attack: undefined },
  { name: 'noise', attack: 'noise' },
  { name: 'whitened', attack: 'whiten' },
  { name: 'half noise', attack: 'blend' }
] as const
const judged = (shared: number): SwarmSetup => ({
  name: `gate-${shared}`,
  settings: {
    shared,
    alignTo: 'none',
    participants: [
      ...participants([...HONEST, 'noise_hash']),
      { attack: 'noise' },
      { prior: 'random_conv', attack: 'whiten' },
      { prior: 'superclass2', attack: 'whiten' },
      { prior: 'random_conv', attack: 'blend' },
      { attack: 'blend', of: 'reference' }
    ],
    human: { share: 0.2 }
  }
})

export const gate: Figure = {
  key: 'gate',
  swarms: SIZES.map(judged),
  students: [],
  section(results) {
    const rows = SIZES.flatMap(m => GROUPS.map(group => gateRow(results, m, group)))
    const refused = (name: string, least: number): number =>
      rows.filter(r => r.group === name && Number(r.m) >= least).reduce((sum, r) => sum + Number(r.refused), 0)
    const accepted = (name: string): number =>
      rows.filter(r => r.group === name).reduce((sum, r) => sum + Number(r.of) - Number(r.refused), 0)
    return {
      title: 'The gate: z of CIFAR-10 priors',
      paper: 'not in the papers, whose participants are honest',
      columns: [
        { title: 'm', text: row => String(row.m) },
        column('candidates', 'group'),
        { title: 'accepted', text: row => `${Number(row.of) - Number(row.refused)} of ${String(row.of)}` },
        { title: 'z', text: row => String(row.z) }
      ],
      rows,
      verdicts: [
        verdict(
          'no honest prior is refused at m of 500 and more',
          refused('honest', 500) + refused('people', 500) === 0
        ),
        verdict('nor at 250', refused('honest', 250) === 0),
        verdict('noise is never accepted', accepted('noise') === 0),
        verdict(
          'nothing else of the attackers is accepted',
          accepted('whitened') + accepted('half noise') === 0,
          'whitening and noise on top keep all that a prior says of the images, and the gate asks whether targets say anything at all. The election is there to rank them behind'
        )
      ],
      notes: [
        `Least and greatest z of a group over priors and seeds; below ${DEFAULT_GATE.minZ} is refused. Honest: nine priors, one of which (random_conv) is the reference itself. People label 20 %. Noise: the zoo’s noise_hash and random vectors. Half noise: an untrained network, and the publisher’s own reference features.`
      ]
    }
  }
}

// --- internal ---

function gateRow(results: Results, m: number, group: (typeof GROUPS)[number]): Row {
  const found = results
    .reports(judged(m))
    .flatMap(report => report.participants)
    .filter(p => groupOf(p) === group.name)
  const range = (figure: (p: (typeof found)[number]) => number): string => {
    const values = found.map(figure)
    return `${round(Math.min(...values), 3)} to ${round(Math.max(...values), 3)}`
  }
  return {
    name: `${m} ${group.name}`,
    m,
    group: group.name,
    of: found.length,
    refused: found.filter(p => !p.eligible).length,
    z: range(p => p.z)
  }
}

function groupOf({ prior, attack }: { prior: string; attack?: string }): string | undefined {
  if (prior === 'noise_hash') return 'noise'
  if (prior === 'human') return 'people'
  return GROUPS.find(g => g.attack === attack)?.name
}
