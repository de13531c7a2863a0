/**
 * The swarms that this home belongs to: found by CID or invite, opened once, remembered with the addresses of their members.
 *
 * Guarantees: a swarm is opened at most once at a time, and one that cannot be opened keeps no other from it. The search for members begins
 * before a swarm is opened: what opening needs (the reference features) may have to come from any of them, the publisher being gone.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { equalBytes } from '../../src/codec.ts'
import { openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import type { Gemm } from '../../src/gemm.ts'
import type { Invite } from '../../src/distribute/invite.ts'
import { ContentUnavailableError, DamagedStoreError } from '../../src/errors.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Config } from '../home/config.ts'
import type { Content } from '../content/content.ts'
import { findManifest } from './find-manifest.ts'
import { listSwarms, prepareSwarm, type Home } from '../home/home.ts'
import type { Installation } from '../home/installation.ts'
import { verify } from '../process/verify-signature.ts'
import { type Identity } from '../home/identity.ts'
import type { Logger } from '../process/logger.ts'
import { openMembership, type Membership } from './membership.ts'
import type { MembershipNetwork } from './membership-network.ts'
import { createDiscovery, type Discovery } from '../network/discovery.ts'
import { addressesOf } from '../network/known-addresses.ts'
import { readJson, writeFileAtomic, writeJsonAtomic } from '../store/atomic-file.ts'
import { errorCode, storeError } from '../store/file-system.ts'

const UNOPENED =
  'a swarm of this home cannot be opened; its files are kept. If they are damaged, join it again with its invite'

/** More addresses than this do not help to find more members. */
const MAX_KNOWN_ADDRESSES = 64

/** Pauses between attempts to open a swarm whose content nobody sends: each attempt waits for minutes itself. */
const FIRST_RETRY_MS = 2_000
const MAX_RETRY_MS = 30_000

const addressesSchema = z.array(z.string().max(256)).max(MAX_KNOWN_ADDRESSES)

export interface SwarmsComponents {
  identity: Identity
  config: Config
  home: Home
  installation: Installation
  content: Content
  gemm: Gemm
  network?: MembershipNetwork | undefined
  /** Look at the work of other members? */
  checks: boolean
  logger: Logger
}

export interface Swarms {
  /** Those that are open. */
  all(): Membership[]
  get(id: string): Membership | undefined
  open(swarm: Swarm, addresses: readonly string[]): Promise<Membership>
  /**
   * The manifest from the store, else from the invite's peers, then `open`. The invite's addresses are tried and remembered in any case.
   *
   * Throws `ContentUnavailableError`, `InvalidInputError`, or the signal's reason.
   */
  find(invite: Invite, signal: AbortSignal, tell?: (message: string) => void): Promise<Membership>
  /** Addresses of the swarm's other members, those of connected ones first. */
  addresses(swarm: CID): Promise<string[]>
  /**
   * Open every swarm that the home knows. Resolves when those are open that need nothing from others; the rest follow in the background,
   * as their members are found. One that cannot be opened is reported and left closed.
   */
  openKnown(): Promise<void>
  /** Ids of swarms that `openKnown` has still to open. */
  waiting(): string[]
  /** Resolves when no swarm is being opened. */
  untilOpened(): Promise<void>
  stop(): Promise<void>
}

export function createSwarms({
  identity,
  config,
  home,
  installation,
  content,
  gemm,
  network,
  checks,
  logger
}: SwarmsComponents): Swarms {
  const opening = new Map<string, Promise<Membership>>()
  const ready = new Map<string, Membership>()
  const discoveries = new Map<string, Discovery>()
  const waiting = new Map<string, Promise<void>>()
  const stopping = new AbortController()

  /** Given by users and kept until `stop`: a swarm may be opened while another opening of it is under way, or has just failed */
  const hints = new Map<string, string[]>()
  const hint = (id: string, addresses: readonly string[]): void => {
    const all = new Set([...(hints.get(id) ?? []), ...addresses])
    hints.set(id, [...all].slice(-MAX_KNOWN_ADDRESSES))
    discoveries.get(id)?.addAddresses(addresses)
  }

  const knownAddresses = async (cid: CID): Promise<string[]> =>
    (await readJson(home.swarm(cid).addresses, addressesSchema)) ?? []

  /** One after the other, the last ones win; over when `stop` resolves. */
  let saving: Promise<void> = Promise.resolve()
  const remember = (cid: CID, addresses: readonly string[]): void => {
    const kept = addresses.slice(0, MAX_KNOWN_ADDRESSES)
    saving = saving
      .then(async () => await writeJsonAtomic(home.swarm(cid).addresses, kept))
      .catch((error: unknown) => logger.warn('addresses of members could not be saved', { reason: String(error) }))
  }

  const open = (swarm: Swarm, addresses: readonly string[]): Promise<Membership> => {
    const id = swarm.id.toString()
    const found = opening.get(id)
    hint(id, addresses)
    if (found !== undefined) return found
    const membership = prepareAndOpen(swarm)
    opening.set(id, membership)
    void membership.then(
      opened => ready.set(id, opened),
      () => opening.delete(id) // the caller has the error; the next one may try again
    )
    return membership
  }

  /** Look for members, until `stop`. */
  const discover = async (cid: CID): Promise<void> => {
    const id = cid.toString()
    if (discoveries.has(id) || network === undefined || stopping.signal.aborted) return
    const addresses = hints.get(id) ?? []
    const discovery = createDiscovery(
      { libp2p: network.network.libp2p, swarm: cid, members: () => ready.get(id)?.members() ?? [] },
      { addresses, onAddresses: list => remember(cid, list), intervalMs: config.timing.discoveryMs }
    )
    discoveries.set(id, discovery)
    await discovery.start()
  }

  const prepareAndOpen = async (swarm: Swarm): Promise<Membership> => {
    const { timing } = config
    const paths = await prepareSwarm(home, swarm.id)
    if (!(await holdsBytes(paths.manifest, swarm.bytes))) await writeFileAtomic(paths.manifest, swarm.bytes)
    await discover(swarm.id)
    return await openMembership(
      {
        swarm,
        self: identity.key,
        sign: identity.sign,
        content,
        gemm,
        paths,
        network,
        installation,
        logger,
        signal: stopping.signal
      },
      {
        leaseMs: timing.leaseMs,
        listenMs: timing.listenMs,
        syncMs: timing.syncMs,
        goneMs: timing.goneMs,
        keepMs: timing.keepMs,
        checks,
        replicas: config.replicas,
        replicateBundleBytes: config.replicateBundleBytes,
        replicate:
          config.replicate === 'always' ||
          (config.replicate === 'own' && peerIdOf(swarm.manifest.publisher) === identity.peerId)
      }
    )
  }

  /** Returns whether trying again may help. */
  const tryOpen = async (swarm: Swarm): Promise<boolean> => {
    try {
      await open(swarm, await knownAddresses(swarm.id))
      return false
    } catch (error) {
      if (stopping.signal.aborted) return false
      const isAbsent = network !== undefined && error instanceof ContentUnavailableError
      if (isAbsent)
        logger.warn('a swarm of this home waits for content that no member sends', { swarm: swarm.id, error })
      else logger.error(UNOPENED, { swarm: swarm.id, error })
      return isAbsent
    }
  }

  const openLater = async (swarm: Swarm): Promise<void> => {
    for (let ms = FIRST_RETRY_MS; await tryOpen(swarm); ms = Math.min(MAX_RETRY_MS, 2 * ms)) {
      await pause(ms, undefined, { signal: stopping.signal })
    }
  }

  const inBackground = (swarm: Swarm): void => {
    const id = swarm.id.toString()
    const done = openLater(swarm)
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.error('a swarm of this home was given up', { swarm: swarm.id, error })
      })
      .finally(() => waiting.delete(id))
    waiting.set(id, done)
  }

  const loadKnown = async (cid: CID): Promise<Swarm | undefined> => {
    try {
      const swarm = openManifest(await readFile(home.swarm(cid).manifest), verify)
      if (swarm.id.equals(cid)) return swarm
      throw new DamagedStoreError(`the manifest in ${home.swarm(cid).directory} is that of ${swarm.id}`)
    } catch (error) {
      // not read: damaged, which its invite mends, or with rules that this version does not follow
      logger.error(UNOPENED, { swarm: cid, error })
      return undefined
    }
  }

  return {
    all: () => [...ready.values()],
    get: id => ready.get(id),
    open,
    find: async (invite, signal, tell) => {
      const id = invite.swarm.toString()
      const known = await knownAddresses(invite.swarm)
      const others = invite.addresses.filter(address => !address.endsWith(`/p2p/${identity.peerId}`))
      const all = [...new Set([...others, ...known])]
      const found = opening.get(id)
      if (found !== undefined) {
        hint(id, others)
        if (all.length > known.length) remember(invite.swarm, all)
        return await unlessAborted(found, signal)
      }
      using writing = content.writing() // until the swarm has a folder, nothing names the manifest
      const swarm = await findManifest(
        { content: { ...content, put: writing.put }, network, tell },
        { ...invite, addresses: others },
        known,
        signal
      )
      const membership = await unlessAborted(open(swarm, all), signal)
      remember(invite.swarm, all)
      return membership
    },
    addresses: async cid => {
      const connected = ready.get(cid.toString())?.members() ?? []
      const met = network === undefined ? [] : await addressesOf(network.network.libp2p, connected)
      return [...new Set([...met, ...(await knownAddresses(cid))])]
    },
    openKnown: async () => {
      const openOne = async (cid: CID): Promise<void> => {
        const swarm = await loadKnown(cid)
        if (swarm === undefined) return
        const needsOthers = network !== undefined && !(await content.holds(swarm.manifest.referenceFeatures.cid))
        if (needsOthers || (await tryOpen(swarm))) inBackground(swarm)
      }
      await Promise.all((await listSwarms(home)).map(openOne))
    },
    waiting: () => [...waiting.keys()],
    untilOpened: async () => {
      await Promise.allSettled(opening.values())
    },
    stop: async () => {
      stopping.abort(new ContentUnavailableError('the node is stopping'))
      await Promise.allSettled([...waiting.values(), ...opening.values()])
      for (const discovery of discoveries.values()) await discovery.stop()
      for (const membership of ready.values()) await membership.stop()
      await saving
    }
  }
}

// --- internal ---

/** A manifest that is there already is not written again: on a full disk the swarm still opens, so that `coopt gc` knows what it needs. */
async function holdsBytes(path: string, bytes: Uint8Array): Promise<boolean> {
  try {
    return equalBytes(await readFile(path), bytes)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw storeError(error, 'read', path)
  }
}

/** Wait no longer than the signal allows; the work goes on for others who wait for it. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
