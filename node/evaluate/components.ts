/** What an evaluation needs from its node, and how it reports progress. */
import type { Gemm } from '../../src/gemm.ts'
import type { ApiEvent } from '../api/events.ts'
import type { ContentReader } from '../content/read-content.ts'
import type { MergedSource } from '../merge/open-merged.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'
import type { Projector } from '../compute/projection/projector.ts'

/** Rows or images per progress event. */
const EVENT_STEP = 256

export interface EvaluateComponents {
  readonly content: MergedSource & Pick<ContentReader, 'matrix' | 'samples'>
  readonly gemm: Gemm
  readonly projector: Projector
  readonly limits: Partial<InferenceLimits>
  /** Folder for temporary files */
  readonly spool: string
  /** Images per call of a prior */
  readonly batchSize: number
  /** The bundled untrained prior */
  readonly untrainedPrior: string
  onEvent(event: ApiEvent): void
  readonly signal: AbortSignal
}

export type ReportProgress = (step: EvaluatingStep, done: number, total?: number) => void
type EvaluatingStep = Extract<ApiEvent, { type: 'evaluating' }>['step']

/** Reports every unit of a short step, but rows and images only every `EVENT_STEP`. */
export function progressReporter(onEvent: (event: ApiEvent) => void): ReportProgress {
  return (step, done, total) => {
    if (done % EVENT_STEP === 0 || done === total || (total !== undefined && total < EVENT_STEP))
      onEvent({ type: 'evaluating', step, done, ...(total === undefined ? {} : { total }) })
  }
}
