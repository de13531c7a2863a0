/**
 * The node's own Ed25519 key, and the one verifier that every peer uses (RFC 8032 as OpenSSL implements it).
 *
 * The key file holds libp2p's protobuf form of the private key and is readable by its owner only. It is written once, when the
 * home is created. A file that is damaged, empty or gone is an error that stops the node: a new identity made in silence would
 * orphan everything that was published under the old one.
 */
import {
  createPrivateKey,
  createPublicKey,
  sign as ed25519Sign,
  verify as ed25519Verify,
  type KeyObject
} from 'node:crypto'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { PEER_KEY_BYTES, SIGNATURE_BYTES, type PeerKey, type Sign, type Verify } from '../src/envelope.ts'
import { DamagedStoreError } from '../src/errors.ts'
import { peerIdOf } from '../src/peer-key.ts'
import { createFileAtomic } from './store/atomic-file.ts'
import { errorCode, FILE_MODE, nodeFileSystem, readFully, storeError, type FileSystem } from './store/file-system.ts'

export interface Identity {
  /** `12D3KooW…` */
  readonly peerId: string
  /** Public key */
  readonly key: PeerKey
  /** For libp2p */
  readonly privateKey: Ed25519PrivateKey
  readonly sign: Sign
}

export interface IdentityOptions {
  fs?: FileSystem
  /** Told when the file could be read by others (it is closed to them then) */
  warn?: (message: string) => void
}

/** The protobuf of an Ed25519 private key has 68 bytes. */
const MAX_KEY_FILE_BYTES = 1024

/** DER up to the 32 bytes of the key, RFC 8410: PKCS #8 with the seed, SubjectPublicKeyInfo with the public key. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Public keys in parsed form, about 1 KiB each: enough for all authors of a busy swarm, bounded for a crowded one. */
const MAX_CACHED_KEYS = 1024

/** Make a new key and write it to `path`. Rejects with `EEXIST` as `code` when there is a file already. */
export async function createIdentity(path: string, { fs = nodeFileSystem }: IdentityOptions = {}): Promise<Identity> {
  const privateKey = await generateKeyPair('Ed25519')
  await createFileAtomic(path, privateKeyToProtobuf(privateKey), { fs, mode: FILE_MODE })
  return identityOf(privateKey, `the new key of ${path} does not sign`)
}

/** Read the key at `path`. Throws `DamagedStoreError` when it is missing or not a key: never makes a new one. */
export async function loadIdentity(path: string, options: IdentityOptions = {}): Promise<Identity> {
  const { fs = nodeFileSystem, warn = () => {} } = options
  const advice = 'restore it from a backup, or run `coopt init` with another home for a new identity'
  let bytes: Uint8Array | undefined
  try {
    const { mode } = await fs.stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      await fs.chmod(path, FILE_MODE)
      warn(`${path} could be used by other users of this machine (mode ${(mode & 0o777).toString(8)}); now only by you`)
    }
    bytes = await readFully(fs, path, MAX_KEY_FILE_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT')
      throw new DamagedStoreError(`the key file ${path} is missing; ${advice}`, { cause: error })
    throw storeError(error, 'read the key file', path)
  }
  const damaged = `the key file ${path} is damaged; ${advice}`
  return identityOf(parsePrivateKey(bytes, damaged), damaged)
}

/**
 * True only for a canonical signature of `message` by a canonical key, with neither key nor R of small order. Never throws on data.
 *
 * Versions of OpenSSL differ on such points (3.5 refuses keys of small order, 1.1 took them), and peers whose verifiers differ
 * would end with different sets of records: so everything on which versions could differ is decided here.
 */
export const verify: Verify = (key, message, signature) => {
  if (key.byteLength !== PEER_KEY_BYTES || signature.byteLength !== SIGNATURE_BYTES) return false
  const publicKey = publicKeyOf(key)
  if (publicKey === undefined || !isFullOrderPoint(signature.subarray(0, PEER_KEY_BYTES))) return false
  try {
    // OpenSSL refuses S >= L and compares R byte by byte, so that neither can be re-encoded
    return ed25519Verify(null, message, publicKey, signature)
  } catch (error) {
    if (errorCode(error).startsWith('ERR_OSSL')) return false // not a point
    throw error
  }
}

// --- internal ---

function parsePrivateKey(bytes: Uint8Array | undefined, message: string): Ed25519PrivateKey {
  let key: ReturnType<typeof privateKeyFromProtobuf>
  try {
    if (bytes === undefined || bytes.byteLength === 0) throw new RangeError('empty, or too long for a key')
    key = privateKeyFromProtobuf(bytes)
  } catch (cause) {
    throw new DamagedStoreError(message, { cause })
  }
  if (key.type !== 'Ed25519') throw new DamagedStoreError(`${message} (it holds a key of type ${key.type})`)
  return key
}

function identityOf(privateKey: Ed25519PrivateKey, damaged: string): Identity {
  const key = Uint8Array.from(privateKey.publicKey.raw)
  const seed = privateKey.raw.subarray(0, 32)
  const signer = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const sign = (message: Uint8Array): Uint8Array => Uint8Array.from(ed25519Sign(null, message, signer))
  // the file holds seed and public key: when they do not belong together, one of them is damaged
  if (!verify(key, SPKI_PREFIX, sign(SPKI_PREFIX))) {
    throw new DamagedStoreError(`${damaged} (its two halves do not belong together)`)
  }
  return { peerId: peerIdOf(key), key, privateKey, sign }
}

const cache = new Map<string, KeyObject>()

function publicKeyOf(key: PeerKey): KeyObject | undefined {
  const name = Buffer.from(key).toString('latin1')
  const known = cache.get(name)
  if (known !== undefined) return known
  if (!isFullOrderPoint(key)) return undefined
  const parsed = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' })
  if (cache.size >= MAX_CACHED_KEYS) cache.delete(cache.keys().next().value ?? '')
  cache.set(name, parsed)
  return parsed
}

/**
 * y-coordinates (little-endian, hex) of the points of order 1, 2, 4 and 8: one signature of such a "key" fits many messages.
 * From Chalkias et al., "Taming the many EdDSAs", 2020, table 4.
 */
const SMALL_ORDER_Y = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'
])

/** y < p = 2^255 - 19, and not one of the eight points of small order. Whether it is on the curve at all is left to OpenSSL. */
function isFullOrderPoint(point: Uint8Array): boolean {
  const y = Buffer.from(point)
  y[31] = (y[31] ?? 0) & 0x7f
  if (SMALL_ORDER_Y.has(y.toString('hex'))) return false
  return !(y[31] === 0x7f && (y[0] ?? 0) >= 0xed && y.subarray(1, 31).every(b => b === 0xff))
}
