/** ONNX Runtime with the options that every session here has. Its calls block the thread they are made on. */
import type * as Runtime from 'onnxruntime-node'
import { InvalidPriorError } from '../../../src/errors.ts'

/**
 * The runtime, with tensors of float16 in `Uint16Array`s. Node-API does not know `Float16Array` (Node 24: such a tensor arrives with length
 * 0), and onnxruntime-common chooses the class once, with its first tensor.
 */
export async function loadRuntime(): Promise<typeof Runtime> {
  const runtime = await import('onnxruntime-node')
  const global = globalThis as { Float16Array?: typeof Float16Array | undefined }
  const float16 = global.Float16Array
  global.Float16Array = undefined
  try {
    const first = new runtime.Tensor('uint8', new Uint8Array(1), [1])
    first.dispose()
  } finally {
    global.Float16Array = float16
  }
  return runtime
}

/** The numbers of a tensor, undefined where they are not floating-point ones. */
export function floatingPoint(tensor: Runtime.Tensor): Float32Array | Float64Array | Float16Array | undefined {
  const { data, type } = tensor
  if (type === 'float16' && data instanceof Uint16Array)
    return new Float16Array(data.buffer, data.byteOffset, data.length)
  return data instanceof Float32Array || data instanceof Float64Array ? data : undefined
}

/**
 * `folder`: where external data lies, whose names must have been checked. Throws `InvalidPriorError` with the runtime's reason.
 */
export async function createSession(
  runtime: typeof Runtime,
  bytes: Uint8Array,
  { threads, folder }: { threads: number; folder?: string }
): Promise<Runtime.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: {
        session: {
          // waiting threads sleep instead of spinning: less CPU for the same wall time
          intra_op: { allow_spinning: '0' },
          inter_op: { allow_spinning: '0' },
          ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder })
        }
      }
    })
  } catch (cause) {
    throw new InvalidPriorError(`ONNX Runtime refuses the model: ${reason(cause)}${remedy(cause)}`, { cause })
  }
}

/** What mends the refusals that a newer exporter leads to. */
function remedy(cause: unknown): string {
  const text = String(cause)
  const opset = /till opset (\d+)/.exec(text)?.[1]
  if (opset !== undefined) return `; export it again with opset_version=${opset} or lower`
  const version = /max supported IR version: (\d+)/.exec(text)?.[1]
  if (version === undefined) return ''
  return `; lower it: m = onnx.load("model.onnx"); m.ir_version = ${version}; onnx.save(m, "model.onnx")`
}

/** What is left of the runtime's own words: the operator and the sizes at their end, without the places in its sources. */
export function reason(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ')
  const plain = text
    .replace(/^.*?Status Message: /, '')
    .replaceAll(/\S*\/onnxruntime\/\S+\s+(?:\S+ )?(?:virtual )?[^{}]*?(?=Input|The |Got|Dimension|$)/g, '')
  return (plain === '' ? text : plain).slice(0, 400)
}
