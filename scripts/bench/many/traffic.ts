/** Counts what the nodes of this process send: per protocol from the streams of libp2p, in all from the loopback interface. */
import { readFile } from 'node:fs/promises'
import { AbstractMessageStream } from '@libp2p/utils'

export interface ProtocolTraffic {
  /** Writes to a stream: a message of ours is one, or a few */
  messages: number
  bytes: number
}

export interface Traffic {
  /** By protocol id, without what yamux, noise and TCP add */
  protocols: Record<string, ProtocolTraffic>
  /** Bytes of frames that all nodes sent, headers included; undefined outside Linux. The whole machine's, unless in a namespace. */
  wireBytes: number | undefined
  packets: number | undefined
}

const DHT_MESSAGES = ['PUT_VALUE', 'GET_VALUE', 'ADD_PROVIDER', 'GET_PROVIDERS', 'FIND_NODE', 'PING']

const counted = new Map<string, ProtocolTraffic>()

/** Call once, before the first node starts. */
export function countTraffic(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const { send } = AbstractMessageStream.prototype
  AbstractMessageStream.prototype.send = function (this: AbstractMessageStream & { protocol?: string }, data) {
    const { protocol } = this
    if (protocol !== undefined && protocol !== '') {
      const name = `${protocol}${kindOf(protocol, data.subarray())}`
      const entry = counted.get(name) ?? { messages: 0, bytes: 0 }
      entry.messages++
      entry.bytes += data.byteLength
      counted.set(name, entry)
    }
    return send.call(this, data)
  }
}

/** Of a message of the DHT, what is asked or answered: the first field of its protobuf, behind the length. */
function kindOf(protocol: string, bytes: Uint8Array): string {
  if (!protocol.includes('/kad/')) return ''
  const at = bytes.findIndex(byte => byte < 0x80) + 1
  return bytes[at] === 0x08 ? ` ${DHT_MESSAGES[bytes[at + 1] ?? -1] ?? '?'}` : ''
}

export async function trafficSoFar(): Promise<Traffic> {
  const protocols = Object.fromEntries([...counted].map(([protocol, entry]) => [protocol, { ...entry }]))
  const interfaces = await readFile('/proc/net/dev', 'utf8').catch(() => '')
  const fields = /^\s*lo:\s*(.*)$/m.exec(interfaces)?.[1]?.split(/\s+/).map(Number)
  return { protocols, wireBytes: fields?.[8], packets: fields?.[9] }
}

export function difference(after: Traffic, before: Traffic): Traffic {
  const protocols: Record<string, ProtocolTraffic> = {}
  for (const [name, { messages, bytes }] of Object.entries(after.protocols)) {
    const old = before.protocols[name] ?? { messages: 0, bytes: 0 }
    if (messages > old.messages) protocols[name] = { messages: messages - old.messages, bytes: bytes - old.bytes }
  }
  const minus = (a?: number, b?: number): number | undefined => (a === undefined || b === undefined ? undefined : a - b)
  return {
    protocols,
    wireBytes: minus(after.wireBytes, before.wireBytes),
    packets: minus(after.packets, before.packets)
  }
}
