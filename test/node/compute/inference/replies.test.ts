import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Request } from '../../../../node/compute/inference/messages.ts'
import { answerSchema, replyTo } from '../../../../node/compute/inference/replies.ts'
import { InferenceError, InvalidImageError } from '../../../../src/errors.ts'

const embed: Request = { type: 'embed', images: [1, 2].map(i => ({ id: `s${i}`, bytes: new Uint8Array(1) })) }
const square = { rows: 2, columns: 2, data: new Float64Array(4) }
const gemm: Request = { type: 'gemm', a: square, b: square, transposeA: false, transposeB: true, threads: 1 }
const inspect: Request = { type: 'inspect', images: [new Uint8Array(1)] }
const answer = (value: unknown) => ({ id: 1, ok: true as const, value })

describe('replyTo', () => {
  it('gives a reply of the right shape', () => {
    const features = new Float32Array(6)
    expect(replyTo(embed, answer({ features }))).toEqual({ features })
    expect(replyTo(gemm, answer({ data: square.data }))).toEqual({ data: square.data })
  })

  it('gives errors that are known by name their class, and cuts the rest', () => {
    const failed = (name: string, message: string) => () => replyTo(embed, { id: 1, ok: false, name, message })
    expect(failed('InvalidImageError', 'sample x')).toThrow(InvalidImageError)
    expect(failed('constructor', 'boo')).toThrow(InferenceError)
    expect(failed('Error', 'x'.repeat(1e6))).toThrow(/^.{1,1200}$/)
  })

  it.each([
    ['too few products', gemm, { data: new Float64Array(3) }],
    ['another type of numbers', embed, { features: new Float64Array(6) }],
    ['half a row', embed, { features: new Float32Array(5) }],
    ['too many images', inspect, { images: [{ error: 'a' }, { error: 'b' }] }],
    ['an unknown format', inspect, { images: [{ width: 1, height: 1, format: 'svg' }] }],
    ['nothing', embed, undefined]
  ])('refuses %s', (_, request, value) => {
    expect(() => replyTo(request, answer(value))).toThrow(InferenceError)
  })

  it('refuses whatever else a worker may say', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(embed, gemm, inspect), (message, request) => {
        expect(answerSchema.safeParse(message).success).toBe(false)
        expect(() => replyTo(request, answer(message))).toThrow(InferenceError)
      })
    )
  })
})
