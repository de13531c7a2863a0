/**
 * READ FIRST for devices: which one runs a model, and why others cannot.
 *
 * Nothing falls back in silence. A device that somebody names is tried with a model of one convolution before the prior is loaded, in a process of its
 * own, since a driver may end it; where it does not compute, the error says what is missing. `auto` takes the first that computes, and tells which and
 * why not the others.
 */
import { deviceText, parseDevice, type Device, type DeviceName } from '../../api/device-name.ts'
import { InferenceError, InvalidInputError } from '../../../src/errors.ts'
import type { PriorDevice } from '../../../src/optimize/prior.ts'
import type { DeviceSettings } from './accelerator.ts'
import { InferenceHost } from './host.ts'
import type { InferenceLimits } from './limits.ts'
import { libraryFault } from './runtime-folder.ts'

/**
 * What `auto` tries before the CPU. Not TensorRT, which builds its engine for minutes at each start, nor WebGPU, which ONNX Runtime calls experimental:
 * both are taken when named.
 */
const AUTOMATIC: readonly DeviceName[] = ['cuda', 'coreml', 'dml']

const LIBRARIES =
  'libonnxruntime_providers_*.so of the same version as ONNX Runtime here (package onnxruntime-gpu of PyPI, or the GPU archive of the release) in a folder that is named by "coopt config set inference.libraryFolder FOLDER"'

/** What each device needs, beside ONNX Runtime's package */
export const DEVICE_NEEDS: Readonly<Record<DeviceName, string>> = {
  cpu: 'nothing',
  cuda: `Linux x64; an NVIDIA GPU with its driver; CUDA and cuDNN 9, where the loader finds them (LD_LIBRARY_PATH); ${LIBRARIES}`,
  tensorrt: 'what cuda needs; TensorRT 10, where the loader finds it',
  coreml: 'macOS',
  dml: 'Windows; a GPU with a driver for DirectX 12',
  webgpu: 'a GPU with a driver for Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows)'
}

export interface ProbeOptions {
  readonly limits?: Partial<InferenceLimits> | undefined
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string | undefined
}

export interface DeviceProbe extends AsyncDisposable {
  /** Why the device cannot be used; undefined when it computes. */
  fault(device: Device): Promise<string | undefined>
}

/** Dispose it after use: its process may hold memory of the devices. */
export function createDeviceProbe({ libraryFolder }: DeviceSettings, options: ProbeOptions = {}): DeviceProbe {
  const { limits, scratch } = options
  const host = new InferenceHost({
    limits: { ...limits, retries: 0 }, // a driver that ends the process does so again
    workers: 1,
    accelerator: { libraryFolder },
    ...(scratch === undefined ? {} : { scratch })
  })
  return {
    async fault(device) {
      if (device.name === 'cpu') return undefined
      const fault = await libraryFault(device.name, libraryFolder)
      if (fault !== undefined) return fault
      try {
        return (await host.request({ type: 'device', device: deviceText(device) })).fault
      } catch (error) {
        if (error instanceof InferenceError || error instanceof InvalidInputError) return error.message
        throw error
      }
    },
    [Symbol.asyncDispose]: async () => await host.close()
  }
}

/**
 * The device for a model: `asked`, else what the settings say, else the CPU. Throws `InvalidInputError` saying what is missing when it is none that works.
 */
export async function chooseDevice(
  asked: string | undefined,
  settings: DeviceSettings,
  options: ProbeOptions = {}
): Promise<PriorDevice> {
  const text = asked ?? settings.device ?? 'cpu'
  const wanted = parseDevice(text)
  if (wanted !== 'auto' && wanted.name === 'cpu') return { asked: text, took: text, passedOver: [] }
  await using probe = createDeviceProbe(settings, options)
  if (wanted !== 'auto') {
    const fault = await probe.fault(wanted)
    if (fault === undefined) return { asked: text, took: deviceText(wanted), passedOver: [] }
    const origin = asked === undefined ? 'set inference.device to another' : 'name another with --device'
    throw new InvalidInputError(
      `device ${text} cannot be used: ${fault}. It needs: ${DEVICE_NEEDS[wanted.name]}. "coopt device" shows what works here; ${origin}, such as cpu`
    )
  }
  const passedOver: { device: string; reason: string }[] = []
  for (const name of AUTOMATIC) {
    const device = { name, index: 0 }
    const reason = await probe.fault(device)
    if (reason === undefined) return { asked: text, took: deviceText(device), passedOver }
    passedOver.push({ device: deviceText(device), reason })
  }
  return { asked: text, took: 'cpu', passedOver }
}
