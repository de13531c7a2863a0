/** Names of the devices that models run on, as `--device` and `inference.device` take them: `cuda:1`. Which of them work here: compute/inference/devices.ts. */
import { InvalidInputError } from '../../src/errors.ts'

export const DEVICE_NAMES = ['cpu', 'cuda', 'tensorrt', 'coreml', 'dml', 'webgpu'] as const
export type DeviceName = (typeof DEVICE_NAMES)[number]

/** What the option takes, for messages and help */
export const DEVICE_SYNTAX = 'auto, cpu, cuda[:N], tensorrt[:N], coreml, dml[:N] or webgpu'

/** One device of this machine. `index`: which of several, from 0 as the driver counts. */
export interface Device {
  readonly name: DeviceName
  readonly index: number
}

export function isDeviceText(text: string): boolean {
  return /^(auto|cpu|coreml|webgpu|(cuda|tensorrt|dml)(:\d{1,2})?)$/.test(text)
}

/** `auto`, or the device that the text names. Throws `InvalidInputError`. */
export function parseDevice(text: string): Device | 'auto' {
  if (!isDeviceText(text)) throw new InvalidInputError(deviceFault(text))
  if (text === 'auto') return text
  const [word, index = '0'] = text.split(':')
  const name = DEVICE_NAMES.find(one => one === word)
  if (name === undefined) throw new InvalidInputError(deviceFault(text))
  return { name, index: Number(index) }
}

/** `cuda:0`; without a number where there is one only. */
export function deviceText({ name, index }: Device): string {
  return INDEXED.has(name) ? `${name}:${index}` : name
}

/** What is wrong with a text that names no device */
export function deviceFault(text: string): string {
  const several = text.includes(',')
    ? '; a model runs on one: start a node for each further one, with a home of its own'
    : ''
  return `${JSON.stringify(text)} is not a device: expected ${DEVICE_SYNTAX}${several}`
}

// --- internal ---

const INDEXED: ReadonlySet<DeviceName> = new Set(['cuda', 'tensorrt', 'dml'])
