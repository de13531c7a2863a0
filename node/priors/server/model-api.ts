/** The questions of the Open Inference protocol about one model, each asked once: metadata, readiness, inference. */
import { z } from 'zod'
import { InvalidPriorError } from '../../../src/errors.ts'
import { ServerStatusError, type HttpClient } from './http-client.ts'
import { decodeInfer, encodeInfer, type InferAnswer, type InferRequest } from './infer-message.ts'
import { MAX_METADATA_BYTES, modelSchema, serverSchema, type ModelMetadata } from './server-metadata.ts'
import type { ServerModel } from './server-url.ts'

/** Triton's and the protocol's name of the extension. */
const BINARY_EXTENSION = 'binary_tensor_data'

/** All throw what `HttpClient.ask` throws, and `InvalidPriorError` for an answer that is none. */
export interface ModelApi {
  readonly url: string
  /** Does the server say that it takes tensors as bytes? One that does not say may take them still. */
  takesBinary(signal?: AbortSignal): Promise<boolean>
  metadata(signal?: AbortSignal): Promise<ModelMetadata>
  ready(signal?: AbortSignal): Promise<boolean>
  infer(request: InferRequest, maxBytes: number, signal?: AbortSignal): Promise<InferAnswer>
}

export function createModelApi({ server, path }: ServerModel, client: HttpClient): ModelApi {
  const url = `${server}${path}`
  const json = async <T>(below: string, schema: z.ZodType<T>, signal: AbortSignal | undefined): Promise<T> => {
    const { body } = await client.ask({ path: below, maxBytes: MAX_METADATA_BYTES, ...(signal && { signal }) })
    let value: unknown
    try {
      value = JSON.parse(new TextDecoder().decode(body))
    } catch (cause) {
      throw new InvalidPriorError(`${server}${below} is not JSON: no server of the Open Inference protocol`, { cause })
    }
    const { success, data, error } = schema.safeParse(value)
    if (success) return data
    throw new InvalidPriorError(
      `${server}${below} does not follow the Open Inference protocol: ${z.prettifyError(error).slice(0, 300)}`
    )
  }
  return {
    url,
    async takesBinary(signal) {
      try {
        const { extensions } = await json('/v2', serverSchema, signal)
        return extensions?.includes(BINARY_EXTENSION) === true
      } catch (error) {
        // a gateway may let models through and nothing else
        if (error instanceof ServerStatusError || error instanceof InvalidPriorError) return false
        throw error
      }
    },
    metadata: async signal => await json(path, modelSchema, signal),
    async ready(signal) {
      try {
        await client.ask({ path: `${path}/ready`, maxBytes: MAX_METADATA_BYTES, ...(signal && { signal }) })
        return true
      } catch (error) {
        if (error instanceof ServerStatusError) return false
        throw error
      }
    },
    async infer(request, maxBytes, signal) {
      const { parts, headers } = encodeInfer(request)
      const answer = await client.ask({
        path: `${path}/infer`,
        maxBytes,
        body: { parts, headers },
        ...(signal && { signal })
      })
      return decodeInfer(answer, request.output)
    }
  }
}
