/** Tab. 2, Tab. 5, Tab. 8, Fig. 4 and Fig. 5b: who takes part, how many images are shared, how many rounds. */
import { ACCURACY, column, falling, mean, NAME, round, scored, type Figure, type Results, type Row } from './figure.ts'
import {
  elected,
  participants,
  PRIORS,
  sharedOf,
  SHARED_SIZES,
  single,
  STRONGER_PRIORS,
  WEAK_PRIORS
} from './swarms.ts'
import type { StudentRun, SwarmSetup } from './work-list.ts'

const run = (setup: SwarmSetup): StudentRun => ({ swarm: setup.name })
const UNIFORMITY = elected('uniformity')
const PREDICTIVITY = elected('predictivity')
const CONSENSUS = elected('consensus')

export const tab2: Figure = {
  key: 'tab2',
  swarms: [UNIFORMITY, PREDICTIVITY, CONSENSUS, ...PRIORS.map(single)],
  students: [UNIFORMITY, PREDICTIVITY, CONSENSUS, ...PRIORS.map(single)].map(run),
  real: true,
  section(results) {
    const seconds = new Map(results.real?.participants.map(p => [p.prior, p.seconds]))
    const singles = PRIORS.map(prior =>
      results.accuracy(`${prior} alone`, run(single(prior)), {
        probe: 100 * (results.zoo.get(prior)?.accuracy ?? NaN),
        seconds: seconds.get(prior)
      })
    )
    const average = meanOfSingles(results, PRIORS)
    const policies = [UNIFORMITY, PREDICTIVITY, CONSENSUS].map(setup =>
      results.accuracy(`CoOpt of all eight, ${setup.name.slice('by-'.length)}`, run(setup), {
        seconds: results.real?.workSeconds
      })
    )
    const [byUniformity, byPredictivity, byConsensus] = policies as [Row, Row, Row]
    const n = results.scale.seeds.length
    const weakest = singles.reduce((a, b) => ((b.mean ?? 0) < (a.mean ?? 0) ? b : a))
    const why =
      'the mean is lifted by priors trained on ten labels of the very task, far above what can be shared through one reference'
    return {
      title: 'Tab. 2: eight participants together, and each prior alone',
      paper: 'CoOpt 65.8, mean of the single priors 62.1',
      columns: [
        NAME,
        ACCURACY,
        column('linear probe of the prior %', 'probe', 1),
        column('generation, s', 'seconds', 1)
      ],
      rows: [...policies, average, ...singles],
      verdicts: [
        falling('CoOpt (uniformity, as in the papers) > mean of the single priors', [byUniformity, average], n, why),
        falling('CoOpt (predictivity) > mean of the single priors', [byPredictivity, average], n, why),
        falling('CoOpt (consensus) > mean of the single priors', [byConsensus, average], n, why),
        falling('CoOpt (uniformity) > weakest single prior', [byUniformity, weakest], n)
      ],
      notes: [
        'Seconds: wall clock of each participant in one swarm of real processes, all of which share the cores of one machine; of CoOpt, from the first join to the last partition.'
      ]
    }
  }
}

const FOUR: SwarmSetup = { name: 'stronger-four', settings: { participants: participants(STRONGER_PRIORS) } }
const FOUR_AND_HUMAN: SwarmSetup = {
  name: 'stronger-four-human',
  settings: { participants: participants(STRONGER_PRIORS), human: { share: 0.2 } }
}

export const tab5: Figure = {
  key: 'tab5',
  swarms: [FOUR, FOUR_AND_HUMAN, UNIFORMITY],
  students: [FOUR, FOUR_AND_HUMAN, UNIFORMITY].map(run),
  section(results) {
    const none = results.accuracy('four models', run(FOUR))
    const human = results.accuracy('and people, who label 20 % of the partitions', run(FOUR_AND_HUMAN))
    const weak = results.accuracy('and four weak models', run(UNIFORMITY))
    const n = results.scale.seeds.length
    return {
      title: 'Tab. 5: people and weak models take part too',
      paper: 'none 89.5, human 90.5, weak priors 89.2',
      columns: [NAME, ACCURACY],
      rows: [none, human, weak],
      verdicts: [
        falling(
          'with people ≥ without',
          [human, none],
          n,
          'the difference is within the spread: one-hot labels say nothing beyond ten classes, and 20 % of the rows are few'
        ),
        falling(
          'weak models cost less than a point',
          [weak, lowered(none, 1)],
          n,
          'half of the rows are theirs, and alone they teach less (Tab. 2)'
        ),
        falling('weak models cost less than five points', [weak, lowered(none, 5)], n)
      ],
      notes: [
        `Four: ${STRONGER_PRIORS.join(', ')}; weak: ${WEAK_PRIORS.join(', ')}; elected by the uniform value. Weak models get half of the partitions.`
      ]
    }
  }
}

const WEAK: SwarmSetup = { name: 'weak-only', settings: { participants: participants(WEAK_PRIORS) } }

export const fig5b: Figure = {
  key: 'fig5b',
  swarms: [WEAK, ...WEAK_PRIORS.map(single)],
  students: [WEAK, ...WEAK_PRIORS.map(single)].map(run),
  section(results) {
    const together = results.accuracy('weak models together', run(WEAK))
    const average = meanOfSingles(results, WEAK_PRIORS)
    const n = results.scale.seeds.length
    return {
      title: 'Fig. 5b: weak models only',
      paper: 'together better than their mean',
      columns: [NAME, ACCURACY],
      rows: [together, average, ...WEAK_PRIORS.map(prior => results.accuracy(`${prior} alone`, run(single(prior))))],
      verdicts: [
        falling(
          'together > mean of the single ones',
          [together, average],
          n,
          'the uniform value elects superclass2 with every seed, and what is aligned to it teaches no more, no matter who takes part (see the choice of the reference): a student follows its reference'
        )
      ]
    }
  }
}

const sizes = SHARED_SIZES.map(m => ({ m, setup: sharedOf(m) }))

export const tab8: Figure = {
  key: 'tab8',
  swarms: sizes.map(s => s.setup),
  students: sizes.map(s => run(s.setup)),
  section(results) {
    const rows = sizes.map(({ m, setup }) => {
      const reports = results.reports(setup)
      return results.accuracy(`${m}`, run(setup), {
        m,
        cosine: round(mean(reports.flatMap(r => r.participants.map(p => p.looCosine))) ?? 0, 4),
        coverage: round(mean(reports.map(r => 100 * r.coverage)) ?? 0, 1)
      })
    })
    const n = results.scale.seeds.length
    const at = (m: number): Row => rows.find(r => r.m === m) ?? { name: `${m}` }
    // in hundredths: scored() keeps three digits
    const cosines = sizes.map(({ m, setup }) =>
      scored(
        `${m}`,
        results.reports(setup).map(r => 100 * (mean(r.participants.map(p => p.looCosine)) ?? NaN))
      )
    )
    return {
      title: 'Tab. 8 and Fig. 5d: how many images are shared',
      paper: 'accuracy and held-out cosine rise with the size of the shared set and saturate',
      columns: [
        { title: 'm', text: row => row.name },
        ACCURACY,
        column('held-out cosine', 'cosine'),
        column('rows with a target %', 'coverage', 1)
      ],
      rows,
      verdicts: [
        falling('accuracy: 1,000 > 100 > 25', [at(1000), at(100), at(25)], n),
        falling('saturates: 2,500 within a point of 1,000', [at(1000), lowered(at(2500), 1)], n),
        falling(
          'held-out cosine: 2,500 > 1,000 > 250 > 25',
          [2500, 1000, 250, 25].map(m => cosines.find(c => c.name === `${m}`) ?? { name: '' }),
          n
        )
      ],
      notes: [
        'Held-out cosine: exact leave-one-out on the shared set, mean over participants. Without the gate, which needs 300 shared images; aligned to the best prior.'
      ]
    }
  }
}

const ROUNDS = [1, 2, 4, 7, 10] as const
const CONTINUOUS: SwarmSetup = {
  name: 'continuous',
  settings: {
    participants: WEAK_PRIORS.flatMap(prior => [1, 2].map(i => ({ prior, name: `${prior}-${i}` }))),
    rounds: ROUNDS.at(-1),
    upgradeShare: 0.2,
    upgrades: { random_conv: 'vgg_small', superclass2: 'mobilenet', simclr_conv: 'mobilenet', resnet20_ep2: 'resnet20' }
  }
}

export const fig4: Figure = {
  key: 'fig4',
  swarms: [CONTINUOUS],
  students: ROUNDS.map(r => ({ swarm: CONTINUOUS.name, round: r })),
  section(results) {
    const reports = results.reports(CONTINUOUS)
    const rows = ROUNDS.map(r =>
      results.accuracy(
        `${r}`,
        { swarm: CONTINUOUS.name, round: r },
        {
          round: r,
          reference: [...new Set(reports.map(report => report.rounds[r - 1]?.reference ?? '–'))].join(', '),
          replaced: mean(reports.map(report => report.rounds.slice(0, r).reduce((sum, one) => sum + one.replaced, 0)))
        }
      )
    )
    const n = results.scale.seeds.length
    const [first, last] = [rows[0], rows.at(-1)] as [Row, Row]
    return {
      title: 'Fig. 4: ten rounds, a fifth of the participants with a better model each',
      paper: '+4.6 points over ten rounds',
      columns: [
        { title: 'round', text: row => row.name },
        ACCURACY,
        column('reference', 'reference'),
        column('partitions replaced so far', 'replaced', 0)
      ],
      rows,
      verdicts: [falling('tenth round > first', [last, first], n)],
      notes: [
        'Eight participants begin with four weak models, two each, and change to vgg_small, mobilenet or resnet20. A student is trained on what is merged after a round.'
      ]
    }
  }
}

// --- internal ---

/** By seed, then over seeds. */
function meanOfSingles(results: Results, priors: readonly string[]): Row {
  const outcomes = priors.map(prior => results.outcomes(run(single(prior))))
  const values = results.scale.seeds.map((_, i) => 100 * (mean(outcomes.map(o => o[i]?.accuracy)) ?? NaN))
  return scored(`mean of ${priors.length} single priors`, values)
}

function lowered(row: Row, points: number): Row {
  return { ...row, mean: (row.mean ?? NaN) - points }
}
