/** What a node can do, as operations on its runtime. */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCid } from '../src/codec.ts'
import { decodeInvite, encodeInvite } from '../src/distribute/invite.ts'
import { InvalidInputError } from '../src/errors.ts'
import type { CallOptions } from './api.ts'
import type { CoOptNode, CoOptNodeInit } from './library.ts'
import { directoryCid } from './directory-cid.ts'
import { evaluateDataset } from './evaluate/evaluate-dataset.ts'
import { exportDataset } from './export/export-dataset.ts'
import { importCar } from './export/import-car.ts'
import type { Gateway } from './gateway/gateway.ts'
import { joinSwarm } from './join-swarm.ts'
import type { Membership } from './membership.ts'
import { mergeSwarm, mergeUnlessKnown, writeDataset } from './merge-swarm.ts'
import { publishName } from './publish-name.ts'
import { publishSwarm } from './publish-swarm.ts'
import { checkPriorIn } from './preview/check-shared.ts'
import { peerReports, peerRows, referenceReport } from './reports.ts'
import type { Runtime } from './runtime.ts'
import { swarmStatus } from './swarm-status.ts'
import { upkeepOf } from './upkeep.ts'
import { verifyMerged } from './verify-merged.ts'

/** The bundled untrained prior, next to node/ in a checkout and next to dist/ in the package. */
const UNTRAINED_PRIOR = fileURLToPath(new URL('../priors/untrained', import.meta.url))

/** The operations on a runtime, which `close` closes. */
export function nodeOf(
  runtime: Runtime,
  init: Pick<CoOptNodeInit, 'onEvent' | 'onStop'> & { gateway?: Gateway | undefined } = {}
): CoOptNode {
  const { onEvent = () => {} } = init
  const { identity, config, content, swarms, network, host, gemm, logger } = runtime
  const peer = identity.peerId
  const addresses = (): string[] => network?.libp2p.getMultiaddrs().map(String) ?? []

  const joined = new Map<string, string>() // swarm -> prior that takes part

  const membershipOf = async (text: string, call: CallOptions): Promise<Membership> =>
    await swarms.find(decodeInvite(text), anySignal(call))

  const inviteOf = ({ swarm }: Membership): string => {
    const own = addresses()
    // without a network the configured addresses are what a daemon on this home will have
    return encodeInvite({
      swarm: swarm.id,
      addresses: own.length > 0 ? own : configuredAddresses(config.network.listen, peer)
    })
  }

  return {
    peer,
    addresses,
    gateway: init.gateway?.url,

    publish: async (source, options, call = {}) => {
      const { swarm, duplicates, leftOut } = await publishSwarm(
        {
          self: identity.key,
          sign: identity.sign,
          content,
          host,
          limits: config.inference,
          spool: join(runtime.home.root, 'spool'),
          untrainedPrior: UNTRAINED_PRIOR,
          onEvent: call.onEvent ?? onEvent,
          signal: anySignal(call)
        },
        source,
        options
      )
      const membership = await swarms.open(swarm, [])
      const { manifest } = swarm
      return {
        manifest: swarm.id.toString(),
        invite: inviteOf(membership),
        samples: manifest.samples,
        duplicates,
        leftOut: [...leftOut],
        partitions: manifest.partitions.length,
        shared: manifest.shared.rows,
        dimension: manifest.dimension,
        bytes: manifest.partitions.reduce((sum, p) => sum + p.bytes, manifest.shared.bytes)
      }
    },

    join: async (invite, options, call = {}) => {
      const membership = await membershipOf(invite, call)
      const { settleMs, leaseMs, handoffMs } = config.timing
      const never = new AbortController().signal
      const id = membership.swarm.id.toString()
      const prior = directoryCid(options.prior) === undefined ? resolve(options.prior) : options.prior
      const first = joined.get(id)
      if (first !== undefined) {
        // both would take work by one view and lease it under one name, and one journal would be written by two
        throw new InvalidInputError(
          `this node already takes part in swarm ${id} with the prior ${first}: stop that first, or let ${prior} take part from another home`
        )
      }
      joined.set(id, prior)
      return await joinSwarm(
        {
          self: identity.key,
          membership,
          content,
          gemm,
          limits: config.inference,
          spool: join(runtime.home.root, 'spool'),
          onEvent: call.onEvent ?? onEvent,
          logger
        },
        { ...options, prior },
        { settleMs, leaseMs, handoffMs, batchSize: config.batchSize },
        { signal: call.signal ?? never, kill: call.kill ?? never }
      ).finally(() => joined.delete(id))
    },

    status: async (invite, call = {}) => {
      const chosen = invite === undefined ? swarms.all() : [await membershipOf(invite, call)]
      await Promise.all(chosen.map(async membership => await membership.state.settled(anySignal(call))))
      const gateway = init.gateway === undefined ? {} : { gateway: init.gateway.url }
      return {
        peer,
        addresses: addresses(),
        ...gateway,
        ...(swarms.waiting().length === 0 ? {} : { opening: swarms.waiting() }),
        swarms: await Promise.all(
          chosen.map(
            async one =>
              await swarmStatus(one, {
                content,
                peer,
                invite: inviteOf(one),
                network: network !== undefined
              })
          )
        )
      }
    },

    peers: async () => (network === undefined ? [] : await peerReports(network.libp2p, swarms.all())),

    priorCheck: async (prior, options, call = {}) =>
      await checkPriorIn(
        runtime,
        directoryCid(prior) === undefined ? resolve(prior) : prior,
        { ...options, ...(options.image === undefined ? {} : { image: resolve(options.image) }) },
        { onEvent: call.onEvent ?? onEvent, signal: anySignal(call) }
      ),

    merge: async (invite, options, call = {}) => {
      const signal = anySignal(call)
      const membership = await membershipOf(invite, call)
      const { state } = membership
      if (network !== undefined) await membership.catchUp(config.timing.catchUpMs, signal)
      await state.settled(signal)
      const merged = await mergeSwarm(membership, content)
      const view = state.view()
      const reference = referenceReport(state, view.election)
      return {
        mergedCid: merged.root.toString(),
        provisional: merged.provisional || state.unjudged() > 0,
        unjudged: state.unjudged(),
        coverage: merged.coverage,
        rows: merged.rows,
        ...(reference === undefined ? {} : { reference }),
        peers: peerRows(state, view),
        ...(options.name === undefined
          ? {}
          : { ipns: await publishName(runtime.home.root, options.name, merged.root, new Date()) }),
        ...(options.out === undefined
          ? {}
          : { out: await writeDataset(membership, content, merged, options.out, signal) })
      }
    },

    verify: async (text, options = {}, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      const rerun =
        options.rerun === undefined
          ? undefined
          : { rows: options.rerun, limits: config.inference, spool: join(runtime.home.root, 'spool') }
      return await verifyMerged(cid, { content, gemm, rerun }, anySignal(call))
    },

    export: async (text, options, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      return await exportDataset(cid, options, { content, onEvent: call.onEvent ?? onEvent, signal: anySignal(call) })
    },

    evaluate: async (text, options, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      return await evaluateDataset(cid, options, {
        content,
        gemm,
        limits: config.inference,
        batchSize: config.batchSize,
        untrainedPrior: UNTRAINED_PRIOR,
        onEvent: call.onEvent ?? onEvent,
        signal: anySignal(call)
      })
    },

    import: async (file, call = {}) =>
      await importCar(file, { content, swarms, onEvent: call.onEvent ?? onEvent, signal: anySignal(call) }),

    ...upkeepOf(runtime, { addresses, onEvent }),

    stop: async () => init.onStop?.(),

    close: async () => {
      try {
        await init.gateway?.close()
      } finally {
        await runtime.close()
      }
    }
  }
}

// --- internal ---

function anySignal({ signal, kill }: CallOptions): AbortSignal {
  return AbortSignal.any([signal, kill].flatMap(s => (s === undefined ? [] : [s])))
}

/** Dialable forms of configured addresses: a fixed port on loopback stands in for "all interfaces". */
function configuredAddresses(listen: readonly string[], peer: string): string[] {
  return listen
    .filter(address => !/\/tcp\/0(\/|$)/.test(address))
    .map(
      address => `${address.replace('/ip4/0.0.0.0/', '/ip4/127.0.0.1/').replace('/ip6/::/', '/ip6/::1/')}/p2p/${peer}`
    )
}
