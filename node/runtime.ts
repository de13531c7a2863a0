/**
 * Composes a node on one home directory: start order top to bottom, stop order reversed. What the node does with it is in create-node.ts.
 */
import type { PeerId } from '@libp2p/interface'
import { createBlockClient } from '../protocols/blocks/client.ts'
import { createBlockServer } from '../protocols/blocks/server.ts'
import { createReferenceClient } from '../protocols/reference/client.ts'
import { createReferenceServer } from '../protocols/reference/server.ts'
import { createSync } from '../protocols/sync/sync.ts'
import type { Gemm } from '../src/gemm.ts'
import type { ApiEvent } from './api/events.ts'
import { loadConfig, type Config } from './home/config.ts'
import { createContent, type Content } from './content/content.ts'
import { createMembers } from './content/members.ts'
import type { Members } from './content/transfers.ts'
import { homeAt, prepareHome, type Home } from './home/home.ts'
import { verify } from './process/verify-signature.ts'
import { loadIdentity, type Identity } from './home/identity.ts'
import { openInstallation } from './home/installation.ts'
import { InferenceHost } from './compute/inference/host.ts'
import { createOrtGemm } from './compute/inference/ort-gemm.ts'
import { migrateHome } from './home/migrate.ts'
import { readHomeVersion } from './home/version.ts'
import { lockHome } from './home/lock.ts'
import type { NodeMetrics } from './monitor/metrics.ts'
import { count } from './process/counters.ts'
import { createLogger, type Logger } from './process/logger.ts'
import { createProjector, type Projector } from './compute/projection/projector.ts'
import { createMatrixServer } from './swarms/exchange/matrix-server.ts'
import { assertCanListen } from './network/listen.ts'
import { createNetwork, type Network } from './network/network.ts'
import { watchReach } from './network/reach-report.ts'
import { readSwarmKey } from './network/swarm-key.ts'
import { openDatastore } from './store/datastore.ts'
import { DurableBlockstore } from './store/durable-blockstore.ts'
import { createSwarms, type Swarms } from './swarms/swarms.ts'

export interface RuntimeInit {
  home: string
  /** Listen and dial */
  network: boolean
  /** Look at the work of other members in the background. @default true */
  checks?: boolean
  /** What this process does, shown to users who find the home locked */
  what: string
  /** Keep metrics of libp2p and of the node */
  metrics?: boolean
  onEvent(event: ApiEvent): void
}

export interface Runtime {
  readonly identity: Identity
  readonly config: Config
  readonly home: Home
  readonly content: Content
  /** The blocks behind `content` */
  readonly store: DurableBlockstore
  readonly swarms: Swarms
  readonly network: Network | undefined
  /** Decodes images and multiplies matrices in a child process; participants have their own for their prior */
  readonly host: InferenceHost
  readonly gemm: Gemm
  /** Projects features in a thread, for all swarms and priors */
  readonly projector: Projector
  readonly logger: Logger
  readonly metrics: NodeMetrics | undefined
  /** May be called twice. */
  close(): Promise<void>
}

/**
 * Throws `HomeLockedError` when another process holds the home, `InvalidInputError` when there is none or its configuration is
 * wrong, `HomeVersionError` when a newer version wrote it, `DamagedStoreError` when key or store are damaged.
 */
export async function openRuntime(init: RuntimeInit): Promise<Runtime> {
  const { home: root, network: online, what, onEvent } = init
  await using starting = new AsyncDisposableStack()
  const home = homeAt(root)
  await readHomeVersion(root) // first: a newer home may have keys in its configuration that would be called mistakes here
  const config = await loadConfig(home)
  const lock = await lockHome(root, { what })
  starting.defer(async () => await lock.release())
  await prepareHome(home)
  const logger = createLogger()
  await migrateHome(root, { onStep: message => onEvent({ type: 'log', level: 'info', message }) })
  const identity = await loadIdentity(home.identity, { warn: message => logger.component('home').warn(message) })
  const installation = await openInstallation(home)

  // stores
  const storeLog = logger.component('store')
  let onDamage = (): void => {}
  const local = await DurableBlockstore.open({
    path: home.blocks,
    ...config.store,
    onFault: ({ kind, cid, error }) => {
      onDamage()
      count('store_faults')
      storeLog.error('a block could not be read and will be fetched again', {
        kind,
        cid: cid.toString(),
        reason: error.message
      })
    },
    onDiskState: (state, reason) => storeLog.warn('disk space', { state, reason })
  })
  starting.defer(async () => await local.close())

  // loaded only where somebody may ask for them
  const metrics =
    init.metrics === true ? (await import('./monitor/metrics.ts')).createMetrics({ home: root }) : undefined

  // network
  let network: Network | undefined
  if (online) {
    const datastore = await openDatastore(home.datastore)
    starting.defer(async () => await datastore.close())
    const { swarmKey, ...settings } = config.network
    const key = swarmKey === undefined ? {} : { swarmKey: await readSwarmKey(swarmKey, home.config) }
    await assertCanListen(settings.listen, home.config)
    const { privateKey } = identity
    const running = await createNetwork(
      { blockstore: local, datastore, privateKey },
      { ...settings, ...key, ...(metrics && { metrics: metrics.libp2p }) }
    )
    starting.defer(async () => await running.stop())
    running.libp2p.addEventListener('peer:connect', ({ detail }) =>
      onEvent({ type: 'peer', peer: detail.toString(), connected: true })
    )
    running.libp2p.addEventListener('peer:disconnect', ({ detail }) =>
      onEvent({ type: 'peer', peer: detail.toString(), connected: false })
    )
    const watch = watchReach(running.libp2p.services, ({ state, text }) =>
      onEvent({ type: 'log', level: state === 'unreachable' ? 'warn' : 'info', message: `reachable: ${text}` })
    )
    await watch.start()
    starting.defer(async () => await watch.stop())
    network = running
  }

  // content
  let members: Members | undefined
  if (network !== undefined) {
    const { libp2p, conduct } = network
    const blocks = createBlockClient({ libp2p }, { onFault: (peer, reason) => conduct.fault(peer, reason) })
    await blocks.start()
    starting.defer(async () => await blocks.stop())
    members = createMembers({ libp2p, blocks, logger }, config.timing)
  }
  const content = createContent(
    {
      local,
      network: network?.helia.blockstore,
      members,
      ...(network === undefined ? {} : { movedAt: network.movedAt })
    },
    { blockTimeoutMs: config.timing.blockMs, attempts: config.timing.blockAttempts }
  )
  onDamage = () => content.distrust()

  // protocols, each serving all swarms of the home
  let swarms: Swarms | undefined
  let wire
  if (network !== undefined) {
    const { libp2p, conduct } = network
    const onFault = (peer: PeerId, reason: string): void => conduct.fault(peer, reason)
    const sync = createSync(
      {
        libp2p,
        verify,
        member: cid => {
          const found = swarms?.get(cid.toString())
          if (found === undefined) return undefined
          return {
            swarm: found.swarm,
            records: found.state.set,
            receive: found.state.receive,
            onMember: found.onMember,
            holds: async cids => await content.holdsEach(cids)
          }
        }
      },
      { onFault }
    )
    await sync.start()
    starting.defer(async () => await sync.stop())
    const readMatrix = createMatrixServer({ content, swarms: () => swarms?.all() ?? [] })
    const server = createReferenceServer(
      {
        libp2p,
        read: async (cid, { signal = AbortSignal.timeout(config.timing.blockMs) }) => await readMatrix(cid, { signal })
      },
      { onFault }
    )
    await server.start()
    starting.defer(async () => await server.stop())
    const blockServer = createBlockServer({ libp2p, read: async cid => await content.peek(cid) }, { onFault })
    await blockServer.start()
    starting.defer(async () => await blockServer.stop())
    wire = { network, sync, reference: createReferenceClient({ libp2p }, { onFault }) }
  }

  // child process and thread, started when first needed
  const host = new InferenceHost({ limits: config.inference, scratch: home.spool })
  starting.defer(async () => await host.close())
  const projector = createProjector()
  starting.defer(async () => await projector.close())

  // swarms: each goes on from its log
  const gemm = createOrtGemm(host)
  const opened = createSwarms({
    checks: init.checks ?? true,
    identity,
    config,
    home,
    installation,
    content,
    gemm,
    network: wire,
    logger: logger.component('swarms')
  })
  swarms = opened
  starting.defer(async () => await opened.stop())
  await opened.openKnown()

  const started = starting.move()
  let closing: Promise<void> | undefined
  return {
    identity,
    config,
    home,
    content,
    store: local,
    swarms: opened,
    network,
    host,
    gemm,
    projector,
    logger,
    metrics,
    close: async () => await (closing ??= started.disposeAsync())
  }
}
