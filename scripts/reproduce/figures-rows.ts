/** What may be made of the same work besides: second opinions, weights, and what copies do to a consensus. */
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
      ]
    }
  }
}
