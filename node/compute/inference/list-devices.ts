/** `coopt device`: which devices of this machine could run a model, found by trying each (devices.ts). */
import type { DeviceReport } from '../../api/reports.ts'
import { DEVICE_NAMES, deviceText, parseDevice, type Device } from '../../api/device-name.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import type { DeviceSettings } from './accelerator.ts'
import { createDeviceProbe, DEVICE_NEEDS, type ProbeOptions } from './devices.ts'
import { runtimeVersion } from './runtime-folder.ts'

/** `only`: this device, instead of the first of each kind. Throws `InvalidInputError` for one that is no device. */
export async function listDevices(
  settings: DeviceSettings,
  only?: string,
  options: ProbeOptions = {}
): Promise<DeviceReport> {
  const chosen = only === undefined ? DEVICE_NAMES.map((name): Device => ({ name, index: 0 })) : [single(only)]
  await using probe = createDeviceProbe(settings, options)
  const devices = []
  for (const device of chosen) {
    const reason = await probe.fault(device)
    devices.push({
      name: deviceText(device),
      available: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      needs: DEVICE_NEEDS[device.name]
    })
  }
  const { libraryFolder } = settings
  return {
    runtime: await runtimeVersion(),
    configured: settings.device ?? 'cpu',
    ...(libraryFolder === undefined ? {} : { libraryFolder }),
    devices
  }
}

// --- internal ---

function single(text: string): Device {
  const device = parseDevice(text)
  if (device === 'auto') throw new InvalidInputError('auto is no device: it takes the first that works')
  return device
}
