/**
 * The swarms that this home belongs to: found by CID or invite, opened once, remembered with the addresses of their members.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { openManifest, type Swarm } from '../src/distribute/manifest.ts'
import type { Invite } from '../src/distribute/invite.ts'
import { ContentUnavailableError, DamagedStoreError, InvalidInputError } from '../src/errors.ts'
import { peerIdOf } from '../src/peer-key.ts'
import type { Config } from './config.ts'
import type { Content } from './content.ts'
import { listSwarms, prepareSwarm, type Home } from './home.ts'
import { verify, type Identity } from './identity.ts'
import type { Logger } from './logger.ts'
import { openMembership, type Membership, type MembershipNetwork } from './membership.ts'
import { readJson, writeFileAtomic, writeJsonAtomic } from './store/atomic-file.ts'

/** More addresses than this are no help in finding anybody. */
const MAX_KNOWN_ADDRESSES = 64

const addressesSchema = z.array(z.string().max(256)).max(MAX_KNOWN_ADDRESSES)

export interface SwarmsComponents {
  identity: Identity
  config: Config
  home: Home
  content: Content
  network?: Omit<MembershipNetwork, 'addresses' | 'onAddresses'> | undefined
  logger: Logger
}

export interface Swarms {
  /** Those that are open. */
  all(): Membership[]
  get(id: string): Membership | undefined
  open(swarm: Swarm, addresses: readonly string[]): Promise<Membership>
  /** The manifest from the store, else from the invite's peers, then `open`. Throws `ContentUnavailableError`, `InvalidInputError`. */
  find(invite: Invite, signal: AbortSignal): Promise<Membership>
  /** Open every swarm that the home knows; one that cannot be opened is reported and left closed. */
  openKnown(): Promise<void>
  stop(): Promise<void>
}

export function createSwarms({ identity, config, home, content, network, logger }: SwarmsComponents): Swarms {
  const opening = new Map<string, Promise<Membership>>()
  const ready = new Map<string, Membership>()

  const addressesPath = (cid: CID): string => join(home.swarm(cid).directory, 'addresses.json')

  const knownAddresses = async (cid: CID): Promise<string[]> =>
    (await readJson(addressesPath(cid), addressesSchema)) ?? []

  const remember = (cid: CID, addresses: readonly string[]): void => {
    writeJsonAtomic(addressesPath(cid), addresses.slice(0, MAX_KNOWN_ADDRESSES)).catch((error: unknown) =>
      logger.warn('addresses of members could not be saved', { reason: String(error) })
    )
  }

  const open = (swarm: Swarm, addresses: readonly string[]): Promise<Membership> => {
    const id = swarm.id.toString()
    const found = opening.get(id)
    if (found !== undefined) return found
    const membership = prepareAndOpen(swarm, addresses)
    opening.set(id, membership)
    void membership.then(
      opened => ready.set(id, opened),
      () => opening.delete(id) // the caller has the error; the next one may try again
    )
    return membership
  }

  const prepareAndOpen = async (swarm: Swarm, addresses: readonly string[]): Promise<Membership> => {
    const { timing } = config
    const paths = await prepareSwarm(home, swarm.id)
    await writeFileAtomic(paths.manifest, swarm.bytes)
    return await openMembership(
      {
        swarm,
        self: identity.key,
        sign: identity.sign,
        content,
        paths,
        network:
          network === undefined ? undefined : { ...network, addresses, onAddresses: list => remember(swarm.id, list) },
        logger
      },
      {
        leaseMs: timing.leaseMs,
        syncMs: timing.syncMs,
        discoveryMs: timing.discoveryMs,
        replicate:
          config.replicate === 'always' ||
          (config.replicate === 'own' && peerIdOf(swarm.manifest.publisher) === identity.peerId)
      }
    )
  }

  const manifestOf = async (
    { swarm, addresses }: Invite,
    known: readonly string[],
    signal: AbortSignal
  ): Promise<Swarm> => {
    if (await content.has(swarm)) return openManifest(await content.block(swarm, { signal }), verify)
    if (network === undefined) {
      throw new InvalidInputError(
        `swarm ${swarm} is not in this home: join it first, or start the daemon with "coopt up"`
      )
    }
    const { libp2p } = network.network
    const dialed = await Promise.allSettled(
      [...new Set([...addresses, ...known])].map(async a => await libp2p.dial(multiaddr(a), { signal }))
    )
    signal.throwIfAborted()
    const peers = dialed.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value.remotePeer] : []))
    if (peers.length === 0 && addresses.length > 0) {
      throw new ContentUnavailableError(
        `no address of the invite can be reached (${addresses.join(', ')}): is the publisher's "coopt up" running?`,
        {
          cause: new AggregateError(
            dialed.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
          )
        }
      )
    }
    const found = await network.sync.fetchManifest(peers.length > 0 ? peers : libp2p.getPeers(), swarm, { signal })
    await content.put(swarm, found.bytes)
    await content.barrier()
    return found
  }

  return {
    all: () => [...ready.values()],
    get: id => ready.get(id),
    open,
    find: async (invite, signal) => {
      const found = opening.get(invite.swarm.toString())
      if (found !== undefined) return await found
      const known = await knownAddresses(invite.swarm)
      const swarm = await manifestOf(invite, known, signal)
      const all = [...new Set([...invite.addresses, ...known])]
      const membership = await open(swarm, all)
      remember(invite.swarm, all)
      return membership
    },
    openKnown: async () => {
      for (const cid of await listSwarms(home)) {
        try {
          const swarm = openManifest(await readFile(home.swarm(cid).manifest), verify)
          if (!swarm.id.equals(cid))
            throw new DamagedStoreError(`the manifest in ${home.swarm(cid).directory} is that of ${swarm.id}`)
          await open(swarm, await knownAddresses(cid))
        } catch (error) {
          logger.error('a swarm of this home cannot be opened; join it again with its invite', { swarm: cid, error })
        }
      }
    },
    stop: async () => {
      await Promise.allSettled(opening.values())
      for (const membership of ready.values()) await membership.stop()
    }
  }
}
