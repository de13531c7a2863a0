/**
 * In the worker: does a device work, and which of a model's operators did it run? ONNX Runtime gives an operator that a provider does not have to the CPU
 * without a word, so what ran where is read from its own profile.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as Runtime from 'onnxruntime-node'
import { z } from 'zod'
import { deviceText, type Device, type DeviceName } from '../../api/device-name.ts'
import { buildProbeModel, PROBE } from '../../../src/optimize/probe-model.ts'
import { PROVIDER_LIBRARIES } from './runtime-folder.ts'
import { loadRuntime, openSession, PROFILE_PREFIX, reason, runtimeFolder } from './runtime-session.ts'

/** Sums of nine ones: exact in float16 even. */
const PROBE_TOLERANCE = 1e-3

/** Operators by the provider that ran them, such as `CUDAExecutionProvider`. */
export type Placement = Readonly<Record<string, number>>

/** Why this device cannot be used; undefined when it computed what it should. */
export async function probeDevice(device: Device): Promise<string | undefined> {
  const runtime = await loadRuntime()
  if (!runtime.listSupportedBackends().some(({ name }) => name === device.name))
    return `ONNX Runtime ${runtime.env.versions.node ?? ''} for ${process.platform} ${process.arch} has no ${device.name}`
  let session: Runtime.InferenceSession
  try {
    session = await openSession(runtime, buildProbeModel(), { threads: 1, device })
  } catch (error) {
    return unloadable(device.name) ?? plainReason(error)
  }
  try {
    const size = PROBE.dims.reduce<number>((product, n) => product * n, 1)
    const x = new runtime.Tensor('float32', new Float32Array(size).fill(1), [...PROBE.dims])
    const { [PROBE.output]: y } = await session.run({ [PROBE.input]: x })
    const placement = await readPlacement(session)
    if (!ranOn(device.name, placement))
      return `ONNX Runtime gave everything to the CPU instead of ${deviceText(device)}, without saying why`
    const values = y?.data instanceof Float32Array ? y.data : new Float32Array()
    const isRight = PROBE.expected.every((v, i) => Math.abs((values[i] ?? Number.NaN) - v) <= PROBE_TOLERANCE)
    return isRight ? undefined : `it computes ${[...values].join(', ')} where ${PROBE.expected.join(', ')} is right`
  } catch (error) {
    return plainReason(error)
  } finally {
    await session.release()
  }
}

/** Ends the profile of a session that has run. */
export async function readPlacement(session: Runtime.InferenceSession): Promise<Placement> {
  session.endProfiling()
  const path = (await profiles()).findLast(name => !seen.has(name))
  if (path === undefined) throw new Error('ONNX Runtime wrote no profile')
  seen.add(path)
  return placementOf(JSON.parse(await readFile(path, 'utf8')))
}

/** Of a profile in the format of trace events. Each operator counts once, however often it ran. */
export function placementOf(profile: unknown): Placement {
  const nodes = new Map<string, string>()
  for (const { name, args } of profileSchema.parse(profile))
    if (args?.provider !== undefined && args.provider !== '') nodes.set(`${args.node_index} ${name}`, args.provider)
  const placement: Record<string, number> = {}
  for (const provider of nodes.values()) placement[provider] = (placement[provider] ?? 0) + 1
  return placement
}

/** Did the device run any of it? */
export function ranOn(device: DeviceName, placement: Placement): boolean {
  return (placement[PROVIDERS[device]] ?? 0) > 0
}

// --- internal ---

/** Without the place in the runtime's sources where it gave up */
const plainReason = (error: unknown): string =>
  reason(error)
    .replace(/^\S+:\d+ .* was false\. /, '')
    .trim()

const PROVIDERS: Readonly<Record<DeviceName, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  tensorrt: 'TensorrtExecutionProvider',
  coreml: 'CoreMLExecutionProvider',
  dml: 'DmlExecutionProvider',
  webgpu: 'WebGpuExecutionProvider'
}

const profileSchema = z.array(
  z.looseObject({
    name: z.string().optional(),
    args: z.looseObject({ provider: z.string().optional(), node_index: z.string().optional() }).optional()
  })
)

/** Profiles that were read: nothing here may delete files. */
const seen = new Set<string>()

/** In the worker's own empty directory; names end in the time, so they are in its order. */
async function profiles(): Promise<string[]> {
  return (await readdir(process.cwd())).filter(name => name.startsWith(PROFILE_PREFIX)).sort()
}

/**
 * The runtime says only that it failed to load a library; the loader's own words say which one is missing. Called when it failed, so what fails here is
 * the same; a library that can be loaded is not a module of Node, which is how that shows.
 */
function unloadable(device: DeviceName): string | undefined {
  for (const name of PROVIDER_LIBRARIES[device] ?? []) {
    const path = join(runtimeFolder(), name)
    if (!existsSync(path)) return `${path} does not exist`
    try {
      process.dlopen({ exports: {} }, path)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if (!text.includes('did not self-register')) return `${name} cannot be loaded: ${text}`
    }
  }
  return undefined
}
