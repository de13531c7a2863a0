/**
 * Helia with its own libp2p, built from the Light mixins: blocks come only by bitswap over our private network.
 *
 * `createNetwork` returns a started node. Helia 7 is created stopped and neither opens nor closes its stores: the caller owns both.
 */
import { withLibp2pLight, type HeliaWithLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import type { ComponentLogger, Libp2p, PrivateKey } from '@libp2p/interface'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'
import { DIAL_TIMEOUT_MS } from '../../protocols/constants.ts'
import { ProtocolError } from '../../src/errors.ts'
import { addBitswap } from './bitswap.ts'
import { createConnectionTrimmer } from './connection-trimmer.ts'
import { searchPatiently } from './patient-search.ts'
import { followReachability } from './dht.ts'
import { createConduct, type Conduct } from './peer-scoring.ts'
import { libp2pOptions, networkLimits, type NetworkInit, type Services } from './libp2p.ts'

export interface NetworkComponents {
  /** Opened; should verify hashes on reading, because Helia does not */
  blockstore: Blockstore
  /** Opened; addresses of peers, provider records and pins */
  datastore: Datastore
  privateKey: PrivateKey
  logger?: ComponentLogger
}

export interface Network {
  readonly helia: HeliaWithLibp2p<Services>
  readonly libp2p: Libp2p<Services>
  readonly conduct: Conduct
  /** When the last byte of bitswap came, monotonic ms; undefined before the first */
  movedAt(): number | undefined
  /** Closes every connection. Safe to call twice. */
  stop(): Promise<void>
}

export async function createNetwork(components: NetworkComponents, init: NetworkInit = {}): Promise<Network> {
  const limits = networkLimits(init)
  const conduct = createConduct(limits)
  const { blockstore, datastore, privateKey, logger } = components
  const light = createHeliaLight({
    blockstore,
    datastore,
    codecs: [dagCbor],
    ...(logger === undefined ? {} : { logger })
  })
  const options = libp2pOptions(init, privateKey, conduct)
  if (logger !== undefined) options.logger = logger
  const withNet = withLibp2pLight<typeof light, Services>(light, options)
  const bitswap = {
    maxInboundStreams: limits.bitswapMaxInboundStreams,
    maxOutboundStreams: limits.bitswapMaxOutboundStreams,
    maxIncomingMessageSize: limits.bitswapMaxMessageBytes,
    maxOutgoingMessageSize: limits.bitswapMaxMessageBytes,
    messageReceiveTimeout: limits.bitswapMessageTimeout,
    messageSendTimeout: limits.bitswapMessageTimeout,
    sendBlocksTimeout: limits.bitswapMessageTimeout,
    // documented as maxWantlistSize, read as maxWantListSize (@helia/bitswap 4.0.19)
    maxWantlistSize: limits.bitswapMaxWantListSize,
    maxWantListSize: limits.bitswapMaxWantListSize
  }
  withNet.addMixin({ name: 'patient-search', start: started => searchPatiently(started.routing) })
  const { helia, movedAt } = addBitswap<Services>(withNet, bitswap)
  await helia.start()
  const { libp2p } = helia
  const { connectionsHighWater: highWater, connectionsLowWater: lowWater } = limits
  const trimmer = createConnectionTrimmer({ libp2p }, { highWater, lowWater })
  await trimmer.start()
  const { reach: reachability } = libp2p.services
  libp2p.addEventListener('connection:open', ({ detail }) => reachability.observe(detail))
  const mode = followReachability({ libp2p, reachability })
  await mode.start()

  conduct.addEventListener('denied', ({ detail: { peer, reason } }) => {
    for (const connection of libp2p.getConnections(peer)) {
      connection.abort(new ProtocolError(`${peer} broke the rules too often, last: ${reason}`))
    }
  })

  // mDNS reports peers on the local network and does not dial them; peers that share no swarm with us are ignored by everything above
  const log = libp2p.logger.forComponent('coopt:network')
  const stopped = new AbortController()
  if (init.mdns !== false) {
    libp2p.addEventListener('peer:discovery', ({ detail: { id } }) => {
      if (stopped.signal.aborted || libp2p.getConnections(id).length > 0) return
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      libp2p.dial(id, { signal }).catch((error: Error) => log('cannot reach %p of the local network - %e', id, error))
    })
  }

  let stopping: Promise<unknown> | undefined
  return {
    helia,
    libp2p,
    conduct,
    movedAt,
    stop: async () => {
      stopped.abort()
      await trimmer.stop()
      await mode.stop()
      await (stopping ??= Promise.resolve(helia.stop()))
    }
  }
}
