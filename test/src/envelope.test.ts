import { beforeAll, describe, expect, test } from 'vitest'
import { encodeCbor } from '../../src/codec.ts'
import {
  decodeEnvelope,
  isSignedBy,
  MAX_ENVELOPE_OVERHEAD_BYTES,
  payloadCid,
  seal,
  SIGNATURE_BYTES,
  type Domain
} from '../../src/envelope.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { testPeer, verify } from '../helpers/swarm-factory.ts'

const DOMAINS: Domain[] = ['coopt/1/manifest\0', 'coopt/1/record\0', 'coopt/1/lease\0']
const alice = testPeer('alice')
const mallory = testPeer('mallory')
const value = { text: 'x', list: [1, 2, 3] }

let bytes: Uint8Array
beforeAll(async () => {
  bytes = await seal('coopt/1/record\0', value, alice.sign)
})

describe('an envelope', () => {
  test('holds the canonical payload and is signed by its author', () => {
    const envelope = decodeEnvelope(bytes, 1024)
    expect(envelope.payload).toEqual(encodeCbor(value))
    expect(envelope.signature.byteLength).toBe(SIGNATURE_BYTES)
    expect(isSignedBy(envelope, 'coopt/1/record\0', alice.key, verify)).toBe(true)
  })

  test('is not signed by anybody else', () => {
    const envelope = decodeEnvelope(bytes, 1024)
    expect(isSignedBy(envelope, 'coopt/1/record\0', mallory.key, verify)).toBe(false)
    expect(isSignedBy(envelope, 'coopt/1/record\0', alice.key.subarray(0, 31), verify)).toBe(false)
    expect(isSignedBy(envelope, 'coopt/1/record\0', new Uint8Array(32), verify)).toBe(false)
  })

  test('signed for one purpose is valid for no other', async () => {
    for (const made of DOMAINS) {
      const envelope = decodeEnvelope(await seal(made, value, alice.sign), 1024)
      for (const read of DOMAINS) expect(isSignedBy(envelope, read, alice.key, verify)).toBe(made === read)
    }
  })

  test('has domains of which none is the beginning of another', () => {
    for (const a of DOMAINS) for (const b of DOMAINS) expect(a !== b && b.startsWith(a)).toBe(false)
  })

  test('with any one bit flipped is no envelope or is not signed', () => {
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      let accepted: boolean
      try {
        accepted = isSignedBy(decodeEnvelope(flipped, 1024), 'coopt/1/record\0', alice.key, verify)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidContentError)
        accepted = false
      }
      expect(accepted, `bit ${bit}`).toBe(false)
    }
  })

  test('is known by its payload: signing it otherwise makes no second one', async () => {
    const other = await seal('coopt/1/record\0', value, mallory.sign)
    expect(other).not.toEqual(bytes)
    expect(payloadCid(decodeEnvelope(other, 1024)).equals(payloadCid(decodeEnvelope(bytes, 1024)))).toBe(true)
  })

  test('costs no more than is reckoned for it', async () => {
    for (const length of [0, 23, 24, 255, 256, 65_535, 65_536, 2_000_000]) {
      const payload = encodeCbor(new Uint8Array(length))
      const sealed = await seal('coopt/1/record\0', new Uint8Array(length), alice.sign)
      expect(sealed.byteLength - payload.byteLength).toBeLessThanOrEqual(MAX_ENVELOPE_OVERHEAD_BYTES)
    }
  })

  test.each([
    ['a map', { payload: new Uint8Array(1), signature: new Uint8Array(64) }],
    ['one part', [new Uint8Array(1)]],
    ['three parts', [new Uint8Array(1), new Uint8Array(64), 1]],
    ['a payload that is text', ['x', new Uint8Array(64)]],
    ['a signature that is text', [new Uint8Array(1), 'x'.repeat(64)]],
    ['a signature of 63 bytes', [new Uint8Array(1), new Uint8Array(63)]],
    ['a signature of 65 bytes', [new Uint8Array(1), new Uint8Array(65)]],
    ['null', null]
  ])('is refused in the form of %s', (_, form) => {
    expect(() => decodeEnvelope(encodeCbor(form), 1024)).toThrow(InvalidContentError)
  })

  test('larger than allowed is refused', () => {
    expect(() => decodeEnvelope(bytes, bytes.byteLength)).not.toThrow()
    expect(() => decodeEnvelope(bytes, bytes.byteLength - 1)).toThrow(/at most/)
  })

  test('with a signature moved by the order of the group is refused', () => {
    // ed25519 signatures are malleable where S is not checked against L (RFC 8032, 5.1.7)
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const { payload, signature } = decodeEnvelope(bytes, 1024)
    let s = 0n
    for (let i = 63; i >= 32; i--) s = s * 256n + BigInt(signature[i] as number)
    const moved = signature.slice()
    for (let i = 32, rest = s + order; i < 64; i++, rest >>= 8n) moved[i] = Number(rest & 255n)
    expect(moved).not.toEqual(signature)
    expect(isSignedBy({ payload, signature: moved }, 'coopt/1/record\0', alice.key, verify)).toBe(false)
  })
})
