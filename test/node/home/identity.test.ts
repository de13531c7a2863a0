import { createHash, generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { ed25519 } from '@noble/curves/ed25519.js'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verify } from '../../../node/process/verify-signature.ts'
import { createIdentity, loadIdentity, type Identity } from '../../../node/home/identity.ts'

let directory: string
let path: string
let identity: Identity

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coopt-key-'))
  path = join(directory, 'identity.key')
  identity = await createIdentity(path)
})
afterAll(async () => await rm(directory, { recursive: true, force: true }))

/** Order of the base point. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

describe('the key file', () => {
  test('gives the same identity again, the one that libp2p sees', async () => {
    const again = await loadIdentity(path)
    expect(again.peerId).toBe(identity.peerId)
    expect(again.key).toEqual(identity.key)
    expect(peerIdFromPrivateKey(again.privateKey).toString()).toBe(identity.peerId)
  })

  test('is readable by its owner only, and closed with a warning when it was open', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await chmod(path, 0o644)
    const warnings: string[] = []
    await loadIdentity(path, { warn: message => warnings.push(message) })
    expect(warnings).toEqual([expect.stringContaining('mode 644')])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('is never replaced', async () => {
    await expect(createIdentity(path)).rejects.toMatchObject({ code: 'EEXIST' })
    expect((await loadIdentity(path)).peerId).toBe(identity.peerId)
  })

  test.each([0, 1, 35, 67])('cut to %i bytes refuses to be read', async length => {
    const damaged = join(directory, `cut-${length}`)
    await writeFile(damaged, await readFile(path))
    await truncate(damaged, length)
    await expect(loadIdentity(damaged)).rejects.toMatchObject({ name: 'DamagedStoreError' })
  })

  test('refuses to be read when it is missing, too long, or of another type', async () => {
    await expect(loadIdentity(join(directory, 'none'))).rejects.toThrow(/none is missing; restore it/)
    const other = join(directory, 'other')
    await writeFile(other, new Uint8Array(5000))
    await expect(loadIdentity(other)).rejects.toMatchObject({ name: 'DamagedStoreError' })
    await writeFile(other, privateKeyToProtobuf(await generateKeyPair('secp256k1')))
    await expect(loadIdentity(other)).rejects.toThrow(/type secp256k1/)
  })

  test('with any byte changed never becomes another identity', async () => {
    const bytes = await readFile(path)
    const damaged = join(directory, 'flipped')
    for (let i = 0; i < bytes.byteLength; i++) {
      const flipped = Uint8Array.from(bytes)
      flipped[i] = (flipped[i] ?? 0) ^ 0x10
      await writeFile(damaged, flipped)
      await expect(loadIdentity(damaged), `byte ${i}`).rejects.toMatchObject({ name: 'DamagedStoreError' })
    }
  })
})

describe('verify', () => {
  const sign = async (message: Uint8Array) => Uint8Array.from(await identity.sign(message))

  test('accepts what sign made', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async message => {
        expect(verify(identity.key, message, await sign(message))).toBe(true)
        expect(identity.privateKey.publicKey.verify(message, await sign(message))).toBe(true)
      })
    )
  })

  test('rejects when any bit of key, message or signature is flipped', async () => {
    const message = new TextEncoder().encode('coopt/1/record\0 a payload')
    const signature = await sign(message)
    const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
      const copy = Uint8Array.from(bytes)
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return copy
    }
    for (let bit = 0; bit < 64 * 8; bit++) expect(verify(identity.key, message, flip(signature, bit))).toBe(false)
    for (let bit = 0; bit < 32 * 8; bit++) expect(verify(flip(identity.key, bit), message, signature)).toBe(false)
    for (let bit = 0; bit < message.byteLength * 8; bit++)
      expect(verify(identity.key, flip(message, bit), signature)).toBe(false)
  })

  test('never throws on garbage of any length', () => {
    const bytes = fc.uint8Array({ maxLength: 80 })
    const key = fc.oneof(bytes, fc.uint8Array({ minLength: 32, maxLength: 32 }))
    const signature = fc.oneof(bytes, fc.uint8Array({ minLength: 64, maxLength: 64 }))
    fc.assert(
      fc.property(key, bytes, signature, (k, m, s) => {
        expect(verify(k, m, s)).toBe(false)
      })
    )
  })

  test('agrees with RFC 8032, section 7.1, test 3', () => {
    const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
    const key = hex('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025')
    const signature = hex(
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'
    )
    expect(verify(key, hex('af82'), signature)).toBe(true)
    expect(verify(key, hex('af83'), signature)).toBe(false)
  })

  test('rejects the same signature with S + L', async () => {
    const message = Uint8Array.of(1, 2, 3)
    const signature = await sign(message)
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`)
    const malleable = Uint8Array.of(...signature.subarray(0, 32), ...littleEndian(s + ORDER))
    expect(verify(identity.key, message, malleable)).toBe(false)
  })

  test('rejects keys of small order, whose one signature fits every message', () => {
    // A = the neutral element, R = S * B with S = 1: S * B = R + h * A whatever h, and so the message, is
    const key = Uint8Array.of(1, ...new Uint8Array(31))
    const signature = Uint8Array.of(0x58, ...new Uint8Array(31).fill(0x66), 1, ...new Uint8Array(31))
    for (const message of [Uint8Array.of(1), Uint8Array.of(2)]) {
      expect(ed25519.verify(signature, message, key, { zip215: true })).toBe(true) // a lenient verifier takes it
      expect(verify(key, message, signature)).toBe(false)
    }
    const negative = Uint8Array.from(key)
    negative[31] = 0x80
    expect(verify(negative, Uint8Array.of(1), signature)).toBe(false)
    const aliased = Uint8Array.of(0xee, ...new Uint8Array(30).fill(0xff), 0x7f) // p + 1, also the neutral element
    expect(verify(aliased, Uint8Array.of(1), signature)).toBe(false)
  })

  test('rejects an R of small order, made by the owner of the key', () => {
    const { scalar } = ed25519.utils.getExtendedPublicKey(identity.privateKey.raw.subarray(0, 32))
    const r = Uint8Array.of(1, ...new Uint8Array(31)) // the neutral element: r = 0, S = h * a
    const message = Uint8Array.of(1)
    const h = BigInt(
      `0x${createHash('sha512').update(r).update(identity.key).update(message).digest().reverse().toString('hex')}`
    )
    const s = littleEndian((h * scalar) % ORDER)
    const signature = Uint8Array.of(...r, ...s)
    expect(ed25519.verify(signature, message, identity.key, { zip215: true })).toBe(true)
    expect(verify(identity.key, message, signature)).toBe(false)
  })

  test('keeps verifying when more keys pass by than it remembers', () => {
    const message = Uint8Array.of(7)
    for (let i = 0; i < 1100; i++) {
      const { publicKey } = generateKeyPairSync('ed25519')
      const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })).subarray(-32)
      expect(verify(raw, message, new Uint8Array(64))).toBe(false)
    }
    expect(verify(identity.key, message, identity.sign(message) as Uint8Array)).toBe(true)
  })
})
