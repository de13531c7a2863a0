/** One line of the report for each participant, and how the values of priors correlate with the accuracy of their own targets. */
import type { Gemm } from '../../src/gemm.ts'
import type { EvaluateReport, ParticipantReport } from '../api/evaluate.ts'
import type { Participants } from './participants.ts'
import { rankCorrelation } from './rank-correlation.ts'
import { scored, type RidgeProbe } from './ridge-probe.ts'
import type { LabelledSample } from './sample-rows.ts'
import { agreementOf, priorProbe } from './shared-figures.ts'

/** `ridge` is the probe of the sample, `sharedLabels` the class of every shared row (-1 without). */
export async function participantTable(
  { list, ofShard }: Participants,
  sample: LabelledSample,
  ridge: RidgeProbe,
  sharedLabels: Int32Array,
  init: { seed: number; gemm: Gemm }
): Promise<ParticipantReport[]> {
  const out: ParticipantReport[] = []
  for (const [index, one] of list.entries()) {
    const { peer, prior, kind, partitions, rows, uniformValue, predictivity, fit } = one
    const probe = await priorProbe(one.raw, sharedLabels, init)
    const agreement = agreementOf(one, list)
    const own = [...ridge.rows.keys()].filter(i => ofShard.get(sample.shards[ridge.rows[i] as number] ?? '') === index)
    const tested = scored(
      Int32Array.from(own, i => ridge.rows[i] as number),
      Int32Array.from(own, i => ridge.predicted[i] as number),
      sample.labels
    )
    out.push({
      peer,
      prior,
      kind,
      partitions,
      rows,
      uniformValue,
      ...(predictivity === undefined ? {} : { predictivity }),
      ...(probe === undefined ? {} : { probe: { accuracy: probe.accuracy, standardError: probe.standardError } }),
      ...(fit === undefined ? {} : { looR2: fit.looR2, looCosine: fit.looCosine }),
      ...(agreement === undefined ? {} : { agreement }),
      ...(own.length === 0
        ? {}
        : { ownRows: { accuracy: tested.accuracy, standardError: tested.standardError, tests: own.length } })
    })
  }
  return out
}

/** Only of networks: human labels have no value to correlate. */
export function correlations(table: readonly ParticipantReport[]): EvaluateReport['correlation'] {
  const against = (value: (one: ParticipantReport) => number | undefined) => {
    const pairs = table.flatMap(one => {
      const figure = value(one)
      return one.kind === 'human' || figure === undefined || one.probe === undefined
        ? []
        : [[figure, one.probe.accuracy] as const]
    })
    return rankCorrelation(
      pairs.map(([x]) => x),
      pairs.map(([, y]) => y)
    )
  }
  const [uniformity, predictivity] = [against(one => one.uniformValue), against(one => one.predictivity)]
  return {
    ...(uniformity === undefined ? {} : { uniformity }),
    ...(predictivity === undefined ? {} : { predictivity })
  }
}
