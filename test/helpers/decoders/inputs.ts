/** Hostile inputs for a decoder: good ones damaged, and made-up ones of its grammar. */
import fc from 'fast-check'
import { decodeCbor, encodeCbor } from '../../../src/codec.ts'
import { bytesField, integerField, message } from '../../../src/optimize/protobuf.ts'
import { testCid } from '../swarm-factory.ts'
import type { Decoder, Grammar } from './decoder.ts'

/** Bits flipped, bytes lost or put in, cut off. */
export function damaged(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(Math.max(0, good.byteLength - 1))
  const flips = fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 })
  return fc.oneof(
    { weight: 4, arbitrary: flips.map(all => flipped(good, all)) },
    // lengths and counts live in few bytes: the largest and smallest values that fit
    fc.tuple(place, fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.constantFrom(1, 2, 4, 8)).map(([at, value, n]) => {
      const bad = good.slice()
      bad.fill(value, at, at + n)
      return bad
    }),
    place.map(end => good.slice(0, end)),
    fc.tuple(place, fc.nat(20)).map(([at, n]) => joined(good.subarray(0, at), good.subarray(at + n))),
    fc
      .tuple(place, fc.uint8Array({ minLength: 1, maxLength: 20 }))
      .map(([at, more]) => joined(good.subarray(0, at), more, good.subarray(at)))
  )
}

/** Inputs that nobody damaged: whole by the grammar, and of any contents. */
export function madeUp(
  { grammar }: Pick<Decoder, 'grammar'>,
  good: Uint8Array
): fc.Arbitrary<Uint8Array | Promise<Uint8Array>> {
  return typeof grammar === 'string' ? GRAMMARS[grammar](good) : grammar.made(good)
}

const leaf = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 70 }),
  fc.nat(9).map(n => testCid(n))
)
/** Any value of dag-cbor, a few levels deep. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ maxLength: 10 }), tie('value'), { maxKeys: 5 })
  )
})).value

/** A map with some of its fields, at any depth, replaced, dropped, or more of them. */
export function changedFields(value: unknown): fc.Arbitrary<unknown> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || !isPlain(value)) return anyValue
  const keys = Object.keys(value)
  if (keys.length === 0) return anyValue
  const at = (key: string): unknown => (value as Record<string, unknown>)[key]
  const rebuilt = (change: (fields: Record<string, unknown>) => void): unknown => {
    const copy: Record<string, unknown> = Object.fromEntries(keys.map(k => [k, at(k)]))
    change(copy)
    return Array.isArray(value) ? Object.values(copy) : copy
  }
  const key = fc.constantFrom(...keys)
  return fc.oneof(
    { weight: 3, arbitrary: fc.tuple(key, anyValue).map(([k, v]) => rebuilt(fields => (fields[k] = v))) },
    key.chain(k => changedFields(at(k)).map(v => rebuilt(fields => (fields[k] = v)))),
    key.map(k => rebuilt(fields => delete fields[k])),
    fc.tuple(fc.string({ maxLength: 10 }), anyValue).map(([k, v]) => rebuilt(fields => (fields[k] = v)))
  )
}

// --- internal ---

const GRAMMARS: Record<Extract<Grammar, string>, (good: Uint8Array) => fc.Arbitrary<Uint8Array>> = {
  cbor: good => {
    const value = decodeCbor(good, good.byteLength)
    return fc.oneof(changedFields(value), anyValue).map(encodeCbor)
  },
  json: good => {
    const value: unknown = JSON.parse(new TextDecoder().decode(good))
    const text = fc.oneof(
      changedFields(value).map(v => JSON.stringify(v) ?? 'null'),
      fc.json(),
      fc.nat(2000).map(depth => '['.repeat(depth) + ']'.repeat(depth))
    )
    return text.map(t => new TextEncoder().encode(t))
  },
  protobuf: () =>
    fc.letrec<{ bytes: Uint8Array }>(tie => ({
      bytes: fc
        .array(protobufField(tie('bytes')), { maxLength: 6, depthIdentifier: 'fields' })
        .map(all => message(...all))
    })).bytes,
  text: good => {
    const tokens = new TextDecoder().decode(good).split(/(?<=[\s,;:/=&"'()[\]{}])/)
    const token = fc.oneof(
      fc.constantFrom(...tokens),
      fc.string({ maxLength: 12 }),
      fc.constantFrom('\0', '\uFEFF', '1e999', '-1')
    )
    return fc.array(token, { maxLength: 40 }).map(parts => new TextEncoder().encode(parts.join('')))
  },
  chunks: good => {
    const size = fc.constantFrom(1, 4, 16, 64, 512)
    return fc
      .tuple(size, fc.array(fc.nat(), { maxLength: 40 }), fc.uint8Array({ maxLength: 8 }))
      .map(([bytes, order, tail]) => {
        const count = Math.ceil(good.byteLength / bytes)
        const head = good.subarray(0, bytes)
        return joined(head, ...order.map(i => good.subarray((i % count) * bytes, ((i % count) + 1) * bytes)), tail)
      })
  }
}

function protobufField(nested: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const number = fc.integer({ min: 1, max: 20 })
  return fc.oneof(
    fc.tuple(number, fc.nat()).map(([n, v]) => integerField(n, v)),
    fc.tuple(number, fc.uint8Array({ maxLength: 20 })).map(([n, b]) => bytesField(n, b)),
    fc.tuple(number, nested).map(([n, b]) => bytesField(n, b))
  )
}

function isPlain(value: object): boolean {
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
}

function flipped(good: Uint8Array, flips: readonly (readonly [number, number])[]): Uint8Array {
  const bad = good.slice()
  for (const [at, by] of flips) bad[at] = (bad[at] ?? 0) ^ by
  return bad
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
