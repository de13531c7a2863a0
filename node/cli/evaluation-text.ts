/** How an evaluation is printed: the dataset, its probes, how far participants are apart, and a line for each of them. */
import type { EvaluateReport, ProbesReport } from '../api/evaluate.ts'
import { fieldLines, shortId, textTable, type Cell } from './text-table.ts'

export function evaluationText(report: EvaluateReport): string {
  const { rows, classes, probes, inconsistency, participants, correlation, test, notes } = report
  const parts = [
    fieldLines([
      ['dataset', `${report.name} (${report.cid})`],
      ['reference', report.reference],
      ['rows', `${rows.total}, ${rows.withTarget} with a target, ${rows.labelled} with a label, ${rows.used} used`],
      ['classes', `${classes.length}: ${shortList(classes.map(({ name, rows: count }) => `${name} (${count})`))}`],
      ['seed', report.seed]
    ]),
    textTable(
      ['probe', 'accuracy', '', 'chosen', 'tested on'],
      [...probeRows('', probes), ...(test?.results ?? []).flatMap(result => probeRows(result.name, result.probes))]
    ),
    inconsistencyText(inconsistency),
    textTable(
      [
        'peer',
        'prior',
        'uniform',
        'predictivity',
        'probe on S',
        'loo R2',
        'loo cosine',
        'agreement',
        'rows',
        'own rows'
      ],
      participants.map(one => [
        shortId(one.peer),
        one.prior,
        fixed(one.uniformValue),
        fixed(one.predictivity),
        share(one.probe),
        fixed(one.looR2),
        fixed(one.looCosine),
        one.agreement === undefined ? undefined : `${fixed(one.agreement.cosine)} (R2 ${fixed(one.agreement.r2)})`,
        one.rows,
        share(one.ownRows)
      ])
    )
  ]
  const ranked = (
    [
      ['uniform value', correlation.uniformity],
      ['predictivity', correlation.predictivity]
    ] as const
  ).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [[`${name} and probe`, `Spearman ${fixed(value.rho)}, p ${fixed(value.p)}, ${value.pairs} priors`] as const]
  )
  if (ranked.length > 0) parts.push(fieldLines(ranked))
  if (notes.length > 0) parts.push(notes.map(note => `note: ${note}`).join('\n'))
  if (report.report !== undefined) parts.push(fieldLines([['report', report.report]]))
  return parts.join('\n\n')
}

// --- internal ---

function probeRows(what: string, { ridge, logistic, neighbours, chance, tests }: ProbesReport): Cell[][] {
  const on = what === '' ? `${tests} rows of the dataset` : `${tests} test images by ${what}`
  return [
    ['ridge', percent(ridge.accuracy), error(ridge), `ridge ${ridge.ridge}`, on],
    ['logistic', percent(logistic.accuracy), error(logistic), `C ${logistic.c}`, on],
    ['neighbours', percent(neighbours.accuracy), error(neighbours), `k ${neighbours.k}`, on],
    ['most frequent', percent(chance), '', '', on]
  ]
}

function inconsistencyText({ rows, pairs, variation, cosine }: EvaluateReport['inconsistency']): string {
  if (pairs === 0) return 'inconsistency: no two participants with enough shared rows in common'
  const line = (name: string, stages: typeof variation, calibration: Cell): Cell[] => [
    name,
    fixed(stages.raw),
    fixed(stages.aligned),
    fixed(stages.heldOut),
    calibration
  ]
  return textTable(
    [
      `inconsistency (${pairs} ${pairs === 1 ? 'pair' : 'pairs'}, ${rows} rows)`,
      'raw',
      'aligned',
      'held out',
      'with itself'
    ],
    [line('total variation, at least', variation, fixed(variation.calibration)), line('1 - cosine', cosine, undefined)]
  )
}

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`
const error = ({ standardError }: { standardError: number }): string => `± ${(100 * standardError).toFixed(2)}`
const share = (value: { accuracy: number; standardError: number } | undefined): string | undefined =>
  value === undefined ? undefined : `${percent(value.accuracy)} ${error(value)}`
const fixed = (value: number | undefined): string | undefined => value?.toFixed(4)

/** Ten are enough to recognise a label file. */
function shortList(items: readonly string[]): string {
  return items.length > 10 ? `${items.slice(0, 10).join(', ')}, …` : items.join(', ')
}
