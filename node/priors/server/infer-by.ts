/** How a model behind a server is asked, and which of its answers are features. */
import { InvalidPriorError } from '../../../src/errors.ts'
import { poolFeatures } from '../../../src/optimize/pooling.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'
import type { ModelApi } from './model-api.ts'
import type { Infer, ServerPlan } from './probe-server.ts'
import { DATATYPES, type ServerInterface } from './server-metadata.ts'

/** Requests at once: while the server works on two, one is on its way there and one back. Each holds a tensor (5 MB for 8 images of 224 px). */
export const IN_FLIGHT = 4
/** How tensors travel, in words. */
export function transportText({ encoding, rows }: ServerPlan): string {
  const form = encoding === 'binary' ? 'binary tensors' : 'JSON (it lacks the binary tensor data extension: slower)'
  return `${form}, ${rows} ${rows === 1 ? 'image' : 'images'} per request, ${IN_FLIGHT} requests at once`
}

/** One question to the model. Once there is a `plan`, size of the feature and version of the model must stay. */
export function inferBy(
  api: ModelApi,
  { input, output, tokens }: ServerInterface,
  { height, width }: Preprocessing,
  { maxBytes, plan, signal }: { maxBytes: number; plan?: ServerPlan; signal?: AbortSignal }
): Infer {
  const { name, layout, channels, elementType } = input
  const image = layout === 'nchw' ? [channels, height, width] : [height, width, channels]
  return async (tensor, count, encoding) => {
    const request = {
      input: { name, datatype: DATATYPES[elementType], shape: [count, ...image] },
      output,
      tensor,
      encoding
    }
    const answer = await api.infer(request, maxBytes, signal)
    const features = poolFeatures(answer.values, answer.dims, count, tokens)
    if (plan !== undefined && features.length !== count * plan.dimension)
      throw new InvalidPriorError(
        `the size of the feature changed from ${plan.dimension} to ${features.length / count} numbers per image`
      )
    if (plan?.version !== undefined && answer.version !== plan.version)
      throw new InvalidPriorError(
        `version ${answer.version ?? '(none)'} of the model answered, before it was version ${plan.version}: give one with /versions/${plan.version} in the URL`
      )
    return { features, dims: answer.dims, ...(answer.version === undefined ? {} : { version: answer.version }) }
  }
}
