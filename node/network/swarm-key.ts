/**
 * The optional pre-shared key of a swarm (Kubo's `swarm.key`): a peer without it cannot even begin a handshake.
 *
 * `@libp2p/pnet` 3.0.27 encrypts through a WebAssembly memory of 640 KiB that all connections of the process share. When a large write makes it grow,
 * every other connection is left with a detached view and grows it again on its next byte, until it reaches its maximum and all of them break (seen:
 * a 64 MiB transfer between two nodes failed with "Maximum memory size exceeded" or a truncated stream). Writes in pieces of 32 KiB never make it
 * grow.
 */
import type { ConnectionProtector } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'
import { readFile, stat } from 'node:fs/promises'
import { InvalidInputError } from '../../src/errors.ts'

const MAX_PIECE_BYTES = 32 * 1024

/** Kubo's has 95 bytes. */
const MAX_KEY_FILE_BYTES = 1024
const KEY_FILE = /^\/key\/swarm\/psk\/1\.0\.0\/\r?\n\/base16\/\r?\n[0-9a-fA-F]{64}\s*$/

/** The contents of the key file that `network.swarmKey` of `configFile` names. Throws `InvalidInputError` naming both. */
export async function readSwarmKey(path: string, configFile: string): Promise<Uint8Array> {
  const refused = (reason: string, cause?: unknown): InvalidInputError =>
    new InvalidInputError(`${path} ("network.swarmKey" of ${configFile}) ${reason}`, { cause })
  const { size } = await stat(path).catch((error: unknown) => {
    throw refused(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error)
  })
  if (size > MAX_KEY_FILE_BYTES) throw refused(`has ${size} bytes: it is not a swarm.key file`)
  const bytes = new Uint8Array(await readFile(path))
  if (!KEY_FILE.test(new TextDecoder().decode(bytes)))
    throw refused('is not a swarm.key file (/key/swarm/psk/1.0.0/, /base16/ and 64 hexadecimal digits, a line each)')
  return bytes
}

/** `psk` holds the contents of the key file. Throws when it is not such a file. */
export function swarmKeyProtector(psk: Uint8Array): () => ConnectionProtector {
  const create = preSharedKey({ psk })
  return () => {
    const protector = create()
    return {
      protect: async (connection, options) => {
        const encrypted = await protector.protect(connection, options)
        return Object.assign(encrypted, { maxMessageSize: MAX_PIECE_BYTES })
      }
    }
  }
}
