import fc from 'fast-check'
import { base32 } from 'multiformats/bases/base32'
import { describe, expect, test } from 'vitest'
import { encodeCbor } from '../../../src/codec.ts'
import { decodeInvite, encodeInvite } from '../../../src/distribute/invite.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { anyCid } from '../../helpers/arbitraries.ts'
import { testCid, testPeer } from '../../helpers/swarm-factory.ts'

const swarm = testCid('swarm')
const addresses = [`/ip4/192.0.2.1/tcp/4001/p2p/${testPeer(0).id}`, `/dns4/example.org/tcp/4001/p2p/${testPeer(1).id}`]
const invite = encodeInvite({ swarm, addresses })
const raw = (value: unknown): string => `coopt1${base32.baseEncode(encodeCbor(value))}`

describe('an invite', () => {
  test('gives back what went into it', () => {
    const address = fc.string({ maxLength: 255 }).map(text => `/${text}`)
    fc.assert(
      fc.property(anyCid(), fc.array(address, { maxLength: 16 }), (cid, list) => {
        const read = decodeInvite(encodeInvite({ swarm: cid, addresses: list }))
        expect(read.swarm.equals(cid)).toBe(true)
        expect(read.addresses).toEqual(list)
      })
    )
  })

  test('is one word that survives chat, shell and double click', () => {
    expect(invite).toMatch(/^coopt1[a-z2-7]+$/)
    expect(encodeInvite({ swarm, addresses })).toBe(invite)
  })

  test('is read with white space around it', () => {
    expect(decodeInvite(`  ${invite}\n`).addresses).toEqual(addresses)
  })

  test('may be a bare manifest CID, without addresses', () => {
    expect(decodeInvite(swarm.toString())).toEqual({ swarm, addresses: [] })
  })

  test('carries the first sixteen addresses of more', () => {
    const many = Array.from({ length: 40 }, (_, i) => `/ip4/192.0.2.${i}/tcp/1`)
    expect(decodeInvite(encodeInvite({ swarm, addresses: many })).addresses).toEqual(many.slice(0, 16))
  })

  test('cut anywhere is refused', () => {
    for (let length = 0; length < invite.length; length++) {
      expect(() => decodeInvite(invite.slice(0, length)), `${length} characters`).toThrow(InvalidInputError)
    }
  })

  test('with a foreign character is refused and says what to do', () => {
    expect(() => decodeInvite(`${invite.slice(0, 20)}!${invite.slice(21)}`)).toThrow(/Copy the whole string/)
    expect(() => decodeInvite(`${invite.slice(0, 20)} ${invite.slice(21)}`)).toThrow(InvalidInputError)
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['words', 'please join'],
    ['a path', '../../etc/passwd'],
    ['only the prefix', 'coopt1'],
    ['a CIDv0', 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n'],
    ['an invite without addresses field', raw([swarm])],
    ['an invite with more fields', raw([swarm, [], 1])],
    ['an address that is no multiaddr', raw([swarm, ['http://example.org']])],
    ['an address of 257 characters', raw([swarm, [`/${'x'.repeat(256)}`]])],
    ['seventeen addresses', raw([swarm, Array.from({ length: 17 }, () => '/ip4/192.0.2.1')])],
    ['text in place of the CID', raw([swarm.toString(), []])],
    ['a megabyte', `coopt1${'a'.repeat(1_000_000)}`],
    ['non-canonical content', `coopt1${base32.baseEncode(Uint8Array.of(0x98, 0x02, 0x80, 0x80))}`]
  ])('in the form of %s is refused', (_, text) => {
    expect(() => decodeInvite(text)).toThrow(InvalidInputError)
  })

  test('that is refused is quoted in short', () => {
    try {
      decodeInvite(`coopt1${'a'.repeat(1_000_000)}`)
      expect.unreachable()
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(300)
    }
  })
})
