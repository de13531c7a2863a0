/** ONNX Runtime with the options that every session here has. Its calls block the thread they are made on. */
import { createRequire, Module } from 'node:module'
import { join } from 'node:path'
import type * as Runtime from 'onnxruntime-node'
import type { Device } from '../../api/device-name.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { BINDING, packageFolder } from './runtime-folder.ts'

/** Names of profiles, which tell what ran where, in the worker's directory */
export const PROFILE_PREFIX = 'placement'

export const CPU: Device = { name: 'cpu', index: 0 }

let loadedFrom: string | undefined

/** Where the runtime looks for libraries of devices */
export const runtimeFolder = (): string => loadedFrom ?? packageFolder()

/**
 * Load the native part of the runtime from a folder with links to it (runtime-folder.ts): the package finds it loaded. Must come before `loadRuntime`.
 */
export function loadRuntimeFrom(folder: string): void {
  const path = join(packageFolder(), BINDING)
  const binding = new Module(path)
  process.dlopen(binding, join(folder, BINDING))
  binding.loaded = true
  createRequire(import.meta.url).cache[path] = binding
  loadedFrom = folder
}

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

export interface SessionOptions {
  readonly threads: number
  readonly folder?: string
  /** What it does not have runs on the CPU; such a session keeps a profile (device-probe.ts). @default the CPU */
  readonly device?: Device
}

/** Throws what the runtime throws. */
export async function openSession(
  runtime: typeof Runtime,
  bytes: Uint8Array,
  { threads, folder, device = CPU }: SessionOptions
): Promise<Runtime.InferenceSession> {
  return await runtime.InferenceSession.create(bytes, {
    executionProviders: providersOf(device),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    ...(device.name === 'cpu' ? {} : { enableProfiling: true, profileFilePrefix: PROFILE_PREFIX }),
    ...(device.name === 'dml' ? { enableMemPattern: false } : {}), // which DirectML cannot do
    extra: {
      session: {
        // waiting threads sleep instead of spinning: less CPU for the same wall time
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder })
      }
    }
  })
}

/**
 * `folder`: where external data lies, whose names must have been checked. Throws `InvalidPriorError` with the runtime's reason.
 */
export async function createSession(
  runtime: typeof Runtime,
  bytes: Uint8Array,
  options: SessionOptions
): Promise<Runtime.InferenceSession> {
  try {
    return await openSession(runtime, bytes, options)
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

/**
 * Of Core ML: programs whose numbers keep their type (0x10), on CPU and GPU (0x20). Its default computes in float16 on the neural engine, which is
 * further from other machines than golden features allow.
 */
const COREML_FLAGS = 0x10 | 0x20

/** In the order of preference. The CPU, which the runtime adds in any case, runs what a device does not have. */
function providersOf({ name, index }: Device): Runtime.InferenceSession.ExecutionProviderConfig[] {
  if (name === 'cpu') return ['cpu']
  if (name === 'coreml') return [{ name, coreMlFlags: COREML_FLAGS }, 'cpu']
  if (name === 'webgpu') return [{ name }, 'cpu']
  const deviceId = index
  // what TensorRT does not have goes to the same GPU
  return name === 'tensorrt' ? [{ name, deviceId }, { name: 'cuda', deviceId }, 'cpu'] : [{ name, deviceId }, 'cpu']
}
