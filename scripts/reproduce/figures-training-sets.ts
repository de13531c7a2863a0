/** Tab. 4 (what the priors were trained on), and references of a few good among many poor priors. */
import { rankCorrelation } from '../../node/evaluate/rank-correlation.ts'
import { ACCURACY, column, falling, mean, NAME, round, verdict, type Figure, type Results, type Row } from './figure.ts'
import { averageOf, choiceRow, flowersBy, flowersOnly, POLICIES, probeOf, referenceRow } from './figures-students.ts'
import { IMAGE_SETS, type ImageSetName } from './image-files.ts'
import { CIFAR_PRIORS, IMAGENET_PRIORS, photoSwarm, SIX, studentOf } from './photo-swarms.ts'
import { participants } from './swarms.ts'
import type { SwarmSetup } from './work-list.ts'

/** Fewer than of the six priors: there are many swarms. */
const FEW_SEEDS = 3
const DATASETS = ['flowers', 'cifar10'] as const
type DatasetName = ImageSetName
const SHOWN: Readonly<Record<DatasetName, string>> = { photos: 'photos', flowers: 'flowers', cifar10: 'CIFAR-10' }
/** Half of what Tab. 2 has, as many rows as of flowers. */
const CIFAR = { rows: 2000, partitions: 40, shared: 1000, dimension: 256 }
const TRAINED_ON: ReadonlyArray<{ key: string; name: string; priors: readonly string[] }> = [
  { key: 'imagenet', name: 'ImageNet', priors: IMAGENET_PRIORS },
  { key: 'cifar', name: 'CIFAR-10', priors: CIFAR_PRIORS },
  { key: 'both', name: 'both', priors: SIX }
]

function swarmOf(
  images: DatasetName,
  name: string,
  settings: Readonly<Record<string, unknown>>,
  seeds?: number
): SwarmSetup {
  return photoSwarm(images, name, { ...(images === 'cifar10' ? CIFAR : {}), ...settings }, seeds)
}
const together = (images: DatasetName, key: string, priors: readonly string[]): SwarmSetup =>
  images === 'flowers' && key === 'both'
    ? flowersBy('corroboration')
    : swarmOf(images, `of-${key}`, { policy: 'corroboration', participants: participants(priors) }, FEW_SEEDS)
const TAB4 = DATASETS.flatMap(images =>
  TRAINED_ON.map(({ key, name, priors }) => ({ images, name, priors, setup: together(images, key, priors) }))
)
/** Students of single priors are of flowers only; CIFAR-10's are in Tab. 2. */
const TAB4_SINGLES = SIX.map(flowersOnly)

export const tab4: Figure = {
  key: 'tab4',
  swarms: [...TAB4.map(t => t.setup), ...TAB4_SINGLES],
  students: [...TAB4.map(t => t.setup), ...TAB4_SINGLES].map(studentOf),
  section(results) {
    const rows = TAB4.map(({ images, name, priors, setup }): Row => {
      const alone =
        images === 'flowers' ? priors.map(prior => results.accuracy(prior, studentOf(flowersOnly(prior)))) : []
      const probes = priors.map(prior => probeOf(results, setup, prior))
      return {
        ...choiceRow(results, name, setup),
        images,
        ...(alone.length === 0 ? {} : { alone: averageOf('', alone) }),
        probe: mean(probes)
      }
    })
    const of = (images: DatasetName, name: string): Row =>
      rows.find(r => r.images === images && r.name === name) ?? { name }
    const n = FEW_SEEDS
    return {
      title: 'Tab. 4: what the priors were trained on',
      paper: 'priors of other datasets serve, too: the closer to the images, the better',
      columns: [
        { title: 'images', text: row => SHOWN[row.images as DatasetName] },
        { title: 'priors trained on', text: row => row.name },
        column('mean linear probe of the priors %', 'probe', 1),
        column('elected', 'elected'),
        { title: 'CoOpt, accuracy %', text: ACCURACY.text },
        {
          title: 'mean of its priors alone %',
          text: row => (row.alone === undefined ? '–' : ACCURACY.text(row.alone as Row))
        }
      ],
      rows,
      verdicts: [
        falling('flowers: ImageNet > CIFAR-10', [of('flowers', 'ImageNet'), of('flowers', 'CIFAR-10')], n),
        falling('CIFAR-10: CIFAR-10 > ImageNet', [of('cifar10', 'CIFAR-10'), of('cifar10', 'ImageNet')], n),
        falling('flowers: ImageNet > both', [of('flowers', 'ImageNet'), of('flowers', 'both')], n),
        falling('flowers: both > CIFAR-10', [of('flowers', 'both'), of('flowers', 'CIFAR-10')], n),
        ...rows
          .filter(row => row.alone !== undefined)
          .map(row =>
            falling(
              `${SHOWN[row.images as DatasetName]}, ${row.name}: CoOpt > mean of its priors alone`,
              [row, row.alone as Row],
              n
            )
          )
      ],
      notes: [
        `ImageNet: ${IMAGENET_PRIORS.join(', ')}; CIFAR-10: ${CIFAR_PRIORS.join(', ')}, of which the last had no labels. ${n} seeds (of both on flowers, and of single priors, more), 2,000 images, 1,000 of them shared, n = 256, elected by corroboration. CIFAR-10 images are shown to ImageNet priors enlarged from 32 x 32 pixels, and flowers of 128 x 128 to CIFAR-10 priors reduced to 32 x 32.`
      ]
    }
  }
}

const POOR = ['resnet20_ep2', 'vit_tiny', 'simclr_conv', 'superclass2', 'random_conv'] as const
const FEW_GOOD: Readonly<Record<DatasetName, readonly string[]>> = {
  photos: ['lite0', 'lite2', ...POOR],
  flowers: ['lite0', 'lite2', ...POOR],
  cifar10: ['resnet20', 'mobilenet', ...POOR]
}
const RANDOM = 'random codes'
const few = (images: DatasetName, key: string, settings: Readonly<Record<string, unknown>>): SwarmSetup =>
  swarmOf(images, `few-${key}`, { participants: participants(FEW_GOOD[images]), ...settings }, FEW_SEEDS)
const CHOSEN = (images: DatasetName) =>
  POLICIES.map(policy => ({ name: policy, setup: few(images, policy, { policy }) }))
const BY_HAND = (images: DatasetName) => [
  { name: RANDOM, setup: few(images, 'codes', { alignTo: 'random' }), prior: undefined },
  { name: 'nothing', setup: few(images, 'none', { alignTo: 'none' }), prior: undefined },
  ...FEW_GOOD[images].map(prior => ({
    name: prior,
    setup: few(images, prior, { alignTo: `prior:${prior}` }),
    prior
  }))
]
const FEW_DATASETS = IMAGE_SETS.toReversed()
/** Students are of these; of all others the merged targets are probed. */
const WITH_STUDENTS = ['corroboration', 'consensus', RANDOM]
const hasStudent = (name: string): boolean => WITH_STUDENTS.includes(name)
const ALL_FEW = FEW_DATASETS.flatMap(images => [...CHOSEN(images), ...BY_HAND(images)].map(({ setup }) => setup))

export const references: Figure = {
  key: 'references',
  swarms: ALL_FEW,
  students: FEW_DATASETS.flatMap(images =>
    [...CHOSEN(images), ...BY_HAND(images)].flatMap(({ name, setup }) => (hasStudent(name) ? [studentOf(setup)] : []))
  ),
  section(results) {
    const rows: Row[] = FEW_DATASETS.flatMap(images => [
      ...CHOSEN(images).map(({ name, setup }) => ({
        ...choiceRow(results, `elected by ${name}`, setup, hasStudent(name)),
        ...merged(results, setup),
        images
      })),
      ...BY_HAND(images).map(({ name, setup, prior }) => ({
        ...referenceRow(results, `to ${name}`, setup, prior, hasStudent(name)),
        ...merged(results, setup),
        images,
        ...(prior === undefined ? {} : { prior, figures: figuresOf(results, images, prior) })
      }))
    ])
    const of = (images: DatasetName, name: string): Row =>
      rows.find(r => r.images === images && r.name === name) ?? { name }
    const priors = (images: DatasetName): Row[] => rows.filter(r => r.images === images && r.prior !== undefined)
    const rhos = FEW_DATASETS.flatMap(images =>
      [
        ...(['corroboration', 'uniformity', 'predictivity'] as const).map(policy => ({
          name: `Spearman, ${policy}`,
          pairs: priors(images).map(r => [figureOf(r, policy), Number(r.merged)] as const)
        })),
        {
          name: 'Spearman, mean R² to it',
          pairs: priors(images).map(r => [Number(r.looR2), Number(r.merged)] as const)
        },
        { name: 'Spearman, linear probe', pairs: priors(images).map(r => [Number(r.probe), Number(r.merged)] as const) }
      ].map(({ name, pairs }) => ({ name, images, rho: rhoOf(pairs) }))
    )
    return {
      title: 'References of few good and many poor priors: elections, a consensus and random codes',
      paper: 'elect one prior by the uniform value',
      columns: [
        { title: 'images', text: row => SHOWN[row.images as DatasetName] },
        NAME,
        column('reference', 'elected'),
        column('linear probe of the reference %', 'probe', 1),
        column('ridge probe of the merged targets %', 'merged', 1),
        { title: 'student, accuracy %', text: ACCURACY.text },
        column('mean R² of the priors to it', 'looR2', 2),
        column('rho with the probe of merged targets', 'rho', 2)
      ],
      rows: [...rows, ...rhos],
      verdicts: FEW_DATASETS.flatMap(images => {
        const name = SHOWN[images]
        const [good = ''] = FEW_GOOD[images]
        const chosen = (policy: string): Row => of(images, `elected by ${policy}`)
        const isAbove = (claim: string, a: Row, b: Row) =>
          verdict(`${name}: ${claim}`, Number(a.merged) > Number(b.merged))
        return [
          falling(
            `${name}, students: consensus > random codes`,
            [chosen('consensus'), of(images, `to ${RANDOM}`)],
            FEW_SEEDS
          ),
          falling(
            `${name}, students: corroboration > random codes`,
            [chosen('corroboration'), of(images, `to ${RANDOM}`)],
            FEW_SEEDS
          ),
          falling(
            `${name}, students: corroboration > consensus`,
            [chosen('corroboration'), chosen('consensus')],
            FEW_SEEDS
          ),
          isAbove('merged targets: corroboration > predictivity', chosen('corroboration'), chosen('predictivity')),
          isAbove('merged targets: corroboration > random codes', chosen('corroboration'), of(images, `to ${RANDOM}`)),
          isAbove(
            `merged targets: the good ${good} as reference > random_conv`,
            of(images, `to ${good}`),
            of(images, 'to random_conv')
          )
        ]
      }),
      notes: [
        `Two good priors (photos and flowers: lite0, lite2; CIFAR-10: resnet20, mobilenet) among five poor ones (${POOR.join(', ')}), all of which do a seventh of the rows. ${FEW_SEEDS} seeds. Photos have one image of each of 1,000 classes: what is scored is whether it shows an animal or a thing, of students of 700 photos on the 300 others. Random codes have no features to probe; a probe of their own on the shared rows is at chance, whatever they are worth. Merged targets: ridge probe on a part of their rows; students are trained of three references of each set only. Spearman: over the seven priors as references, of the policy's figure (better is higher) and the probe of the merged targets.`
      ]
    }
  }
}

// --- internal ---

function merged(results: Results, setup: SwarmSetup): { merged?: number } {
  const value = mean(
    results
      .reports(setup)
      .map(({ probe }) => (probe !== undefined && 'accuracy' in probe ? 100 * probe.accuracy : undefined))
  )
  return value === undefined ? {} : { merged: round(value, 2) }
}

/** What each policy makes of a prior, better is higher; the mean over the seeds. */
function figuresOf(results: Results, images: DatasetName, prior: string): Record<string, number> {
  return Object.fromEntries(
    CHOSEN(images).map(({ name, setup }) => {
      const found = mean(results.reports(setup).map(r => r.ranking.find(c => c.prior === prior)?.figure)) ?? NaN
      return [name, name === 'uniformity' ? -found : found]
    })
  )
}

function figureOf(row: Row, policy: string): number {
  return (row.figures as Record<string, number>)[policy] ?? NaN
}

function rhoOf(pairs: ReadonlyArray<readonly [number, number]>): number | undefined {
  const known = pairs.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
  const found = rankCorrelation(
    known.map(([a]) => a),
    known.map(([, b]) => b)
  )
  return found === undefined ? undefined : round(found.rho, 2)
}
