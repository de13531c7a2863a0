/**
 * One write to the socket for each message of the encrypted connection. Noise hands over a list: length, ciphertext of yamux' header, ciphertext of the
 * data and tag, twice for 64 KiB, and the transport writes each part by itself: seven system calls and as many TCP segments. Joining them copies
 * 64 KiB, which is some microseconds.
 */
import type { noise } from '@libp2p/noise'

type MakeNoise = ReturnType<typeof noise>
type Encrypter = ReturnType<MakeNoise>

/** `make` with connections whose messages are joined before they are sent */
export function gatherWrites(make: MakeNoise): MakeNoise {
  return components => {
    const encrypter = make(components)
    const inbound = encrypter.secureInbound.bind(encrypter)
    const outbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => await inbound(gathering(connection), options)
    encrypter.secureOutbound = async (connection, options) => await outbound(gathering(connection), options)
    return encrypter
  }
}

// --- internal ---

function gathering<T extends Parameters<Encrypter['secureOutbound']>[0]>(connection: T): T {
  const send = connection.send.bind(connection)
  connection.send = data => send(data.subarray()) // of a list: its only part, or all of them joined
  return connection
}
