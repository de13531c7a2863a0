/** READ FIRST: the operations that keep content, `gc`, `pin`, `unpin` and `provide`. They know nothing of the method. */
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { DIAL_TIMEOUT_MS, KAD_PROTOCOL } from '../../protocols/constants.ts'
import { parseCid } from '../../src/codec.ts'
import { ContentUnavailableError, InvalidInputError } from '../../src/errors.ts'
import type { CoOptApi } from '../api/api.ts'
import { callSignal } from '../api/call-signal.ts'
import type { ApiEvent } from '../api/events.ts'
import { collectGarbage } from './collect-garbage.ts'
import { withInline } from '../content/dag/blocks.ts'
import { walkDag } from '../content/dag/walk.ts'
import { listSwarms } from '../home/home.ts'
import type { Content } from '../content/content.ts'
import type { Home } from '../home/home.ts'
import type { Identity } from '../home/identity.ts'
import type { Network } from '../network/network.ts'
import { createTurns } from '../process/turns.ts'
import type { Logger } from '../process/logger.ts'
import type { DurableBlockstore } from '../store/durable-blockstore.ts'
import type { Swarms } from '../swarms/swarms.ts'
import { createPins } from './pins.ts'
import type { IpnsNames } from './ipns-names.ts'
import { pinRemotely, serviceUrl } from './remote-pinning.ts'

export interface UpkeepComponents {
  readonly identity: Pick<Identity, 'key'>
  readonly home: Home
  readonly content: Pick<Content, 'has' | 'peek' | 'block' | 'put' | 'barrier' | 'distrust'>
  /** The blocks behind `content` */
  readonly store: DurableBlockstore
  readonly swarms: Pick<Swarms, 'all' | 'waiting' | 'untilOpened'>
  readonly network: Network | undefined
  readonly logger: Logger
}

type Upkeep = Pick<CoOptApi, 'gc' | 'pin' | 'unpin' | 'provide'>

export function upkeepOf(
  { content, store, swarms, home, identity, network, logger }: UpkeepComponents,
  { names, addresses, onEvent }: { names: IpnsNames; addresses(): string[]; onEvent(event: ApiEvent): void }
): Upkeep {
  const pins = createPins(home.root)
  /** A pin is added before a collection looks at the pins, or after its sweep. */
  const besideCollection = createTurns()

  const dial = async (targets: readonly string[], signal: AbortSignal): Promise<void> => {
    const dials = targets.map(async target => {
      await network?.libp2p.dial(multiaddr(target), {
        signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      })
    })
    for (const outcome of await Promise.allSettled(dials)) {
      if (outcome.status === 'rejected')
        logger.debug('a delegate of the pinning service cannot be reached', { reason: String(outcome.reason) })
    }
  }

  return {
    gc: async ({ dryRun }, call = {}) =>
      await besideCollection(
        async () =>
          await collectGarbage(
            {
              memberships: () => swarms.all(),
              known: async () => await listSwarms(home),
              // a swarm that waits for content from others may wait long: it counts as not open
              settled: async () => {
                if (swarms.waiting().length === 0) await swarms.untilOpened()
              },
              pins: async () => [...(await pins.all()), ...(await names.roots())],
              self: identity.key,
              content,
              store
            },
            { dryRun, signal: callSignal(call) }
          )
      ),

    pin: async (text, { service, name }, call = {}) => {
      const cid = cidOf(text)
      const signal = callSignal(call)
      const tell = call.onEvent ?? onEvent
      if (service !== undefined) {
        serviceUrl(service.url)
        if (network === undefined)
          throw new InvalidInputError('a pinning service fetches from this node: it needs a network')
      }
      await besideCollection(async () => await pins.add(cid)) // first: what is fetched from now on is kept
      let blocks = 0
      let bytes = 0
      const get = withInline(async child => await content.block(child, { signal }))
      for await (const { block } of walkDag(cid, get, new Set())) {
        blocks++
        bytes += block.byteLength
      }
      await content.barrier()
      const report = { cid: cid.toString(), blocks, bytes }
      if (service === undefined) return report
      const request = await pinRemotely({
        service: service.url,
        token: service.token,
        cid,
        ...(name === undefined ? {} : { name }),
        origins: addresses(),
        connect: async delegates => await dial(delegates, signal),
        onStatus: status => tell({ type: 'pinning', service: service.url, status }),
        signal
      })
      return { ...report, service: { url: service.url, request, status: 'pinned' } }
    },

    unpin: async text => await pins.remove(cidOf(text)),

    provide: async (text, call = {}) => {
      const cid = cidOf(text)
      const signal = callSignal(call)
      if (network === undefined)
        throw new InvalidInputError('providing needs a network: start the daemon with "coopt up"')
      if (!(await content.has(cid)))
        throw new InvalidInputError(`${cid} is not in this home, so no peer could fetch it from here`)
      const { libp2p, helia } = network
      const protocols = await Promise.all(libp2p.getPeers().map(async id => (await libp2p.peerStore.get(id)).protocols))
      const peers = protocols.filter(list => list.includes(KAD_PROTOCOL)).length
      if (peers === 0)
        throw new ContentUnavailableError(
          'no connected peer takes part in the DHT, so nothing can be provided: join a swarm or wait for peers'
        )
      await helia.routing.provide(cid, { signal })
      return { cid: cid.toString(), peers }
    }
  }
}

// --- internal ---

/** An argument of a command, not of the network. */
function cidOf(text: string): CID {
  try {
    return parseCid(text)
  } catch (cause) {
    throw new InvalidInputError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
