/** Elections on photos, flowers and CIFAR-10, with and without attackers. No student is trained for them. */
import { createElectionMemo } from '../../src/align/candidate.ts'
import { elect } from '../../src/align/election.ts'
import { POLICY_NAMES, type Manifest } from '../../src/distribute/manifest.ts'
import { rankCorrelation } from '../../node/evaluate/rank-correlation.ts'
import { attackers, honestCandidates } from './attacked-candidates.ts'
import { drawRows, NOTE, UNTRAINED, type Dataset } from './datasets.ts'
import { column, mean, round, verdict, type Figure, type Row } from './figure.ts'

const seedOf = (seed: number): Uint8Array => new Uint8Array(32).fill(seed + 1)
const ELECTION_ROWS = [300, 1000] as const
const ELECTION_DRAWS = 1
const N = 256
/** Priors whose targets attackers change: two that take part, and one that no participant has. */
const BASES: Readonly<Record<string, readonly string[]>> = {
  photos: [UNTRAINED, 'vgg_small', 'superclass2'],
  flowers: [UNTRAINED, 'vgg_small', 'superclass2'],
  'CIFAR-10': [UNTRAINED, 'vgg_small', 'superclass2']
}

export const electionsOfDatasets: Figure = {
  key: 'elections-datasets',
  swarms: [],
  students: [],
  datasets: true,
  async section(results) {
    const rows: Row[] = []
    for (const dataset of await results.datasets())
      for (const m of ELECTION_ROWS) rows.push(...electionRows(dataset, m))
    const of = (policy: string): Row[] => rows.filter(r => r.policy === policy)
    const good = (row: Row): boolean => Number(row.quality) >= 0.8 * Number(row.best)
    return {
      title: 'Elections on three datasets, with and without attackers',
      paper: 'elect by the lowest uniform value',
      columns: [
        column('images', 'dataset'),
        { title: 'm', text: row => String(row.m) },
        column('policy', 'policy'),
        column('rho with quality, honest', 'rho', 2),
        column('elected', 'elected'),
        column('its quality', 'quality'),
        {
          title: 'attackers elected',
          text: row => `${String(row.won)} of ${String(row.of)}${row.copies === 0 ? '' : ', and the winner’s copy'}`
        },
        column('least quality elected', 'worst'),
        column('attackers that change the election', 'changed')
      ],
      rows,
      verdicts: [
        verdict(
          'corroboration elects a prior of at least 0.8 of the best one’s quality on every set',
          of('corroboration').every(good)
        ),
        verdict(
          'it elects no attacker on any',
          of('corroboration').every(r => r.won === 0)
        ),
        verdict(
          'predictivity elects a prior of at least 0.8 of the best one’s quality',
          of('predictivity').every(good)
        ),
        verdict(
          'the uniform value elects no attacker behind the gate',
          of('uniformity').every(r => r.won === 0)
        )
      ],
      notes: [
        `Behind the gate, n = ${N}, one draw of the shared set; each attacker alone among the honest: noise_hash, Gaussian noise, the rotated consensus of the others, and of ${UNTRAINED}, vgg_small and superclass2 (which takes part on CIFAR-10 only) targets whitened, half whitened (singular values to the power 0.3), whitened with half noise, with a tenth of noise, with half noise, and rotated with 2 % noise. ${NOTE}`,
        'A rotated copy of the winner is the same reference up to a linear map, and nothing tells which of them came first: it is not counted as an attacker. Not resisted: two identities of one attacker who build on the same private thing (superclass2 whitened, and the same with noise) vouch for each other; see align/corroboration.ts.'
      ]
    }
  }
}

// --- internal ---

function electionRows(dataset: Dataset, m: number): Row[] {
  const { quality } = dataset
  const best = Math.max(...quality.values())
  const cells = new Map(
    POLICY_NAMES.map(policy => [
      policy,
      { rho: [] as number[], elected: '', won: 0, of: 0, copies: 0, worst: best, changed: new Set<string>() }
    ])
  )
  for (let draw = 0; draw < ELECTION_DRAWS; draw++) {
    const rows = drawRows(dataset, m, draw)
    const honest = honestCandidates(dataset, rows, N)
    const against = attackers(dataset, rows, N, honest, BASES[dataset.name] ?? [], seedOf(draw))
    for (const [policy, cell] of cells) {
      // a consensus has no winner: it ranks by predictivity
      if (policy === 'consensus') continue
      const memo = createElectionMemo()
      const rules = {
        seed: seedOf(draw),
        election: { policy: policy as Manifest['election']['policy'], margin: 0.02, human: false }
      }
      const { ranking } = elect(rules, honest, memo)
      const known = ranking.filter(r => r.electable)
      cell.rho.push(
        rankCorrelation(
          known.map(r => -r.value),
          known.map(r => quality.get(r.key) ?? NaN)
        )?.rho ?? NaN
      )
      const winner = known[0]?.key ?? ''
      if (draw === 0) cell.elected = winner
      cell.worst = Math.min(cell.worst, quality.get(winner) ?? 0)
      for (const attacker of against) {
        const [first] = elect(rules, [...honest, attacker], memo).ranking
        cell.of++
        if (first?.key === attacker.key && attacker.key.includes(`${winner}, rotated copy`)) cell.copies++
        else if (first?.key === attacker.key) cell.won++
        else cell.worst = Math.min(cell.worst, quality.get(first?.key ?? '') ?? 0)
        if (first !== undefined && first.key !== winner)
          cell.changed.add(
            `${attacker.key.replace('attacker: ', '')} (${first.key === attacker.key ? 'itself' : first.key})`
          )
      }
    }
  }
  return [...cells].flatMap(([policy, cell]) =>
    policy === 'consensus'
      ? []
      : [
          {
            name: `${dataset.name} ${m} ${policy}`,
            dataset: dataset.name,
            m,
            policy,
            rho: mean(cell.rho) ?? NaN,
            elected: cell.elected,
            quality: round(quality.get(cell.elected) ?? 0, 3),
            best: round(best, 3),
            won: cell.won,
            of: cell.of,
            copies: cell.copies,
            worst: round(cell.worst, 3),
            changed: cell.changed.size === 0 ? 'none' : [...cell.changed].join('; ')
          }
        ]
  )
}
