/** How many images are shared and how many dimensions targets have: agreement and students on images that differ much. */
import { agreement } from './agreement.ts'
import type { Dataset } from './datasets.ts'
import { ACCURACY, column, falling, mean, verdict, type Figure, type Row } from './figure.ts'
import { curvesPanel, picture, type Series } from './pictures.ts'
import { photoSwarm, SIX, studentOf } from './photo-swarms.ts'
import type { SwarmSetup } from './work-list.ts'

const REFERENCE = 'lite0'
const SEEDS = 2
const DEFAULT_N = 256
interface Size {
  readonly m: number
  readonly n: number
}
interface Plan {
  /** Of datasets.ts */
  readonly name: string
  /** Of swarms */
  readonly images?: 'flowers' | 'photos'
  readonly reference: string
  readonly others: readonly string[]
  /** Rows that are never shared */
  readonly held: number
  readonly sizes: readonly Size[]
  /** Those of which students are trained */
  readonly trained: readonly Size[]
}
const byRows = (rows: readonly number[], n = DEFAULT_N): Size[] => rows.map(m => ({ m, n }))
const byDimension = (m: number, dimensions: readonly number[]): Size[] => dimensions.map(n => ({ m, n }))
const without = (reference: string): string[] => SIX.filter(prior => prior !== reference)

const PLANS: readonly Plan[] = [
  {
    name: 'photos',
    images: 'photos',
    reference: REFERENCE,
    others: ['lite2', 'vgg_small', 'resnet20', 'simclr_conv'],
    held: 300,
    sizes: [...byRows([100, 300, 700]), ...byDimension(700, [64, 512, 1280])],
    trained: [...byRows([100, 300, 700]), ...byDimension(700, [64, 1280])]
  },
  {
    name: 'flowers',
    images: 'flowers',
    reference: REFERENCE,
    others: without(REFERENCE),
    held: 1000,
    sizes: [...byRows([100, 300, 1000, 2000]), ...byDimension(1000, [64, 512, 1280])],
    trained: [...byRows([100, 1000, 2000]), ...byDimension(1000, [64, 1280])]
  },
  {
    name: 'CIFAR-10',
    reference: 'resnet20',
    others: ['mobilenet', 'vgg_small', 'vit_tiny', 'im_mobilenet025'],
    held: 1000,
    sizes: byRows([100, 300, 1000, 3000, 9000]),
    trained: []
  }
]

/** Without the gate, which asks for more rows than the least of these sizes. */
function setupOf({ images = 'flowers' }: Plan, { m, n }: Size): SwarmSetup {
  const settings = { alignTo: `prior:${REFERENCE}`, shared: m, dimension: n, gate: false }
  return photoSwarm(images, `m${m}-n${n}`, settings, SEEDS)
}
const SETUPS = PLANS.flatMap(plan => plan.trained.map(size => setupOf(plan, size)))

export const sizes: Figure = {
  key: 'sizes',
  swarms: SETUPS,
  students: SETUPS.map(studentOf),
  datasets: true,
  async section(results) {
    const datasets = await results.datasets()
    const rows: Row[] = []
    for (const plan of PLANS) {
      const dataset = datasets.find(d => d.name === plan.name)
      if (dataset === undefined) throw new Error(`no dataset ${plan.name}`)
      for (const size of plan.sizes)
        rows.push({ ...(await agreementRow(dataset, plan, size)), ...studentRow(plan, size) })
    }
    function studentRow(plan: Plan, size: Size): object {
      if (!plan.trained.some(({ m, n }) => m === size.m && n === size.n)) return {}
      const { mean: value, deviation } = results.accuracy('', studentOf(setupOf(plan, size)))
      return { mean: value, deviation }
    }
    const of = (name: string, { m, n }: Size): Row =>
      rows.find(r => r.dataset === name && r.m === m && r.n === n) ?? { name }
    const rises = (name: string, list: readonly Size[], field: string): boolean =>
      list.every((size, i) => i === 0 || Number(of(name, size)[field]) > Number(of(name, list[i - 1] as Size)[field]))
    const [photoRows, flowerRows, cifarRows] = PLANS.map(p => p.sizes.filter(s => s.n === DEFAULT_N)) as [
      Size[],
      Size[],
      Size[]
    ]
    const [photoDims, flowerDims] = [
      [64, 256, 512, 1280].map(n => ({ m: 700, n })),
      [64, 256, 512, 1280].map(n => ({ m: 1000, n }))
    ]
    return {
      title: 'How large S and n have to be on photos, flowers and CIFAR-10',
      paper: 'accuracy rises with the size of the shared set and saturates (Tab. 8)',
      columns: [
        { title: 'images', text: row => String(row.dataset) },
        { title: 'm', text: row => String(row.m) },
        { title: 'n', text: row => String(row.n) },
        column('R², leave-one-out', 'looR2'),
        column('R², held out', 'r2'),
        column('held out, the most like the reference', 'bestR2'),
        column('10 nearest in common', 'neighbours'),
        column('the most like', 'bestNeighbours'),
        { title: 'student, accuracy %', text: ACCURACY.text }
      ],
      rows,
      pictures: [chart(rows, 'm'), chart(rows, 'n')],
      verdicts: [
        verdict('photos: held-out R² rises with m up to 700', rises('photos', photoRows, 'r2')),
        verdict('flowers: held-out R² rises with m up to 2,000', rises('flowers', flowerRows, 'r2')),
        verdict('CIFAR-10: held-out R² rises with m up to 9,000', rises('CIFAR-10', cifarRows, 'r2')),
        verdict(
          'neighbours in common rise with m on all three',
          [
            ['photos', photoRows],
            ['flowers', flowerRows],
            ['CIFAR-10', cifarRows]
          ].every(([name, list]) => rises(name as string, list as Size[], 'neighbours'))
        ),
        falling(
          'photos: students of m = 700 > of 100',
          [of('photos', { m: 700, n: 256 }), of('photos', { m: 100, n: 256 })],
          SEEDS
        ),
        falling(
          'flowers: students of m = 1,000 > of 100',
          [of('flowers', { m: 1000, n: 256 }), of('flowers', { m: 100, n: 256 })],
          SEEDS
        ),
        falling(
          'flowers: students of m = 2,000 > of 1,000',
          [of('flowers', { m: 2000, n: 256 }), of('flowers', { m: 1000, n: 256 })],
          SEEDS
        ),
        verdict('photos: neighbours in common rise with n', rises('photos', photoDims, 'neighbours')),
        verdict('flowers: neighbours in common rise with n', rises('flowers', flowerDims, 'neighbours')),
        falling(
          'photos: students of n = 1,280 > of 64',
          [of('photos', { m: 700, n: 1280 }), of('photos', { m: 700, n: 64 })],
          SEEDS
        ),
        falling(
          'flowers: students of n = 1,280 > of 64',
          [of('flowers', { m: 1000, n: 1280 }), of('flowers', { m: 1000, n: 64 })],
          SEEDS
        )
      ],
      notes: [
        `R² and neighbours: means over the other priors (${PLANS.map(p => `${p.name}: ${p.others.join(', ')} onto ${p.reference}`).join('; ')}), one draw; held out are ${PLANS.map(p => `${p.held} ${p.name}`).join(', ')}, the same for all m and n. Students: all six priors aligned to ${REFERENCE} without a gate, ${SEEDS} seeds; of photos they tell animals from things, learned from 700 photos and judged on 300 (standard error of one figure 2.8 points).`
      ]
    }
  }
}

// --- internal ---

async function agreementRow(dataset: Dataset, { name, others, reference, held }: Plan, { m, n }: Size): Promise<Row> {
  const found = []
  for (const prior of others) found.push(await agreement({ dataset, prior, reference, m, n, held }))
  const [first] = found
  return {
    name: `${name} ${m} ${n}`,
    dataset: name,
    m,
    n,
    looR2: mean(found.map(f => f.looR2)),
    r2: mean(found.map(f => f.r2)),
    neighbours: mean(found.map(f => f.neighbours)),
    // the first of the list: lite2 to lite0, mobilenet to resnet20
    bestR2: first?.r2,
    bestNeighbours: first?.neighbours
  }
}

const MEASURES = [
  { field: 'r2', title: 'R² on held-out rows' },
  { field: 'neighbours', title: '10 nearest in common, share' },
  { field: 'mean', title: 'student, accuracy %' }
] as const

/** Three panels over m (at n = 256) or n (at the m of the others). */
function chart(rows: readonly Row[], over: 'm' | 'n') {
  const names = PLANS.map(p => p.name)
  const panels = MEASURES.map(({ field, title }) => {
    const list = PLANS.flatMap(({ name, sizes: all }): Series[] => {
      const fixed = all.find(s => s.n !== DEFAULT_N)?.m
      const shown = rows.filter(
        r => r.dataset === name && r[field] !== undefined && (over === 'm' ? r.n === DEFAULT_N : r.m === fixed)
      )
      if (shown.length < 2) return []
      const points = shown.map(r => ({
        x: Number(r[over]),
        y: Number(r[field]),
        ...(field === 'mean' ? { deviation: r.deviation ?? 0 } : {})
      }))
      return [{ name, points: points.sort((a, b) => a.x - b.x) }]
    })
    return curvesPanel(
      title,
      { x: over === 'm' ? 'm, shared images' : 'n, dimensions of targets', y: title },
      list,
      names
    )
  })
  const what =
    over === 'm'
      ? 'the number of shared images (n = 256)'
      : 'the dimension of the targets (m = 700 photos, 1,000 flowers)'
  return picture(`sizes-${over}`, `Held-out R², neighbours in common and accuracy of students over ${what}`, {
    panels,
    columns: 3,
    legend: names
  })
}
