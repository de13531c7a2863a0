/** Values of a file that describes preprocessing, checked one by one. A key that is `null` counts as absent, as written by transformers. */
import { InvalidPriorError } from '../errors.ts'
import type { ImageInput } from './onnx-facts.ts'
import type { Size } from './preprocessing.ts'

const MAX_SIDE = 4096

export class ConfigValues {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #defaults: Readonly<Record<string, unknown>>
  /** For messages. */
  readonly file: string

  /** `defaults` stand in for keys that are absent. Throws `InvalidPriorError` when `config` is not a JSON object. */
  constructor(config: unknown, file: string, defaults: Readonly<Record<string, unknown>> = {}) {
    this.file = file
    if (!isRecord(config)) throw this.invalid('it is not a JSON object')
    this.#values = config
    this.#defaults = defaults
  }

  /** Keys that the file itself gives a value. */
  get keys(): string[] {
    return Object.keys(this.#values).filter(key => this.has(key))
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key) && this.#values[key] != null
  }

  /** The file's value, else the default, else undefined. */
  get(key: string): unknown {
    if (this.has(key)) return this.#values[key]
    return Object.hasOwn(this.#defaults, key) ? (this.#defaults[key] ?? undefined) : undefined
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.get(key) ?? otherwise
    if (typeof value !== 'boolean') throw this.invalid(`"${key}" must be true or false, got ${show(value)}`)
    return value
  }

  number(key: string, otherwise: number): number {
    const value = this.get(key) ?? otherwise
    if (typeof value !== 'number' || !(value > 1e-9 && value <= 1e6))
      throw this.invalid(`"${key}" must be a positive number, got ${show(value)}`)
    return value
  }

  text(key: string): string | undefined {
    const value = this.get(key)
    if (value !== undefined && typeof value !== 'string')
      throw this.invalid(`"${key}" must be text, got ${show(value)}`)
    return value
  }

  /** `n` numbers, or one for all; of more that are all the same the first `n`. */
  channels(key: string, n: number): number[] {
    const value = this.get(key)
    let list = typeof value === 'number' ? Array<number>(n).fill(value) : value
    if (Array.isArray(list) && list.length > n && list.every(v => v === (list as unknown[])[0])) list = list.slice(0, n)
    if (
      !Array.isArray(list) ||
      list.length !== n ||
      !list.every(v => Number.isFinite(v) && Math.abs(v as number) <= 1e6)
    ) {
      throw this.invalid(`"${key}" must be ${n} finite numbers, got ${show(value)}`)
    }
    return list as number[]
  }

  /** As `channels`, for divisors. */
  positive(key: string, n: number): number[] {
    const list = this.channels(key, n)
    if (!list.every(v => v > 1e-9)) throw this.invalid(`"${key}" must be positive, got ${show(list)}`)
    return list
  }

  /** A number for both sides, [height, width] or {"height", "width"}. `also`: what else the key may be, for the message. */
  size(key: string, also = ''): Size {
    const value = this.get(key)
    if (typeof value === 'number') return { height: this.side(key, value), width: this.side(key, value) }
    if (Array.isArray(value) && value.length === 2)
      return { height: this.side(`${key}[0]`, value[0]), width: this.side(`${key}[1]`, value[1]) }
    if (isRecord(value) && value['height'] != null && value['width'] != null)
      return {
        height: this.side(`${key}.height`, value['height']),
        width: this.side(`${key}.width`, value['width'])
      }
    throw this.invalid(`"${key}" must be a number or {"height", "width"}${also}, got ${show(value)}`)
  }

  side(key: string, value: unknown): number {
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_SIDE)
      throw this.invalid(`"${key}" must be a whole number of pixels up to ${MAX_SIDE}, got ${show(value)}`)
    return value as number
  }

  invalid(why: string): InvalidPriorError {
    return new InvalidPriorError(`${this.file}: ${why}`)
  }
}

/** Throws `InvalidPriorError` unless the images that the settings make are those that the model takes. */
export function checkSize(size: Size, input: ImageInput, values: ConfigValues, remedy: string): void {
  for (const side of ['height', 'width'] as const) {
    const wanted = input[side]
    if (wanted !== undefined && wanted !== size[side])
      throw values.invalid(
        `it makes images of ${side} ${size[side]}, but input "${input.name}" has ${side} ${wanted}: ${remedy}`
      )
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const show = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 80))
