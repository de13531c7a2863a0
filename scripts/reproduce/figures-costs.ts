/** What a large shared set costs: V, gate, elections and the fit of T up to m = 10,000. */
import { createElectionMemo } from '../../src/align/candidate.ts'
import { elect } from '../../src/align/election.ts'
import { DEFAULT_GATE, assess } from '../../src/align/gate.ts'
import { DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { POLICY_NAMES } from '../../src/distribute/manifest.ts'
import { plainGemm } from '../../src/gemm.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { candidateOf, UNIFORMITY } from './attacked-candidates.ts'
import { drawRows, targetsOf, type Dataset } from './datasets.ts'
import { column, round, verdict, type Figure, type Row } from './figure.ts'

const COST_ROWS = [1000, 3000, 10_000] as const
const COST_DATASET = 'CIFAR-10'
const COST_PRIORS = [
  'resnet20',
  'mobilenet',
  'vgg_small',
  'resnet20_ep2',
  'vit_tiny',
  'simclr_conv',
  'superclass2',
  'im_mobilenet025'
] as const

export const costs: Figure = {
  key: 'costs',
  swarms: [],
  students: [],
  datasets: true,
  async section(results) {
    const dataset = (await results.datasets()).find(d => d.name === COST_DATASET)
    if (dataset === undefined) throw new Error(`no dataset ${COST_DATASET}`)
    const rows: Row[] = []
    for (const m of COST_ROWS)
      for (const n of m === 10_000 ? [256, 512] : [256]) rows.push(await costRow(dataset, m, n))
    const large = rows.filter(r => r.m === 10_000)
    return {
      title: 'What a large shared set costs a participant',
      paper: 'uniform value 37 s, alignment 139 s, training 133,766 s (Tab. 6)',
      columns: [
        { title: 'm', text: row => String(row.m) },
        { title: 'n', text: row => String(row.n) },
        column('S_Y, MB', 'megabytes', 1),
        column('V and gate of one prior', 'assess', 1),
        ...POLICY_NAMES.map(policy => column(`election by ${policy}`, policy, 1)),
        column('fit of T', 'fit', 1)
      ],
      rows,
      verdicts: [
        verdict(
          'V and gate of one prior stay below a minute at m = 10,000',
          large.every(r => Number(r.assess) < 60)
        ),
        verdict(
          'an election among eight stays below a minute at m = 10,000',
          large.every(r => POLICY_NAMES.every(p => Number(r[p]) < 60))
        ),
        verdict(
          'the fit of T stays below a minute at m = 10,000',
          large.every(r => Number(r.fit) < 60)
        )
      ],
      notes: [
        `CPU seconds of one core, in the exact order that all peers share; the machine did other work as well. ${COST_PRIORS.length} priors of ${COST_DATASET}; an election starts from nothing, later ones keep what they know of a pair. V and the gate are computed once for each prior that joins.`
      ]
    }
  }
}

// --- internal ---

async function costRow(dataset: Dataset, m: number, n: number): Promise<Row> {
  const rows = drawRows(dataset, m, 0)
  const reference = takeImages(dataset.reference, rows)
  const targets = COST_PRIORS.map(name => targetsOf(dataset, name, rows, n))
  const [first, second] = targets
  if (first === undefined || second === undefined) throw new Error('two priors at least')
  const rules = { gate: DEFAULT_GATE, uniformity: UNIFORMITY }
  const judge = await seconds(() => assess(rules, { targets: first, kind: 'onnx' }, reference))
  const candidates = COST_PRIORS.map((name, i) => candidateOf(name, targets[i] ?? first, reference))
  const elections: Record<string, number> = {}
  for (const policy of POLICY_NAMES)
    elections[policy] = await seconds(() =>
      elect(
        { seed: new Uint8Array(32), election: { policy, margin: 0.02, human: false } },
        candidates,
        createElectionMemo()
      )
    )
  const fit = await seconds(
    async () => await fitTransform({ from: second, to: first, grid: DEFAULT_GRID, gemm: plainGemm })
  )
  return { name: `${m} ${n}`, m, n, megabytes: (m * n * 4) / 1e6, assess: judge, ...elections, fit }
}

/** CPU time of this process, to a tenth of a second. */
async function seconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return round((user + system) / 1e6, 1)
}
