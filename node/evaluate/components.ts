/** What an evaluation needs of its node, and how it says how far it is. */
import type { Gemm } from '../../src/gemm.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Content } from '../content/content.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'

/** An event for each of so many rows or images. */
const EVENT_STEP = 256

export interface EvaluateComponents {
  readonly content: Content
  readonly gemm: Gemm
  readonly limits: Partial<InferenceLimits>
  /** Images per call of a prior */
  readonly batchSize: number
  /** The bundled untrained prior */
  readonly untrainedPrior: string
  onEvent(event: ApiEvent): void
  readonly signal: AbortSignal
}

export type Tell = (step: EvaluatingStep, done: number, total?: number) => void
type EvaluatingStep = Extract<ApiEvent, { type: 'evaluating' }>['step']

/** Steps of few things are told one by one, of rows and images now and then. */
export function teller(onEvent: (event: ApiEvent) => void): Tell {
  return (step, done, total) => {
    if (done % EVENT_STEP === 0 || done === total || (total !== undefined && total < EVENT_STEP))
      onEvent({ type: 'evaluating', step, done, ...(total === undefined ? {} : { total }) })
  }
}
