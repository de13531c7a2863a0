/** How a report of `coopt prior check` is printed for people. */
import { runsOnText } from '../compute/inference/runs-on-text.ts'
import type { PriorReport, SharedReport } from '../api/reports.ts'
import { referenceText } from './swarm-text.ts'
import { fieldLines, textTable } from './text-table.ts'
import { byteText } from '../process/quantities.ts'

export function priorText(report: PriorReport): string {
  const { input, output, feature, imagesPerSecond, refusals, shared, bundle, server } = report
  const facts = fieldLines([
    [
      'prior',
      server === undefined
        ? `${report.name} (${report.kind}, ${byteText(report.bytes)})`
        : `${report.name} (behind a server)`
    ],
    ['server', server?.url],
    ['platform', server?.platform],
    ['version', server?.version],
    ['transport', server?.transport],
    ['id', report.id],
    ['bundle', bundle?.cid],
    ['licence', bundle === undefined ? undefined : (bundle.license ?? 'not stated')],
    [
      'trust',
      bundle === undefined
        ? server === undefined
          ? undefined
          : 'claimed: nobody else can run it again'
        : `${bundle.trust}: ${bundle.golden} golden features reproduced within ${bundle.deviation.toExponential(1)}`
    ],
    ['input', input === undefined ? undefined : `${input.name} [${input.shape.join(', ')}]`],
    ['feature', output === undefined ? undefined : `${output.name}: ${output.rule}`],
    ['l', report.dimension],
    ['images', report.images],
    ...(report.assumed ?? []).map((what, i) => [i === 0 ? 'assumed' : '', what] as const),
    ...report.preprocessing.map((step, i) => [i === 0 ? 'preprocess' : '', step] as const),
    ['runs on', report.device === undefined ? undefined : runsOnText(report.device)],
    ['speed', imagesPerSecond === undefined ? undefined : `${imagesPerSecond.toFixed(1)} images/s`],
    [
      'of image',
      feature === undefined
        ? undefined
        : `norm ${feature.norm.toFixed(4)}, [${feature.head.map(v => v.toFixed(4)).join(', ')}, …]`
    ],
    ...(refusals.length === 0 ? [['refused', 'no'] as const] : refusals.map(reason => ['refused', reason] as const))
  ])
  return shared === undefined ? facts : `${facts}\n\n${sharedText(shared)}`
}

// --- internal ---

function sharedText(shared: SharedReport): string {
  const { present, rows, imagesPerSecond, reference, alignment, priors, unjudged, refusals } = shared
  const test = (name: string, z: number, least: number): string[] => [
    z >= least ? 'ok' : 'BELOW',
    name,
    z.toFixed(2),
    least.toFixed(2),
    `${z >= least ? '+' : ''}${(z - least).toFixed(2)}`
  ]
  const { z, threshold, rowsNeeded } = shared.gate
  const ranks = shared.ranks.map(({ policy, figure, rank, of, elected, reason }) => [
    policy,
    figure?.toFixed(4),
    rank === undefined ? undefined : `${rank} of ${of}`,
    elected ? 'yes' : 'no',
    reason ?? ''
  ])
  return [
    fieldLines([
      ['swarm', `${shared.name} (${shared.manifest})`],
      ['rows', present === rows ? `${rows} shared` : `${present} of ${rows} shared`],
      ['speed', imagesPerSecond === undefined ? undefined : `${imagesPerSecond.toFixed(1)} images/s on them`],
      ['uniform value', shared.uniformValue],
      ['priors there', priors === 0 ? 'none yet: this would be the first' : priors],
      ['not judged yet', unjudged === 0 ? undefined : `${unjudged}: rank and reference may change`],
      ['reference', referenceText(reference)],
      ['aligned', alignment === undefined ? undefined : alignedText(alignment)],
      [
        'rows needed',
        rowsNeeded === undefined ? undefined : `about ${rowsNeeded} shared rows, if it is an honest prior`
      ]
    ]),
    textTable(
      ['', 'standard deviations above noise', 'z', 'at least', 'margin'],
      [
        test('gate: targets and reference features', z, threshold),
        ...(alignment === undefined
          ? []
          : [test('alignment: predictions of the reference', alignment.looZ, alignment.minLooZ)])
      ]
    ),
    textTable(['election by', 'value', 'rank', 'elected', ''], ranks),
    shared.admitted ? 'would be admitted; nothing was published' : `would be REFUSED: ${refusals.join('; ')}`
  ].join('\n\n')
}

function alignedText({ looR2, looCosine }: NonNullable<SharedReport['alignment']>): string {
  return `leave-one-out R2 ${looR2.toFixed(4)}, cosine ${looCosine.toFixed(4)}`
}
