/** Twenty members, six of them liars of every kind at once, and what checks cost where nobody lies. No student is trained for it. */
import type { ChecksReport } from '../../node/lab/simulate/check-report.ts'
import { firm, mean, NAME, verdict, type Figure, type Results, type Row } from './figure.ts'
import { participants, PRIORS } from './swarms.ts'
import type { SwarmSetup } from './work-list.ts'

/** Fourteen honest members: priors of all kinds, the better ones twice. */
const HONEST = participants([...PRIORS, 'im_mobilenet025', ...PRIORS.slice(0, 5)])

/** Three praise each other, of which two accuse everybody else; two stand behind the consensus of all; one does honest work and accuses all others. */
const LIARS = [
  { name: 'clique-1', prior: 'resnet20', attack: 'mixed', checks: 'conspire', speed: 2 },
  { name: 'clique-2', prior: 'vgg_small', attack: 'mixed', checks: 'conspire', speed: 2 },
  { name: 'clique-3', prior: 'simclr_conv', attack: 'ghosts', checks: 'praise', speed: 2 },
  { name: 'copy-1', prior: 'mobilenet', attack: 'consensus', speed: 2 },
  { name: 'copy-2', prior: 'vit_tiny', attack: 'consensus-mapped', speed: 2 },
  { name: 'accuser', prior: 'superclass2', checks: 'accuse' }
] as const

/** Small enough for minutes, with 100 rows a partition as the least that checks are made for. */
const SIZE = { rows: 2000, partitions: 20, shared: 400, dimension: 64 } as const

const attacked = (quorum: number, voters: 'members' | 'priors'): SwarmSetup => ({
  name: `liars-${voters}-${quorum}`,
  settings: { ...SIZE, acceptance: { quorum, voters }, participants: [...HONEST, ...LIARS] }
})

/** Partitions of 640 rows and more give full checks within 5 % (src/publish/check-rows.ts). */
const COSTS = { rows: 8000, partitions: 12, shared: 400, dimension: 64 } as const
const eight = (quorum: number): SwarmSetup => ({
  name: `checked-eight-${quorum}`,
  settings: {
    ...COSTS,
    ...(quorum === 0 ? {} : { acceptance: { quorum, voters: 'members' } })
  }
})

const SWARMS = [
  { name: '14 honest, 6 liars, quorum 1', setup: attacked(1, 'members') },
  { name: '14 honest, 6 liars, quorum 3', setup: attacked(3, 'members') },
  { name: '8 honest, quorum 1', setup: eight(1) }
] as const

export const liars: Figure = {
  key: 'liars',
  swarms: SWARMS.map(s => s.setup),
  students: [],
  section(results) {
    const rows = SWARMS.map(({ name, setup }) => rowOf(name, checksOf(results, setup)))
    const [, three, honest] = rows
    return {
      title: 'Liars: what a swarm that checks takes for finished',
      paper: 'not in the papers, whose participants are honest',
      columns: [
        NAME,
        ...(
          ['complete', 'honest', 'garbage', 'ghosts', 'lost', 'caught', 'honest caught', 'checks', 'bytes'] as const
        ).map(field => ({ title: TITLES[field] ?? field, text: (row: Row): string => String(row[field]) })),
        { title: 'inference %', text: (row: Row): string => String(row['share']) }
      ],
      rows,
      verdicts: [
        firm(
          verdict(
            'with a quorum above what the clique can give, no ghost and no garbage row is confirmed',
            three?.['false'] === 0
          )
        ),
        firm(
          verdict(
            'no honest member is refused',
            rows.every(row => row['refused'] === 0)
          )
        ),
        verdict('every partition is finished all the same', three?.['complete'] === 'all'),
        verdict(
          'in an honest swarm of eight checks are at most 5 % of the inference',
          Number(honest?.['greatest share'] ?? 1) <= 0.05,
          'pairs of priors with little in common look at more rows, up to 512'
        ),
        verdict(
          'and fetch at most twice what their authors published, raw and aligned targets',
          Number(honest?.['times'] ?? 5) <= 4,
          'two looks at each shard while authors and checkers have no history'
        )
      ],
      notes: [
        'Rows of 20 partitions (12 with eight honest members), mean over the seeds, by what the chosen and confirmed work is; lost: honest, but nobody who is there holds it. Three of the six liars praise each other’s work (ghosts, and in turn noise, rows permuted, of another partition, half honest, one row for all, of S again), two of them find all other work wrong; two stand behind a copy of the consensus, with own rows and with own rows mapped onto it; one does honest work and finds all other work wrong. Liars of partitions are twice as fast. Each member has a voice.',
        'Checks: records. Bytes: what checkers fetched, as multiples of the raw targets of the dataset; raw and aligned targets are two. Inference: of checks, in that of checks and honest work. A quorum of one is what one friend can give.'
      ]
    }
  }
}

// --- internal ---

const TITLES: Readonly<Record<string, string>> = {
  honest: 'honest rows confirmed',
  garbage: 'garbage',
  bytes: 'x targets fetched',
  caught: 'liars caught'
}

function checksOf(results: Results, setup: SwarmSetup): readonly ChecksReport[] {
  return results.reports(setup).map(({ name, checks }) => {
    if (checks === undefined) throw new Error(`swarm ${name} made no checks`)
    return checks
  })
}

function rowOf(name: string, seeds: readonly ChecksReport[]): Row {
  const over = (value: (c: ChecksReport) => number): number => mean(seeds.map(value)) ?? 0
  const finished = seeds.filter(c => c.complete).length
  return {
    name,
    complete: finished === seeds.length ? 'all' : `${finished} of ${seeds.length}`,
    honest: over(c => c.confirmed.honest).toFixed(0),
    garbage: over(c => c.confirmed.garbage).toFixed(0),
    ghosts: over(c => c.confirmed.ghost).toFixed(0),
    lost: over(c => c.confirmed.lost).toFixed(0),
    caught: over(c => c.caught.length - c.caughtHonest).toFixed(1),
    'honest caught': over(c => c.caughtHonest).toFixed(1),
    checks: over(c => c.checks).toFixed(0),
    bytes: over(c => c.timesTargets).toFixed(1),
    share: (100 * over(c => c.share)).toFixed(1),
    'greatest share': Math.max(...seeds.map(c => c.share)),
    times: Math.max(...seeds.map(c => c.timesTargets)),
    refused: seeds.reduce((sum, c) => sum + c.caughtHonest, 0),
    false: seeds.reduce((sum, c) => sum + c.confirmed.garbage + c.confirmed.ghost, 0)
  }
}
