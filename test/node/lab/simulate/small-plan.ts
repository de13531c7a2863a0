/** A plan over generated pictures and the priors that come with the project, small enough to run in seconds. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConfigurationReport } from '../../../../node/lab/simulate/report.ts'
import { simulate } from '../../../../node/lab/simulate/simulate.ts'
import { makeSample } from '../../../../scripts/make-sample.ts'
import { bundledPrior } from '../../../helpers/test-node.ts'

/** The gate cannot be relied on below some 250 shared rows. */
export const SHARED = 300
export const ROWS = 400

export const BASE = {
  partitions: 8,
  shared: SHARED,
  dimension: 64,
  participants: [{ prior: 'resnet20' }, { prior: 'vgg_small' }, { prior: 'superclass2' }]
}

export interface SmallPlans {
  readonly folder: string
  /** Run the configurations of a plan; `out` below the folder takes the files. */
  run(plan: object, options?: { out?: string; only?: string[] }): Promise<ConfigurationReport[]>
  close(): Promise<void>
}

export async function smallPlans(): Promise<SmallPlans> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-simulate-test-'))
  const { labels } = await makeSample(join(folder, 'images'), { count: ROWS })
  await writeFile(join(folder, 'labels.csv'), `id,label\n${labels.map(({ id, kind }) => `${id},${kind}`).join('\n')}\n`)
  let plans = 0
  return {
    folder,
    run: async (plan, { out, only } = {}) => {
      const path = join(folder, `plan-${plans++}.json`)
      const priors = Object.fromEntries(
        (['resnet20', 'vgg_small', 'superclass2', 'simclr_conv'] as const).map(name => [name, bundledPrior(name)])
      )
      await writeFile(path, JSON.stringify({ images: ['images'], labels: 'labels.csv', priors, base: BASE, ...plan }))
      const reports: ConfigurationReport[] = []
      await simulate(path, {
        cache: join(folder, 'cache'),
        untrainedPrior: bundledPrior('untrained'),
        ...(out === undefined ? {} : { out: join(folder, out) }),
        ...(only === undefined ? {} : { only }),
        signal: new AbortController().signal,
        onProgress: () => undefined,
        onReport: report => reports.push(report)
      })
      return reports
    },
    close: async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

export function only(reports: readonly ConfigurationReport[]): ConfigurationReport {
  const [report] = reports
  if (report === undefined || reports.length !== 1) throw new Error(`${reports.length} reports instead of one`)
  return report
}
