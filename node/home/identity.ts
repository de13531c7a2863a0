/**
 * The node's own Ed25519 key.
 *
 * The key file holds libp2p's protobuf form of the private key and is readable by its owner only. It is written once, when the
 * home is created. A damaged, empty or missing file is an error that stops the node: a new identity made silently would
 * orphan everything published under the old one.
 */
import { createPrivateKey, sign as ed25519Sign } from 'node:crypto'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { DamagedStoreError } from '../../src/errors.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { verify } from '../process/verify-signature.ts'
import { createFileAtomic } from '../store/atomic-file.ts'
import { errorCode, FILE_MODE, nodeFileSystem, readFully, storeError, type FileSystem } from '../store/file-system.ts'

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

/** DER up to the 32 bytes of the seed: PKCS #8, RFC 8410. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Signed once when a key is loaded: do the two halves of the key belong together? */
const PROBE = Buffer.from('coopt key check')

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
      warn(
        `${path} was readable by other users of this machine (mode ${(mode & 0o777).toString(8)}); it is now readable by you only`
      )
    }
    bytes = await readFully(fs, path, MAX_KEY_FILE_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT')
      throw new DamagedStoreError(`the key file ${path} is missing; ${advice}`, { cause: error })
    throw storeError(error, 'read the key file', path)
  }
  return parseIdentity(bytes, `the key file ${path} is damaged; ${advice}`)
}

/** The contents of a key file. Throws `DamagedStoreError` with this message. */
export function parseIdentity(bytes: Uint8Array | undefined, damaged: string): Identity {
  return identityOf(parsePrivateKey(bytes, damaged), damaged)
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
  if (!verify(key, PROBE, sign(PROBE))) {
    throw new DamagedStoreError(`${damaged} (public and private key do not match)`)
  }
  return { peerId: peerIdOf(key), key, privateKey, sign }
}
