/** Option and argument values: text from the shell -> checked value, with a message that names the option and what it takes. */
import { InvalidArgumentError } from 'commander'
import { DEVICE_SYNTAX, deviceFault, isDeviceText } from '../api/device-name.ts'

/** A whole number of at least `min`, in decimal digits. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        `Expected a whole number ${max === Number.MAX_SAFE_INTEGER ? `from ${min} up` : `from ${min} to ${max}`}.`
      )
    }
    return value
  }
}

/** Text that is not empty. */
export function someText(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected some text.')
  return text
}

/** `cuda:0`, `auto` and so on. */
export function deviceName(text: string): string {
  if (!isDeviceText(text)) throw new InvalidArgumentError(`${deviceFault(text)}.`)
  return text
}

export const DEVICE_OPTION = [
  '--device <name>',
  `where the model runs: ${DEVICE_SYNTAX} (default: as configured, see coopt device)`,
  deviceName
] as const
