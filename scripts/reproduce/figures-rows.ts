/** Variations on the same work: second opinions, weights, and copies in a consensus. */
import { ACCURACY, falling, NAME, type Figure } from './figure.ts'
import { elected } from './swarms.ts'
import type { StudentRun, SwarmSetup } from './work-list.ts'

const BASE = elected('uniformity')
const TWO: SwarmSetup = { name: 'two-opinions', settings: { opinions: 2 } }
const run = (setup: SwarmSetup): StudentRun => ({ swarm: setup.name })
const SYBILS = elected('consensus', {
  attackers: [{ prior: 'random_conv', attack: 'copy', sybils: 5 }],
  name: 'sybils'
})
const CONSENSUS = elected('consensus')

export const opinions: Figure = {
  key: 'opinions',
  swarms: [BASE, TWO, CONSENSUS, SYBILS],
  students: [
    run(BASE),
    run(TWO),
    { ...run(BASE), weighted: 'quality' },
    { ...run(BASE), weighted: 'length' },
    run(CONSENSUS),
    run(SYBILS)
  ],
  section(results) {
    const one = results.accuracy('one opinion, rows alike', run(BASE))
    const two = results.accuracy('two opinions per partition, averaged', run(TWO))
    const quality = results.accuracy("rows weighted by their prior's leave-one-out R²", {
      ...run(BASE),
      weighted: 'quality'
    })
    const length = results.accuracy('rows weighted by the length of their target', { ...run(BASE), weighted: 'length' })
    const consensus = results.accuracy('consensus', run(CONSENSUS))
    const sybils = results.accuracy('consensus, five copies of one participant besides', run(SYBILS))
    const n = results.scale.seeds.length
    return {
      title: 'More from the same work: second opinions, weights, copies in a consensus',
      paper: 'not in the papers',
      columns: [NAME, ACCURACY],
      rows: [one, two, quality, length, consensus, sybils],
      verdicts: [
        falling('two opinions > one', [two, one], n),
        falling(
          'weights by quality > none',
          [quality, one],
          n,
          "the spread of the three policies' students is larger; what weak rows take away is little once they are aligned, and fewer rows count"
        ),
        falling('weights by length > none', [length, one], n, 'as above'),
        falling(
          'copies cost a consensus less than a point',
          [{ ...sybils, mean: (sybils.mean ?? NaN) + 1 }, consensus],
          n,
          "not by the reference, in which copies count once: the five copiers' partitions, more than a third, are done by the untrained network they really have"
        )
      ],
      notes: [
        'Weights by length, measured separately: eight priors, 5,000 images, n = 128, m = 1,000, references resnet20, vit_tiny, vgg_small and a consensus (without scaled eigenvectors). Rank correlation over rows with the cosine to the other seven’s mean: .63, .54, .68, .22; with a correct class of a linear classifier: .40, .25, .33, .04. The shard’s R² instead: .31, .20, .34, .06 and .29, .18, .24, −.04. The leave-one-out cosine of the 16 nearest rows instead: .46, .38, .55, .27 and .38, .24, .33, .06.',
        'Points gained by a linear student (ridge; 20 nearest neighbours): weights by length +.42 and +.92, −.31 and +.23, +.27 and +.32, and with the consensus +.20 and +.30 (−.15 and −.25 without scaled eigenvectors); weights from true accuracy, which nobody has, +.89 and +1.38, +.98 and +.80, +.88 and +1.27, +.73 and +.85; targets averaged over two priors, unweighted, +2.82 and +1.83, +1.33 and +1.13, +1.19 and +.92, +1.58 and +1.24 (standard errors .1 to .3). By a convnet after 15 epochs, by seed, with resnet20: +1.25, −.45, −.55; with the consensus without scaled eigenvectors: +.45.'
      ]
    }
  }
}
