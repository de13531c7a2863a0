import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../src/errors.ts'
import { peerIdOf, peerKeyOf } from '../../src/peer-key.ts'
import { testPeer } from '../helpers/swarm-factory.ts'

test('a peer id and its key give each other back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), key => {
      const id = peerIdOf(key)
      expect(id).toMatch(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/)
      expect(peerKeyOf(id)).toEqual(key)
    })
  )
})

test('a peer id is the one that libp2p makes of the same key', async () => {
  for (let i = 0; i < 5; i++) {
    const pair = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(i))
    expect(peerIdOf(pair.publicKey.raw)).toBe(peerIdFromPrivateKey(pair).toString())
  }
})

test.each([
  ['nothing', ''],
  ['words', 'not a peer id'],
  ['characters outside base58', '12D3KooW0OIl'],
  ['an RSA peer id', 'QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ'],
  ['a secp256k1 peer id', '16Uiu2HAmKuJWGGqsAaCUNRXjrdGjWD6BBVxVQKXqwhLaW4PQEbtr'],
  ['a peer id cut short', testPeer('alice').id.slice(0, -1)],
  ['a peer id with one character more', `${testPeer('alice').id}1`],
  ['a path', '/p2p/../../etc']
])('%s is refused by name', (_, text) => {
  expect(() => peerKeyOf(text)).toThrow(InvalidInputError)
  expect(() => peerKeyOf(text)).toThrow(`"${text}" is not a`)
})
