/** The figures of the evaluation report as HTML with SVG charts. */
import type { EvaluateReport, ParticipantReport } from '../../api/evaluate.ts'
import { curve, errorBar, figure, frame, legend, linearScale, marks, n, type Point } from './chart.ts'
import { MAX_EXACT_PAIRS } from '../../evaluate/rank-correlation.ts'
import { escapeHtml } from '../../process/html.ts'
import { percent, shortPeer } from './html.ts'
import type { Projected, Projections } from './projections.ts'
import type { Results } from './results-file.ts'
import { colourClass } from './style.ts'

/** Classes with distinct marks: four shapes in eight colours. The others share one. */
const MAX_SERIES = 31

export const participantName = ({ prior, peer }: Pick<ParticipantReport, 'prior' | 'peer'>): string =>
  `${prior} (${shortPeer(peer)})`

/** A prior's value against the probe accuracy of its own targets. Undefined with fewer than two priors to show. */
export function valueFigure(
  { participants, correlation }: EvaluateReport,
  which: 'uniformity' | 'predictivity'
): string | undefined {
  const shown = participants.flatMap((one, series) => {
    const value = which === 'uniformity' ? one.uniformValue : one.predictivity
    return value === undefined || one.probe === undefined ? [] : [{ one, series, value, probe: one.probe }]
  })
  if (shown.length < 2) return undefined
  const [low, high] = [Math.min(...shown.map(s => s.value)), Math.max(...shown.map(s => s.value))]
  const room = (high - low) * 0.08
  const spread = shown.flatMap(({ probe }) => [
    Math.max(0, probe.accuracy - probe.standardError),
    Math.min(1, probe.accuracy + probe.standardError)
  ])
  const words = which === 'uniformity' ? 'uniform value (lower is better)' : 'predictivity (higher is better)'
  const f = frame([low - room, high + room], spread, { x: words, y: 'probe accuracy on S', percent: true })
  const content = shown.map(({ one, series, value, probe }) => {
    const [x, y] = [f.x.at(value), f.y.at(probe.accuracy)]
    const isRight = x > f.width * 0.7
    const bar = errorBar(
      series,
      x,
      f.y.at(probe.accuracy - probe.standardError),
      f.y.at(probe.accuracy + probe.standardError)
    )
    const text = `<text x="${n(x + (isRight ? -9 : 9))}" y="${n(y + 4)}" text-anchor="${isRight ? 'end' : 'start'}">${escapeHtml(one.prior)} ${percent(probe.accuracy)}</text>`
    return bar + marks(series, [{ x, y }], 5) + text
  })
  const found = correlation[which]
  const rho =
    found === undefined
      ? 'Too few priors for a rank correlation.'
      : `Spearman's rho ${found.rho.toFixed(2)} (p ${found.p.toFixed(3)}, ${found.pairs <= MAX_EXACT_PAIRS ? 'exact' : 'by the t approximation'}, ${found.pairs} priors).`
  return figure(
    which,
    {
      ...f,
      title: `${which === 'uniformity' ? 'Uniform value' : 'Predictivity'} and probe accuracy`,
      description: `${rho} One mark for each prior with a bar of one standard error; accuracy of a ridge probe on the prior's own targets of the labelled shared images.`
    },
    f.axes + content.join('')
  )
}

/** Four panels: before and after alignment, coloured by participant and by class. */
export function projectionFigures(report: EvaluateReport, { before, after }: Projections): string {
  const participants = report.participants.map(participantName)
  const used = [...new Set(before.map(({ participant }) => participant))]
  const classes = report.classes.map(({ name }) => name)
  const names = [...classes.slice(0, MAX_SERIES), ...(classes.length > MAX_SERIES ? ['other classes'] : [])]
  const seriesOf = (label: number): number => (label < 0 ? names.length : Math.min(label, MAX_SERIES))
  const withoutLabel = before.some(({ label }) => label < 0) ? ['no label'] : []
  const byParticipant = legend(used.map(i => participants[i] ?? ''))
  const byClass = legend([...names, ...withoutLabel])
  const panel = (id: string, when: string, points: readonly Projected[], by: 'participant' | 'class'): string =>
    figure(
      id,
      {
        width: 420,
        height: 420,
        title: `Targets ${when} alignment, by ${by}`,
        description: `${points.length} targets of shared images by ${used.length} participants, in two dimensions (UMAP).`
      },
      panelMarks(points, p => (by === 'participant' ? used.indexOf(p.participant) : seriesOf(p.label))),
      by === 'participant' ? byParticipant : byClass
    )
  return `<div class="grid">
${panel('before-peer', 'before', before, 'participant')}
${panel('after-peer', 'after', after, 'participant')}
${panel('before-class', 'before', before, 'class')}
${panel('after-class', 'after', after, 'class')}
</div>`
}

type Row = { mean: number; deviation: number }

export function strategyFigure({ rows }: NonNullable<Results['tab7']>): string {
  const width = 480
  const left = Math.min(200, 30 + 7 * Math.max(...rows.map(({ name }) => name.length)))
  const scale = linearScale([0, ...rows.map(({ mean, deviation }) => mean + deviation)], left, width - 110)
  const height = 30 * rows.length + 20
  const content = rows.map(({ name, mean, deviation }, i) => {
    const y = 12 + 30 * i
    const end = scale.at(mean)
    return `<text x="${left - 8}" y="${y + 15}" text-anchor="end">${escapeHtml(name)}</text><rect class="${colourClass(0)}" x="${n(left)}" y="${y}" width="${n(Math.max(0, end - left))}" height="20"/><path class="axis" style="stroke:var(--ink)" d="M${n(scale.at(mean - deviation))} ${y + 10}H${n(scale.at(mean + deviation))}"/><text x="${n(scale.at(mean + deviation) + 8)}" y="${y + 15}">${accuracyText({ mean, deviation })}</text>`
  })
  return figure(
    'strategies',
    {
      width,
      height,
      title: 'Student accuracy by alignment strategy',
      description: 'Mean over seeds; the line is one standard deviation to each side.'
    },
    content.join('')
  )
}

export function roundsFigure({ rows }: NonNullable<Results['fig4']>): string {
  const points = rows.map(({ round, ...rest }) => ({ x: round, ...rest }))
  return curvesFigure('rounds', [{ name: 'accuracy', points }], {
    title: 'Student accuracy over continuous rounds',
    description: 'Mean over seeds after each round; bars are one standard deviation.',
    x: 'round'
  })
}

export function sharedSetFigure({ rows }: NonNullable<Results['tab8']>): string {
  const sorted = rows.toSorted((a, b) => a.m - b.m)
  const accuracy = sorted.map(({ m, mean, deviation }) => ({ x: m, mean, deviation }))
  const cosine = sorted.map(({ m, cosine: mean }) => ({ x: m, mean, deviation: 0 }))
  return (
    curvesFigure('shared-accuracy', [{ name: 'accuracy', points: accuracy }], {
      title: 'Student accuracy by size of the shared set',
      description: 'Mean over seeds, bars are one standard deviation.',
      x: 'rows of the shared set'
    }) +
    curvesFigure(
      'shared-cosine',
      [{ name: 'cosine', points: cosine }],
      {
        title: 'Held-out cosine by size of the shared set',
        description: 'Cosine of aligned targets and the reference on rows that the alignment did not see.',
        x: 'rows of the shared set'
      },
      false
    )
  )
}

export function trainingFigure({ curves }: NonNullable<Results['fig6d']>): string {
  const list = curves.map(({ name, points }) => ({
    name,
    points: points.map(({ epoch, ...rest }) => ({ x: epoch, ...rest }))
  }))
  return curvesFigure('training', list, {
    title: 'Student accuracy while training',
    description: 'Mean over seeds, bars are one standard deviation.',
    x: 'epoch'
  })
}

// --- internal ---

/** Accuracies are shares or percentages; values above 1.5 can only be percentages. */
const isShare = (rows: readonly Row[]): boolean => rows.every(({ mean }) => mean <= 1.5)

function accuracyText({ mean, deviation }: Row): string {
  const factor = isShare([{ mean, deviation }]) ? 100 : 1
  return `${(factor * mean).toFixed(1)} ± ${(factor * deviation).toFixed(1)} %`
}

function curvesFigure(
  id: string,
  curves: ReadonlyArray<{ name: string; points: ReadonlyArray<Row & { x: number }> }>,
  words: { title: string; description: string; x: string },
  isAccuracy = true
): string {
  const all = curves.flatMap(({ points }) => points)
  const factor = isAccuracy && !isShare(all) ? 0.01 : 1
  const y = (value: number): number => factor * value
  const f = frame(
    all.map(({ x }) => x),
    all.flatMap(({ mean, deviation }) => [y(mean - deviation), y(mean + deviation)]),
    { x: words.x, y: isAccuracy ? 'accuracy' : 'cosine', percent: isAccuracy }
  )
  const content = curves.map(({ points }, series) => {
    const placed: Point[] = points.map(({ x, mean }) => ({ x: f.x.at(x), y: f.y.at(y(mean)) }))
    const bars = points.map(({ x, mean, deviation }) =>
      deviation === 0 ? '' : errorBar(series, f.x.at(x), f.y.at(y(mean - deviation)), f.y.at(y(mean + deviation)))
    )
    return curve(series, placed) + bars.join('') + marks(series, placed, 4)
  })
  const last = curves
    .map(({ name, points }) => {
      const end = points.at(-1) as Row & { x: number }
      const value = isAccuracy ? percent(y(end.mean)) : end.mean.toFixed(3)
      return `${name} ${value} at ${end.x}`
    })
    .join('; ')
  return figure(
    id,
    { ...f, title: words.title, description: `${words.description} Last values: ${last}.` },
    f.axes + content.join(''),
    curves.length > 1 ? legend(curves.map(({ name }) => name)) : ''
  )
}

function panelMarks(points: readonly Projected[], seriesOf: (point: Projected) => number): string {
  const side = 420
  const fit = (values: readonly number[]): ((value: number) => number) => {
    const [low, high] = [Math.min(...values), Math.max(...values)]
    return value => 10 + ((value - low) / (high - low || 1)) * (side - 20)
  }
  const [x, y] = [fit(points.map(p => p.x)), fit(points.map(p => p.y))]
  const groups = new Map<number, Point[]>()
  for (const point of points) {
    const series = seriesOf(point)
    const group = groups.get(series) ?? []
    group.push({ x: x(point.x), y: y(point.y) })
    groups.set(series, group)
  }
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([series, group]) => marks(series, group, 2.6))
    .join('')
}
