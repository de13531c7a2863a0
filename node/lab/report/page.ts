/**
 * The report of an evaluation as one self-contained page: no scripts, and no external fonts or pictures. Every text from the dataset, the labels or
 * the results is escaped.
 */
import type { EvaluateReport, ProbesReport } from '../../api/evaluate.ts'
import { escapeHtml } from '../../process/html.ts'
import {
  participantName,
  projectionFigures,
  roundsFigure,
  sharedSetFigure,
  strategyFigure,
  trainingFigure,
  valueFigure
} from './figures.ts'
import { htmlTable, percent } from './html.ts'
import type { Projections } from './projections.ts'
import type { Results } from './results-file.ts'
import { STYLE } from './style.ts'

export function reportPage(
  report: EvaluateReport,
  projections: Projections | undefined,
  results: Results | undefined
): string {
  const { rows } = report
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evaluation of ${escapeHtml(report.name)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Evaluation of ${escapeHtml(report.name)}</h1>
<p class="quiet">Dataset <code>${escapeHtml(report.cid)}</code><br>reference <code>${escapeHtml(report.reference)}</code></p>
<p>${rows.total} rows, ${rows.withTarget} with a target, ${rows.labelled} with a label, ${rows.used} looked at; ${report.classes.length} classes, seed ${report.seed}.</p>
${report.notes.length === 0 ? '' : `<ul>${report.notes.map(note => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}
<h2>What the targets tell about the classes</h2>
<p>Linear and nearest-neighbour probes, fitted on labelled rows, with the strength chosen on other rows, and tested once on rows used for neither.</p>
${probesTable(report)}
<h2>How far participants are apart</h2>
${inconsistencyText(report.inconsistency)}
<h2>Participants</h2>
${participantsTable(report)}
<div class="grid">
${valueFigure(report, 'uniformity') ?? missing('Uniform value and probe accuracy', 'fewer than two priors have labelled shared rows')}
${valueFigure(report, 'predictivity') ?? missing('Predictivity and probe accuracy', 'fewer than two priors have a value')}
</div>
<h2>Targets before and after alignment</h2>
${projections === undefined ? missing('The projection', 'there are too few shared targets') : projectionFigures(report, projections)}
<h2>Trained students</h2>
${studentFigures(results)}
</body>
</html>
`
}

// --- internal ---

const missing = (what: string, why: string): string =>
  `<p class="quiet">${escapeHtml(what)} is left out: ${escapeHtml(why)}.</p>`
const share = (value: { accuracy: number; standardError: number } | undefined): string | undefined =>
  value === undefined ? undefined : `${percent(value.accuracy)} ± ${(100 * value.standardError).toFixed(1)}`
const fixed = (value: number | undefined): string | undefined => value?.toFixed(3)

function probesTable({ probes, test }: EvaluateReport): string {
  const line = (on: string, { ridge, logistic, neighbours, chance, tests }: ProbesReport): string[] => [
    on,
    `${tests}`,
    share(ridge) ?? '',
    share(logistic) ?? '',
    `${share(neighbours)} (k ${neighbours.k})`,
    percent(chance)
  ]
  return htmlTable(
    'Accuracy ± standard error',
    ['tested on', 'tests', 'ridge', 'logistic regression', 'neighbours', 'most frequent class'],
    [
      line('rows of the dataset', probes),
      ...(test?.results ?? []).map(result => line(`test images by ${result.name}`, result.probes))
    ]
  )
}

function inconsistencyText({ pairs, rows, variation, cosine }: EvaluateReport['inconsistency']): string {
  if (pairs === 0) return missing('Inconsistency', 'no two participants have enough shared rows in common')
  return `<p>Mean over ${pairs} ${pairs === 1 ? 'pair' : 'pairs'} on ${rows} shared images. “Aligned” uses the published rule, which fits on these same images; “held out” uses a fit on the other half of them.</p>
${htmlTable(
  '0: identical; 1: perfectly distinguishable, or orthogonal',
  ['figure', 'raw', 'aligned', 'held out', 'a peer with itself'],
  [
    [
      'total variation, lower bound',
      fixed(variation.raw),
      fixed(variation.aligned),
      fixed(variation.heldOut),
      fixed(variation.calibration)
    ],
    ['1 − mean cosine', fixed(cosine.raw), fixed(cosine.aligned), fixed(cosine.heldOut), undefined]
  ]
)}`
}

function participantsTable({ participants }: EvaluateReport): string {
  return htmlTable(
    'Values, probe of own targets on the shared set, alignment to the reference, agreement with the others, probe on own rows',
    [
      'prior (peer)',
      'uniform',
      'predictivity',
      'probe on S',
      'loo R²',
      'loo cosine',
      'agreement',
      'agreement R²',
      'rows',
      'own rows'
    ],
    participants.map(one => [
      participantName(one),
      fixed(one.uniformValue),
      fixed(one.predictivity),
      share(one.probe),
      fixed(one.looR2),
      fixed(one.looCosine),
      fixed(one.agreement?.cosine),
      fixed(one.agreement?.r2),
      `${one.rows}`,
      share(one.ownRows)
    ])
  )
}

function studentFigures(results: Results | undefined): string {
  if (results === undefined) return missing('This part', 'no results of npm run reproduce were given (--results)')
  const { tab7, fig4, tab8, fig6d } = results
  return [
    `<div class="grid">`,
    tab7 === undefined
      ? missing('The comparison of alignment strategies', 'the results have no tab7')
      : strategyFigure(tab7),
    fig4 === undefined ? missing('The curve of continuous rounds', 'the results have no fig4') : roundsFigure(fig4),
    fig6d === undefined ? missing('The training curves', 'the results have no fig6d') : trainingFigure(fig6d),
    tab8 === undefined ? missing('The size of the shared set', 'the results have no tab8') : sharedSetFigure(tab8),
    `</div>`
  ].join('\n')
}
