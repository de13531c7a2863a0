/** Fig. 6: targets of the same images by all priors in two dimensions, before and after alignment. */
import { setImmediate as turn } from 'node:timers/promises'
import { UMAP } from 'umap-js'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { plainGemm } from '../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import { createRandomStream } from '../../src/random.ts'
import { cosineDistance } from '../../node/evaluate/inconsistency.ts'
import { nearest, unit } from './agreement.ts'
import { drawRows, targetsOf, type Dataset } from './datasets.ts'
import { column, NAME, verdict, type Figure, type Row } from './figure.ts'
import { picture, pointsPanel, type Picture } from './pictures.ts'
import { SIX } from './photo-swarms.ts'

const REFERENCE = 'lite0'
const [SHARED, N] = [1000, 256]
/** Of each prior; none of them is shared. 1,500 points are as many as a picture can show. */
const SHOWN = 250
const EPOCHS = 300
const NEIGHBOURS = 10

export const fig6: Figure = {
  key: 'fig6',
  swarms: [],
  students: [],
  datasets: true,
  async section(results) {
    const dataset = (await results.datasets()).find(d => d.name === 'flowers')
    if (dataset?.labels === undefined) throw new Error('no flowers with labels')
    const order = drawRows(dataset, dataset.reference.rows, 0)
    const [shown, shared] = [order.slice(0, SHOWN), order.slice(SHOWN, SHOWN + SHARED)]
    const before = SIX.map(prior => targetsOf(dataset, prior, shown, N))
    const after: Matrix32[] = []
    const to = targetsOf(dataset, REFERENCE, shared, N)
    for (const [i, prior] of SIX.entries()) {
      const from = targetsOf(dataset, prior, shared, N)
      const transform = await fitTransform({ from, to, grid: DEFAULT_GRID, gemm: plainGemm })
      after.push(await applyTransform(transform, before[i] ?? from, plainGemm))
    }
    const labels = Int32Array.from(shown, i => dataset.labels?.classes[i] ?? -1)
    const rows: Row[] = [
      figuresOf('before alignment', before, labels),
      figuresOf(`after alignment to ${REFERENCE}`, after, labels)
    ]
    const [raw, aligned] = rows as [Row, Row]
    return {
      title: 'Fig. 6: targets in two dimensions, before and after alignment',
      paper: 'each prior has a place of its own before, classes are together after',
      columns: [
        NAME,
        column('of the 10 nearest, by the same prior', 'own', 2),
        column('of the same image', 'image', 2),
        column('of the same class', 'same', 2),
        column('1 - mean cosine of two priors', 'distance', 2)
      ],
      rows,
      pictures: [await pictureOf('before', before, labels, dataset), await pictureOf('after', after, labels, dataset)],
      verdicts: [
        verdict('before, nine of ten nearest targets are by the same prior', Number(raw.own) >= 0.9),
        verdict(
          'after, fewer than half are',
          Number(aligned.own) < 0.5,
          'ridge draws what a prior cannot tell towards the mean, in a way of its own for each prior'
        ),
        verdict('after, more of the nearest show the same class', Number(aligned.same) > Number(raw.same))
      ],
      notes: [
        `${SHOWN} flowers outside the shared set, each by ${SIX.length} priors (${SIX.join(', ')}); m = ${SHARED}, n = ${N}. Chance: ${((SHOWN - 1) / (SIX.length * SHOWN - 1)).toFixed(2)} of the nearest by the same prior. Two dimensions by UMAP (15 neighbours, ${EPOCHS} epochs, cosine).`
      ]
    }
  }
}

// --- internal ---

function figuresOf(name: string, targets: readonly Matrix32[], labels: Int32Array): Row {
  const all = stacked(targets)
  const images = labels.length
  let [own, image, same] = [0, 0, 0]
  for (const [i, list] of nearest(unit(all), NEIGHBOURS).entries()) {
    for (const k of list) {
      if (Math.floor(k / images) === Math.floor(i / images)) own++
      if (k % images === i % images) image++
      if (labels[k % images] === labels[i % images]) same++
    }
  }
  const pairs = targets.flatMap((a, i) => targets.slice(i + 1).map(b => cosineDistance(a, b) ?? NaN))
  const total = all.rows * NEIGHBOURS
  return {
    name,
    own: own / total,
    image: image / total,
    same: same / total,
    distance: pairs.reduce((sum, d) => sum + d, 0) / pairs.length
  }
}

async function pictureOf(
  when: 'before' | 'after',
  targets: readonly Matrix32[],
  labels: Int32Array,
  { labels: names }: Dataset
): Promise<Picture> {
  const all = stacked(targets)
  const points = await embedded(all, when)
  const images = labels.length
  const classes = names?.names ?? []
  const at = (series: (i: number) => number) => points.map(([x, y], i) => ({ series: series(i), x, y }))
  return picture(
    `fig6-${when}`,
    `Targets of ${images} flowers by ${targets.length} priors ${when} alignment, coloured by prior and by class`,
    {
      panels: [
        pointsPanel(
          `${when} alignment, by prior`,
          at(i => Math.floor(i / images))
        ),
        // classes have other colours than priors
        pointsPanel(
          `${when} alignment, by class`,
          at(i => targets.length + (labels[i % images] ?? 0))
        )
      ],
      columns: 2,
      legend: [...SIX, ...classes.map(name => `class ${name}`)]
    }
  )
}

/** As node/lab/report/projections.ts does for reports. */
async function embedded(all: Matrix32, name: string): Promise<ReadonlyArray<readonly [number, number]>> {
  const stream = createRandomStream('coopt/1/reproduce', new Uint8Array(32), `umap ${name}`)
  const unitRows = unit(all)
  const layout = new UMAP({ nNeighbors: 15, nEpochs: EPOCHS, random: () => stream.uniform() })
  layout.initializeFit(Array.from({ length: all.rows }, (_, i) => [...row(unitRows, i)]))
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    layout.step()
    await turn()
  }
  return layout.getEmbedding().map(([x = 0, y = 0]) => [x, y] as const)
}

function stacked(list: readonly Matrix32[]): Matrix32 {
  const [first] = list
  if (first === undefined) throw new Error('no targets')
  const data = new Float32Array(list.length * first.data.length)
  list.forEach((m, i) => data.set(m.data, i * first.data.length))
  return matrix(list.length * first.rows, first.columns, data)
}
