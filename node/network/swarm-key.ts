/**
 * The optional pre-shared key of a swarm (Kubo's `swarm.key`): a peer without it cannot even begin a handshake.
 *
 * `@libp2p/pnet` 3.0.27 encrypts through a WebAssembly memory of 640 KiB that all connections of the process share. When a large
 * write makes it grow, every other connection is left with a detached view of it, grows it again on its next byte, and soon it is at
 * its maximum and all of them break (seen: a 64 MiB transfer between two nodes failed with "Maximum memory size exceeded" or a
 * truncated stream). In pieces of 32 KiB it never has to grow.
 */
import type { ConnectionProtector } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'

const MAX_PIECE_BYTES = 32 * 1024

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
