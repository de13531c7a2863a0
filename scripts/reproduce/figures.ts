/** All figures, in the order of RESULTS.md, and those of --quick. */
import { electionsOfDatasets } from './figures-dataset-elections.ts'
import { gateOfDatasets } from './figures-dataset-gate.ts'
import { ACCURACY, falling, firm, NAME, type Figure } from './figure.ts'
import { checks } from './figures-checks.ts'
import { liars } from './figures-liars.ts'
import { tab1, tab3, tab6 } from './figures-baselines.ts'
import { alignment } from './figures-defaults.ts'
import { attacks, fig5c } from './figures-elections.ts'
import { opinions } from './figures-rows.ts'
import { lateAndStrong } from './figures-late-and-strong.ts'
import { photoSwarm } from './figures-photo-swarm.ts'
import { fig6 } from './figures-projections.ts'
import { costs } from './figures-costs.ts'
import { sizes } from './figures-sizes.ts'
import { references, tab4 } from './figures-training-sets.ts'
import { students } from './figures-students.ts'
import { fig6d, regret, tab7 } from './figures-references.ts'
import { fig4, fig5b, tab2, tab5, tab8 } from './figures-swarms.ts'
import { alignedTo, BEST, single, WORST } from './swarms.ts'

export const FIGURES: readonly Figure[] = [
  tab1,
  tab2,
  tab3,
  tab4,
  tab5,
  tab6,
  tab7,
  fig6,
  fig6d,
  tab8,
  fig4,
  fig5b,
  fig5c,
  attacks,
  regret,
  opinions,
  gateOfDatasets,
  electionsOfDatasets,
  checks,
  liars,
  students,
  references,
  sizes,
  costs,
  photoSwarm,
  lateAndStrong,
  alignment
]

const EXTREMES = [alignedTo(`prior:${BEST}`), alignedTo(`prior:${WORST}`), single(BEST), single(WORST)]

/** What must come out even with few rows, few epochs and one seed: the ends of Tab. 2 and Tab. 7, seven points apart or more. */
const extremes: Figure = {
  key: 'extremes',
  swarms: EXTREMES,
  students: EXTREMES.map(setup => ({ swarm: setup.name })),
  section(results) {
    const [best, worst, alone, weak] = EXTREMES.map(setup => results.accuracy(setup.name, { swarm: setup.name })) as [
      ReturnType<typeof results.accuracy>,
      ReturnType<typeof results.accuracy>,
      ReturnType<typeof results.accuracy>,
      ReturnType<typeof results.accuracy>
    ]
    const n = results.scale.seeds.length
    return {
      title: 'Tab. 2 and Tab. 7: the extremes',
      paper: 'best 65.3, worst 60.1',
      columns: [NAME, ACCURACY],
      rows: [best, worst, alone, weak],
      verdicts: [
        firm(falling(`aligned to ${BEST} > aligned to ${WORST}`, [best, worst], n)),
        firm(falling(`${BEST} alone > ${WORST} alone`, [alone, weak], n)),
        firm(falling(`all, aligned to ${BEST} > ${WORST} alone`, [best, weak], n))
      ]
    }
  }
}

export const QUICK_FIGURES: readonly Figure[] = [extremes, fig5c, attacks, checks]
