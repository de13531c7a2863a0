/** A small server of the Open Inference protocol for tests: the feature of an image is the mean of each channel, and whatever it is told to do wrong. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Tensor {
  name: string
  datatype: string
  shape: number[]
}

export interface InferCall {
  /** As the request says */
  input: Tensor
  /** Per image the mean of each channel, of a tensor N x C x H x W */
  features: number[][]
  binary: boolean
  headers: IncomingMessage['headers']
  /** Of inference, from 1 on */
  number: number
}

export interface ModelServerOptions {
  metadata?: object
  extensions?: string[]
  /** Takes tensors as bytes. @default true */
  binary?: boolean
  /** Instead of the right answer to a request; undefined: the right answer after all */
  onInfer?(call: InferCall, response: ServerResponse): Promise<boolean> | boolean
  /** Before anything else. True: it has answered */
  onRequest?(request: IncomingMessage, response: ServerResponse): boolean
  port?: number
}

export interface ModelServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly calls: InferCall[]
  /** Requests for inference under way, at most so far */
  readonly most: number
}

export const METADATA = {
  name: 'mean',
  versions: ['1'],
  platform: 'test',
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 3, 8, 8] }],
  outputs: [{ name: 'feature', datatype: 'FP32', shape: [-1, 3] }]
}

/** Answers as JSON. */
export function json(response: ServerResponse, value: unknown, status = 200): true {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  return true
}

/** The right answer with `features`, in the form of the request. */
export function answerWith(
  call: Pick<InferCall, 'features' | 'binary'>,
  response: ServerResponse,
  more: object = {}
): true {
  const output = { name: 'feature', datatype: 'FP32', shape: [call.features.length, call.features[0]?.length ?? 0] }
  if (!call.binary)
    return json(response, { model_name: 'mean', outputs: [{ ...output, data: call.features.flat() }], ...more })
  const data = Buffer.from(Float32Array.from(call.features.flat()).buffer)
  const head = Buffer.from(
    JSON.stringify({
      model_name: 'mean',
      outputs: [{ ...output, parameters: { binary_data_size: data.byteLength } }],
      ...more
    })
  )
  response
    .writeHead(200, { 'content-type': 'application/octet-stream', 'Inference-Header-Content-Length': head.byteLength })
    .end(Buffer.concat([head, data]))
  return true
}

export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const { metadata = METADATA, extensions = ['binary_tensor_data'], binary: takesBinary = true } = options
  const calls: InferCall[] = []
  let [now, most] = [0, 0]
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = []
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
    const body = Buffer.concat(parts)
    if (options.onRequest?.(request, response) === true) return
    const path = (request.url ?? '').replace(/\/versions\/\w+/, '')
    const length = request.headers['inference-header-content-length']
    const error = (text: string, status: number): object => ({ status, body: { error: text } })
    const other: Record<string, object> = {
      '/v2': { body: { name: 'test', version: '0', extensions } },
      '/v2/models/mean': { body: metadata },
      '/v2/models/mean/ready': { body: {} }
    }
    const isInfer = path === '/v2/models/mean/infer' && request.method === 'POST'
    const plain = isInfer
      ? length !== undefined && !takesBinary && error('the body is not JSON', 422)
      : (other[path] ?? error('no such model', 404))
    if (plain !== false) {
      const { body: value, status } = plain as { body: object; status?: number }
      json(response, value, status)
      return
    }
    const headBytes = length === undefined ? body.byteLength : Number(length)
    const { inputs } = JSON.parse(body.subarray(0, headBytes).toString()) as {
      inputs: Array<Tensor & { data?: number[] }>
    }
    const { data, ...input } = inputs[0] as Tensor & { data?: number[] }
    const numbers = data ?? numbersOf(input.datatype, Uint8Array.from(body.subarray(headBytes)))
    const call: InferCall = {
      input,
      features: means(numbers, input.shape),
      binary: length !== undefined,
      headers: request.headers,
      number: calls.length + 1
    }
    calls.push(call)
    now++
    most = Math.max(most, now)
    try {
      if ((await options.onInfer?.(call, response)) !== true) answerWith(call, response)
    } finally {
      now--
    }
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v2/models/mean`,
    port,
    calls,
    get most() {
      return most
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

// --- internal ---

function numbersOf(datatype: string, bytes: Uint8Array<ArrayBuffer>): ArrayLike<number> {
  if (datatype === 'UINT8') return bytes
  return datatype === 'FP16' ? new Float16Array(bytes.buffer) : new Float32Array(bytes.buffer)
}

function means(numbers: ArrayLike<number>, [count = 0, channels = 0, height = 0, width = 0]: number[]): number[][] {
  const plane = height * width
  if (numbers.length !== count * channels * plane) throw new Error('a tensor of another size')
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: channels }, (_, c) => {
      let sum = 0
      for (let j = 0; j < plane; j++) sum += numbers[(i * channels + c) * plane + j] as number
      return sum / plane
    })
  )
}
