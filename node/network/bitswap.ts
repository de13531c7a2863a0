/**
 * Bitswap for Kubo, gateways and single blocks, with its wants mended (bitswap-wants.ts) and a clock of what it receives. @helia/bitswap does not
 * export the parts that are replaced: they are taken from the broker when it joins the node, and looked at before, so that another version fails at start.
 */
import { withBitswap } from '@helia/bitswap'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { ServiceMap, Stream } from '@libp2p/interface'
import { waitForDrain } from './backpressure.ts'
import { mendWants, type WantList } from './bitswap-wants.ts'

const isBitswap = (protocol: string): boolean => protocol.startsWith('/ipfs/bitswap/')

/** Adds bitswap to a node that has not started. `movedAt`: when the last byte of bitswap came, monotonic ms; undefined before the first. */
export function addBitswap<M extends ServiceMap>(
  helia: HeliaWithLibp2p<M>,
  options: Parameters<typeof withBitswap>[1]
): { helia: HeliaWithLibp2p<M>; movedAt(): number | undefined } {
  let movedAt: number | undefined
  const onMove = (): void => {
    movedAt = performance.now()
  }
  // libp2p exists once its mixin has started; bitswap uses it right after that
  helia.addMixin({
    name: 'mended-bitswap',
    start: started => {
      const { libp2p } = started as HeliaWithLibp2p<M>
      waitForDrain(libp2p, isBitswap)
      const handle = libp2p.handle.bind(libp2p)
      libp2p.handle = async (protocols, handler, handlerOptions) => {
        const isMeant = [protocols].flat().some(isBitswap)
        await handle(
          protocols,
          isMeant
            ? (stream, connection) => {
                noteMoves(stream, onMove)
                return handler(stream, connection)
              }
            : handler,
          handlerOptions
        )
      }
    }
  })
  const addBroker = helia.addBlockBroker.bind(helia)
  helia.addBlockBroker = broker => {
    mendWants(wantListOf(broker))
    addBroker(broker)
  }
  return { helia: withBitswap<M>(helia, options), movedAt: () => movedAt }
}

// --- internal ---

/** A stream gives what has arrived to its first listener alone: this one listens as soon as bitswap does. */
function noteMoves(stream: Stream, onMove: () => void): void {
  const listen = stream.addEventListener.bind(stream)
  let isNoting = false
  stream.addEventListener = (...args: Parameters<Stream['addEventListener']>): void => {
    listen(...args)
    if (args[0] !== 'message' || isNoting) return
    isNoting = true
    listen('message', onMove)
  }
}

function wantListOf(broker: unknown): WantList {
  const list = at(at(broker, 'bitswap'), 'wantList')
  const methods = ['addEntry', 'sendMessages', 'peerConnected', 'peerDisconnected', 'stop', 'addEventListener']
  const isKnown =
    methods.every(name => typeof at(list, name) === 'function') &&
    at(list, 'wants') instanceof Map &&
    typeof at(at(list, 'network'), 'sendMessage') === 'function'
  if (!isKnown)
    throw new TypeError('this version of @helia/bitswap keeps its want list otherwise: see bitswap-wants.ts')
  return list as WantList
}

function at(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
