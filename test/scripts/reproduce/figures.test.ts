import { describe, expect, it } from 'vitest'
import type { ConfigurationReport } from '../../../node/lab/simulate/report.ts'
import { VARIANTS } from '../../../scripts/reproduce/alignment-variants.ts'
import { Results, type Section } from '../../../scripts/reproduce/figure.ts'
import { FIGURES, QUICK_FIGURES } from '../../../scripts/reproduce/figures.ts'
import { markdown, resultsJson } from '../../../scripts/reproduce/markdown.ts'
import type { RealRun } from '../../../scripts/reproduce/real-swarm.ts'
import type { Outcome } from '../../../scripts/reproduce/students.ts'
import { configName, PRIORS } from '../../../scripts/reproduce/swarms.ts'
import { fullScale, runName, seedsOf, type StudentRun, type SwarmSetup } from '../../../scripts/reproduce/work-list.ts'

const scale = fullScale(3)
const NAMES = [...PRIORS, 'im_mobilenet025', 'noise_hash']
const zoo = new Map(NAMES.map((name, i) => [name, { accuracy: 0.9 - i / 20 }]))
const real: RealRun = {
  mergedCid: 'bafyreal',
  rows: 5000,
  reference: 'vit_tiny',
  publishSeconds: 5,
  workSeconds: 60,
  cores: 2,
  participants: PRIORS.map(prior => ({ prior, partitions: 5, seconds: 60, optimizing: 40, scoring: 1, aligning: 9 }))
}

/** A report in which the priors are as good as their place in the zoo says, and `attacker` takes part or is even elected. */
function report(name: string, attacker?: 'present' | 'elected'): ConfigurationReport {
  const honest = NAMES.map((prior, i) => ({
    participant: prior,
    prior,
    uniformValue: i / 10 - 3,
    predictivity: 0.9 - i / 20,
    eligible: true,
    z: 30,
    margin: 25,
    looR2: 0.5,
    looCosine: 0.8,
    partitions: 4
  }))
  const [first] = honest
  if (first === undefined) throw new Error('no priors')
  const participants =
    attacker === undefined ? honest : [...honest, { ...first, participant: 'evil', attack: 'noise' as const }]
  const round = { upgraded: [], reference: 'resnet20', replaced: 1, done: 40, rows: 5000 }
  return {
    name,
    config: {} as ConfigurationReport['config'],
    reference: { cid: 'bafyref', policy: 'uniformity', from: [attacker === 'elected' ? 'evil' : 'resnet20'] },
    ranking: [],
    participants,
    rows: 5000,
    coverage: 1,
    rounds: Array.from({ length: 10 }, (_, i) => ({ ...round, round: i + 1 })),
    checks: {
      complete: true,
      confirmed: { honest: 2000, garbage: 0, ghost: 0, lost: 0 },
      unconfirmed: { honest: 0, garbage: 0, ghost: 0, lost: 0 },
      refutedHonest: 0,
      refutedFalse: 5,
      caught: [],
      caughtHonest: 0,
      checks: 60,
      opinions: 60,
      checkRows: 1000,
      workRows: 20_000,
      share: 0.047619,
      bytes: 1_024_000,
      timesTargets: 2,
      seconds: 500
    },
    inconsistency: {}
  }
}

const setups: SwarmSetup[] = [...FIGURES, ...QUICK_FIGURES].flatMap(f => f.swarms)
const runs: StudentRun[] = [...FIGURES, ...QUICK_FIGURES].flatMap(f => f.students)

function results(accuracy: (run: StudentRun, seed: number) => number, attacker?: 'present' | 'elected'): Results {
  const outcome = (value: number, run: StudentRun): Outcome => ({
    accuracy: value,
    points: [...(run.probes ?? scale.probes), run.epochs ?? scale.epochs].map(epoch => ({
      epoch,
      accuracy: value * (epoch / 44),
      loss: 0.5,
      seconds: 3 * epoch
    })),
    seconds: 30
  })
  return new Results({
    scale,
    reports: new Map(
      setups.flatMap(({ name, ...rest }) =>
        seedsOf(rest, scale).map(s => [configName(name, s), report(configName(name, s), attacker)] as const)
      )
    ),
    students: new Map(
      runs.map(run => [runName(run), seedsOf(run, scale).map(seed => outcome(accuracy(run, seed), run))])
    ),
    real,
    zoo,
    variants: async () => VARIANTS.map(({ name }, i) => ({ name, cosine: 0.9 - i / 100, r2: 0.5, accuracy: 0.6 })),
    photoSwarm: async () => ({
      mergedCids: ['bafyone'],
      seconds: 60,
      processes: [{ name: 'publisher', seconds: 9, peakBytes: 2 ** 28, childPeakBytes: 2 ** 27 }]
    }),
    lateAndStrong: async () => ({
      mergedCid: 'bafyone',
      reference: 'lite0',
      leavers: [
        {
          name: 'lite0',
          uniformValue: -3,
          partitions: 6,
          rows: 700,
          seconds: 60,
          leftWith: 'bafyone',
          later: 'bafyone'
        },
        {
          name: 'resnet20',
          uniformValue: -1,
          partitions: 6,
          rows: 0,
          seconds: 60,
          leftWith: 'bafyone',
          later: 'bafyone'
        }
      ],
      students: [60, 61, 62]
    }),
    paces: async priors => new Map(priors.map(prior => [prior, 0.05])),
    datasets: async () => []
  })
}

function outcomeOf(section: Section, claim: string): string | undefined {
  return section.verdicts.find(v => v.claim.startsWith(claim))?.outcome
}

const section = async (key: string, given: Results): Promise<Section> => {
  const figure = [...FIGURES, ...QUICK_FIGURES].find(f => f.key === key)
  if (figure === undefined) throw new Error(`no figure ${key}`)
  return await figure.section(given)
}

describe('every figure', () => {
  const given = results((_run, seed) => 0.5 + seed / 100)

  // those of three datasets compute their tables from features of real images
  it.each([...FIGURES, ...QUICK_FIGURES].filter(f => f.datasets !== true).map(f => [f.key, f] as const))(
    '%s makes a table with a cell for each column',
    async (_key, figure) => {
      const { columns, rows, verdicts } = await figure.section(given)
      expect(rows.length).toBeGreaterThan(0)
      expect(verdicts.length).toBeGreaterThan(0)
      for (const row of rows) for (const c of columns) expect(c.text(row)).not.toMatch(/NaN|undefined|\[object/)
    }
  )

  it('is in the document', async () => {
    const sections = []
    for (const f of FIGURES.filter(one => one.datasets !== true))
      sections.push({ key: f.key, section: await f.section(given) })
    const machine = { cpu: '', cores: 2, node: '', torch: '', device: 'cpu' }
    const document = {
      machine,
      command: '',
      seeds: 3,
      quick: false,
      seconds: 1,
      trainingSeconds: 1,
      students: 1,
      sections,
      date: '2026-01-31',
      partial: false,
      pictures: 'pictures'
    }
    const text = markdown(document)
    for (const { section: one } of sections) expect(text).toContain(`## ${one.title}`)
    expect(JSON.stringify(resultsJson(document))).not.toContain('NaN')
  })
})

describe('claims', () => {
  it('of Tab. 7 follow the accuracies', async () => {
    const order = ['to-prior-resnet20', 'to-prior-simclr_conv', 'to-prior-random_conv', 'to-none']
    const by = (list: string[]) => (run: StudentRun, seed: number) => 0.8 - list.indexOf(run.swarm) / 10 + seed / 1000
    expect(outcomeOf(await section('tab7', results(by(order))), 'best > medium > worst')).toBe('holds')
    expect(outcomeOf(await section('tab7', results(by(order.toReversed()))), 'best > medium > worst')).toBe(
      'does not hold'
    )
    expect(outcomeOf(await section('extremes', results(by(order.toReversed()))), 'aligned to resnet20')).toBe(
      'does not hold'
    )
  })

  it('of attackers follow who is elected', async () => {
    const attacked = await section(
      'attacks',
      results(() => 0.5, 'elected')
    )
    expect(outcomeOf(attacked, 'without the gate noise is elected')).toBe('holds')
    expect(outcomeOf(attacked, 'behind the gate it is not')).toBe('does not hold')
    const safe = await section(
      'attacks',
      results(() => 0.5, 'present')
    )
    expect(outcomeOf(safe, 'without the gate noise is elected')).toBe('does not hold')
    expect(outcomeOf(safe, 'behind the gate it is not')).toBe('holds')
  })

  it('of Fig. 5c follow the ranks', async () => {
    const ranked = await section(
      'fig5c',
      results(() => 0.5)
    )
    expect(outcomeOf(ranked, 'uniform value')).toBe('holds')
    expect(outcomeOf(ranked, 'predictivity: higher')).toBe('holds')
  })

  it('of Tab. 1 take what a baseline reached in the same time, not what it reached in the end', async () => {
    const table = await section(
      'tab1',
      results(run => (run.method === 'simclr' ? 0.9 : 0.5))
    )
    const simclr = table.rows.find(r => r.name === 'SimCLR')
    // 30 s of training and 60 s of generation; an epoch takes 3 s
    expect(simclr?.epochs).toBe(28)
    expect(simclr?.mean).toBeCloseTo((90 * 28) / 44, 2)
  })

  it('of an attacked election follow who is elected, not how good its student is', async () => {
    const behind = 'attacked, behind the gate: uniformity'
    const alike = (): number => 0.5
    expect(outcomeOf(await section('regret', results(alike, 'elected')), behind)).toBe('does not hold')
    expect(outcomeOf(await section('regret', results(alike, 'present')), behind)).toBe('holds')
  })

  it('of Tab. 1 say how long a baseline had where that is less', async () => {
    const claims = (
      await section(
        'tab1',
        results(() => 0.5)
      )
    ).verdicts.map(v => v.claim)
    // 30 s of the 90
    expect(claims).toEqual(['CoOpt > SimCLR in 33 % of the time', 'CoOpt > BYOL in 33 % of the time'])
  })
})
