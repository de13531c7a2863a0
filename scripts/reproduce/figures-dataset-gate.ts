/** The gate on photos, flowers and CIFAR-10. No student is trained for it. */
import { DEFAULT_GATE } from '../../src/align/gate.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import { multiplyByTranspose, transpose } from '../../src/gemm.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { gaussian } from '../../node/lab/simulate/gaussian.ts'
import { candidateOf, stream } from './attacked-candidates.ts'
import { drawRows, NOISE, targetsOf, UNTRAINED, type Dataset } from './datasets.ts'
import { column, firm, round, verdict, type Figure, type Row } from './figure.ts'

const GATE_ROWS = [64, 128, 300, 400, 1000] as const
/** From here on EfficientNets pass at the default n, too. */
const ENOUGH_ROWS = 400
/** Draws of the shared set. There are 1,000 photos, hence only one draw of 1,000 rows. */
const DRAWS = 10
/** Fewer draws with 1,000 rows, which differ little. */
const FEW_DRAWS = 3
/** Default of `coopt publish`, and one at which the 1,280 features of an EfficientNet lose less. */
const DIMENSIONS = [256, 512] as const
const RANKS = [1, 2, 4, 16, 256] as const
const seedOf = (seed: number): Uint8Array => new Uint8Array(32).fill(seed + 1)

export const gateOfDatasets: Figure = {
  key: 'gate-datasets',
  swarms: [],
  students: [],
  datasets: true,
  async section(results) {
    const rows: Row[] = []
    for (const dataset of await results.datasets()) {
      for (const m of GATE_ROWS) {
        const honest = [...dataset.features.keys()].filter(name => name !== NOISE && name !== UNTRAINED)
        const wide = honest.filter(name => name.startsWith('lite'))
        const groups: Array<readonly [string, number, string[]]> = [
          ['honest', DIMENSIONS[0], honest.filter(name => !wide.includes(name))],
          ...DIMENSIONS.flatMap(n => wide.map((name): readonly [string, number, string[]] => [name, n, [name]])),
          ['noise', DIMENSIONS[0], [NOISE, ...RANKS.map(rank => `rank ${rank}`)]]
        ]
        for (const [group, n, names] of groups) rows.push(gateRow(dataset, m, group, n, names))
      }
    }
    const enough = rows.filter(r => Number(r.m) >= 300)
    const refused = (group: string): number =>
      enough.filter(r => r.name === group || r.group === group).reduce((sum, r) => sum + Number(r.refused), 0)
    const noise = rows.filter(r => r.group === 'noise')
    const full = enough.filter(r => r.group !== 'noise' && Number(r.n) === DIMENSIONS[1])
    return {
      title: 'The gate on three datasets',
      paper: 'not in the papers, whose participants are honest',
      columns: [
        column('images', 'dataset'),
        { title: 'm', text: row => String(row.m) },
        column('candidates', 'group'),
        { title: 'n', text: row => String(row.n) },
        { title: 'least z', text: row => Number(row.least).toFixed(1) },
        { title: 'median', text: row => Number(row.median).toFixed(1) },
        { title: 'greatest', text: row => Number(row.greatest).toFixed(1) },
        { title: 'accepted', text: row => `${Number(row.of) - Number(row.refused)} of ${String(row.of)}` },
        { title: 'rows needed, as those refused are told', text: row => String(row.needed) }
      ],
      rows,
      verdicts: [
        firm(
          verdict(
            'noise is never accepted, at any m',
            noise.every(r => r.refused === r.of)
          )
        ),
        verdict('every honest prior but the EfficientNets is accepted at m of 300 and more', refused('honest') === 0),
        verdict(
          `so are the EfficientNets at n = ${DIMENSIONS[1]}`,
          full.every(r => r.refused === 0)
        ),
        verdict(
          `so are they at n = ${DIMENSIONS[0]} from m = ${ENOUGH_ROWS} on`,
          rows.every(r => Number(r.m) < ENOUGH_ROWS || r.group === 'noise' || r.refused === 0)
        ),
        verdict(
          `with fewer rows those refused with a z of 2 and more are told how many are needed, at most ${ENOUGH_ROWS}`,
          rows.every(r => r.group === 'noise' || r.mostNeeded === undefined || Number(r.mostNeeded) <= ENOUGH_ROWS)
        )
      ],
      notes: [
        `z of the test of independence between targets and the bundled untrained network's features; ${DEFAULT_GATE.minZ} is asked for. Over ${DRAWS} draws of the shared set (with 1,000 rows ${FEW_DRAWS}, of photos one). Honest: the zoo's seven other networks and im_mobilenet025. Noise: the zoo's noise_hash, which follows from the pixels, and Gaussian noise of rank ${RANKS.join(', ')}. 1,280 features in ${DIMENSIONS[0]} dimensions: the projection adds to every cosine as much as the prior itself has, so EfficientNets need more rows of diverse photos.`
      ]
    }
  }
}

// --- internal ---

function gateRow(dataset: Dataset, m: number, group: string, n: number, names: readonly string[]): Row {
  const found: { z: number; admissible: boolean; rowsNeeded: number }[] = []
  const draws = m >= dataset.reference.rows ? 1 : m >= 1000 ? FEW_DRAWS : DRAWS
  for (let draw = 0; draw < draws; draw++) {
    const rows = drawRows(dataset, m, draw)
    const reference = takeImages(dataset.reference, rows)
    for (const name of names) {
      const targets = name.startsWith('rank ')
        ? noiseOfRank(rows.length, n, Number(name.slice('rank '.length)), draw)
        : targetsOf(dataset, name, rows, n)
      found.push(candidateOf(name, targets, reference).assessment)
    }
  }
  const z = found.map(f => f.z).sort((a, b) => a - b)
  const needed = found.flatMap(f => (f.rowsNeeded > 0 ? [f.rowsNeeded] : [])).sort((a, b) => a - b)
  return {
    name: `${dataset.name} ${m} ${group} ${n}`,
    dataset: dataset.name,
    m,
    group,
    n,
    least: round(z[0] ?? 0, 2),
    median: round(z[z.length >> 1] ?? 0, 2),
    greatest: round(z.at(-1) ?? 0, 2),
    of: found.length,
    refused: found.filter(f => !f.admissible).length,
    ...(needed.length === 0 ? {} : { mostNeeded: needed.at(-1) }),
    needed: needed.length === 0 ? '–' : `${needed[0]} to ${needed.at(-1)}`
  }
}

function noiseOfRank(rows: number, n: number, rank: number, draw: number): Matrix32 {
  const random = stream(`rank ${rank} of ${rows} in ${draw}`, seedOf(draw))
  const [factors, mix] = [gaussian(rows, rank, random), gaussian(rank, n, random)]
  return matrix(rows, n, Float32Array.from(multiplyByTranspose(factors, transpose(mix)).data))
}
