/** What an evaluation needs from its node, and how it reports progress. */
import type { Gemm } from '../../src/gemm.ts'
import type { ApiEvent } from '../api/events.ts'
import type { ContentReader } from '../content/read-content.ts'
import type { MergedSource } from '../merge/open-merged.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'
import type { Projector } from '../compute/projection/projector.ts'

/** An event for each of so many rows or images. */
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

export type Tell = (step: EvaluatingStep, done: number, total?: number) => void
type EvaluatingStep = Extract<ApiEvent, { type: 'evaluating' }>['step']

/** Reports each unit of a short step, and every `EVENT_STEP` of rows and images. */
export function teller(onEvent: (event: ApiEvent) => void): Tell {
  return (step, done, total) => {
    if (done % EVENT_STEP === 0 || done === total || (total !== undefined && total < EVENT_STEP))
      onEvent({ type: 'evaluating', step, done, ...(total === undefined ? {} : { total }) })
  }
}
