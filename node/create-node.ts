/**
 * Everything that the commands can do, in process and typed: each operation picks what it needs from the runtime and calls the folder that does
 * the work. Arguments are checked before, by the table of api/operations.ts.
 */
import { parseCid } from '../src/codec.ts'
import { decodeInvite } from '../src/distribute/invite.ts'
import { InvalidInputError } from '../src/errors.ts'
import { localAcceptance } from '../src/merge/local-view.ts'
import type { SwarmView } from '../src/merge/views.ts'
import type { CallOptions, CoOptApi, CoOptNode, CoOptNodeInit } from './api/api.ts'
import { callSignal } from './api/call-signal.ts'
import { withCheckedArguments } from './api/operations.ts'
import { absolutePaths, priorLocation } from './api/prior-location.ts'
import type { InviteReport, MergeReport } from './api/reports.ts'
import { evaluateDataset } from './evaluate/evaluate-dataset.ts'
import { exportDataset } from './export/export-dataset.ts'
import { mergeToFolder } from './export/merge-to-folder.ts'
import { assertNewFolder } from './store/new-file.ts'
import { importCar } from './export/import-car.ts'
import type { Gateway } from './gateway/gateway.ts'
import { writeReport } from './lab/report/write-report.ts'
import { checkJoinOptions } from './participant/join-options.ts'
import { joinSwarm } from './participant/join-swarm.ts'
import type { Membership } from './swarms/membership.ts'
import { onlyOne, ownInvite } from './swarms/own-invite.ts'
import { mergeSwarm, mergeUnlessKnown } from './merge/merge-swarm.ts'
import { checkSpace } from './participant/assert-space.ts'
import { autoCollectOf } from './upkeep/auto-collect.ts'
import type { Monitor } from './monitor/monitor.ts'
import { createIpnsNames } from './upkeep/ipns-names.ts'
import { publishReport } from './publish/publish-report.ts'
import { publishSwarm } from './publish/publish-swarm.ts'
import { checkPriorIn } from './evaluate/preview/check-shared.ts'
import { checksReport } from './swarms/check-report.ts'
import { peerReports, peerRows, referenceReport } from './swarms/peer-rows.ts'
import { bundledPrior } from './priors/bundled.ts'
import type { OwnAddress } from './network/own-addresses.ts'
import { reachReport } from './network/reach-report.ts'
import type { Runtime } from './runtime.ts'
import { swarmStatus } from './swarms/swarm-status.ts'
import { upkeepOf } from './upkeep/upkeep.ts'
import { verifyMerged } from './verify/verify-merged.ts'

const UNTRAINED_PRIOR = bundledPrior('untrained')

/** The operations on a runtime, which `close` closes. */
export function nodeOf(
  runtime: Runtime,
  init: Pick<CoOptNodeInit, 'onEvent' | 'onStop'> & { gateway?: Gateway | undefined; monitor?: Monitor } = {}
): CoOptNode {
  const { onEvent = () => {} } = init
  const { identity, config, content, swarms, network, gemm, projector, logger } = runtime
  const { spool } = runtime.home
  const peer = identity.peerId
  const own = (): OwnAddress[] => network?.libp2p.services.own.list() ?? []
  const addresses = (): string[] => own().map(({ address }) => address.toString())

  const names = createIpnsNames(runtime.home.root)
  const priorsAtWork = new Map<string, string>() // swarm -> prior that takes part

  const membershipOf = async (text: string, call: CallOptions): Promise<Membership> =>
    await swarms.find(decodeInvite(text), callSignal(call), message =>
      (call.onEvent ?? onEvent)({ type: 'log', level: 'info', message })
    )

  const inviteOf = async ({ swarm }: Pick<Membership, 'swarm'>): Promise<Omit<InviteReport, 'manifest'>> =>
    ownInvite(swarm, {
      own: own().map(({ address, verified }) => ({ address: address.toString(), verified })),
      configured: config.network.announce ?? config.network.listen,
      members: await swarms.addresses(swarm.id),
      peer
    })

  const upkeep = upkeepOf(runtime, { names, addresses, onEvent })
  const collector = autoCollectOf(runtime, upkeep)
  const checksOf = (membership: Membership, view: SwarmView): Pick<MergeReport, 'checks'> => {
    const here = network === undefined ? undefined : new Set([peer, ...membership.members().map(String)])
    const checks = checksReport(membership.state, view, here)
    return checks === undefined ? {} : { checks }
  }

  const operations: CoOptApi = {
    publish: async (source, options, call = {}) => {
      using writing = content.writing() // until the swarm is open, nothing names the blocks
      const { swarm, ...rest } = await publishSwarm(
        {
          self: identity.key,
          sign: identity.sign,
          content: { ...content, put: writing.put },
          limits: config.inference,
          batchSize: config.batchSize,
          spool,
          untrainedPrior: UNTRAINED_PRIOR,
          onEvent: call.onEvent ?? onEvent,
          signal: callSignal(call)
        },
        source,
        options
      )
      const membership = await swarms.open(swarm, [])
      return { ...publishReport(swarm, rest), invite: (await inviteOf(membership)).invite }
    },

    join: async (invite, options, call = {}) => {
      checkJoinOptions(options)
      const membership = await membershipOf(invite, call)
      const { settleMs, leaseMs, handoffMs, patienceMs } = config.timing
      const never = new AbortController().signal
      const id = membership.swarm.id.toString()
      const prior = priorLocation(options.prior)
      const first = priorsAtWork.get(id)
      if (first !== undefined) {
        // both would take work by one view and lease it under one name, and one journal would be written by two
        throw new InvalidInputError(
          `this node already takes part in swarm ${id} with the prior ${first}: stop that first, or let ${prior} take part from another home`
        )
      }
      const tell = call.onEvent ?? onEvent
      await checkSpace(membership, runtime, options.maxPartitions, tell)
      priorsAtWork.set(id, prior)
      using writing = content.writing() // blocks put for a record are kept until it is in the set
      const announce: Membership['announce'] = async record => {
        writing.release()
        await membership.announce(record)
      }
      return await joinSwarm(
        {
          self: identity.key,
          membership: { ...membership, announce },
          content: { ...content, put: writing.put },
          gemm,
          projector,
          limits: config.inference,
          machine: config.inference,
          spool,
          onEvent: init.monitor?.activity.tap(id, tell) ?? tell,
          logger: logger.component('participant')
        },
        { ...absolutePaths(options), prior },
        { settleMs, leaseMs, handoffMs, patienceMs, batchSize: config.batchSize },
        { signal: call.signal ?? never, kill: call.kill ?? never }
      )
        .then(report => ({ ...report, ...checksOf(membership, membership.state.view()) }))
        .finally(() => {
          priorsAtWork.delete(id)
          init.monitor?.activity.ended(id)
        })
    },

    status: async (invite, call = {}) => {
      const chosen = invite === undefined ? swarms.all() : [await membershipOf(invite, call)]
      await Promise.all(chosen.map(async membership => await membership.state.untilJudged(callSignal(call))))
      const gateway = init.gateway === undefined ? {} : { gateway: init.gateway.url }
      return {
        peer,
        addresses: addresses(),
        ...(network === undefined ? {} : { reach: reachReport(network.libp2p.services) }),
        ...gateway,
        ...(swarms.waiting().length === 0 ? {} : { opening: swarms.waiting() }),
        swarms: await Promise.all(
          chosen.map(
            async one =>
              await swarmStatus(one, {
                content,
                peer,
                invite: (await inviteOf(one)).invite,
                network: network !== undefined
              })
          )
        )
      }
    },

    invite: async (text, call = {}) => {
      const membership = text === undefined ? onlyOne(swarms.all()) : await membershipOf(text, call)
      return { manifest: membership.swarm.id.toString(), ...(await inviteOf(membership)) }
    },

    peers: async () => (network === undefined ? [] : await peerReports(network.libp2p, swarms.all())),

    priorCheck: async (prior, options, call = {}) =>
      await checkPriorIn(
        {
          content,
          swarms,
          limits: config.inference,
          machine: config.inference,
          projector,
          batchSize: config.batchSize,
          catchUpMs: config.timing.catchUpMs,
          spool
        },
        priorLocation(prior),
        absolutePaths(options),
        { onEvent: call.onEvent ?? onEvent, signal: callSignal(call) }
      ),

    merge: async (invite, { out, name, confirmed, trust }, call = {}) => {
      const signal = callSignal(call)
      if (out !== undefined) await assertNewFolder(out)
      const membership = await membershipOf(invite, call)
      const { state } = membership
      if (network !== undefined) await membership.catchUp(config.timing.catchUpMs, signal)
      await state.untilJudged(signal)
      const unjudged = state.unjudged()
      const isLocal = confirmed !== undefined || trust !== undefined
      const acceptance = isLocal ? localAcceptance(membership.swarm.manifest, { confirmed, trust }) : undefined
      const source =
        acceptance === undefined ? membership : { swarm: membership.swarm, state: await state.localState(acceptance) }
      const merged = await (out === undefined
        ? mergeSwarm(source, content)
        : mergeToFolder(source, out, content, signal, call.onEvent ?? onEvent))
      const { view } = merged
      const reference = referenceReport(state, view.election)
      return {
        mergedCid: merged.root.toString(),
        provisional: merged.provisional || unjudged > 0,
        unjudged,
        coverage: merged.coverage,
        rows: merged.rows,
        ...checksOf(membership, view),
        ...(isLocal ? { localView: true } : {}),
        ...(reference === undefined ? {} : { reference }),
        peers: peerRows(state, view),
        ...(name === undefined ? {} : { ipns: await names.publish(name, merged.root, new Date()) }),
        ...(out === undefined ? {} : { out })
      }
    },

    verify: async (text, options = {}, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      const rerun =
        options.rerun === undefined
          ? undefined
          : { rows: options.rerun, limits: config.inference, projector, batchSize: config.batchSize, spool }
      return await verifyMerged(cid, { content, gemm, rerun, fetch: options.fetch === true }, callSignal(call))
    },

    export: async (text, options, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      return await exportDataset(cid, options, { content, onEvent: call.onEvent ?? onEvent, signal: callSignal(call) })
    },

    evaluate: async (text, options, call = {}) => {
      const cid = parseCid(text)
      await mergeUnlessKnown(cid, swarms.all(), content)
      const components = {
        content,
        gemm,
        projector,
        limits: config.inference,
        spool,
        batchSize: config.batchSize,
        untrainedPrior: UNTRAINED_PRIOR,
        onEvent: call.onEvent ?? onEvent,
        signal: callSignal(call)
      }
      return options.report === undefined
        ? (await evaluateDataset(cid, options, components)).report
        : await writeReport(cid, options.report, options, components)
    },

    import: async (file, call = {}) =>
      await importCar(file, { content, swarms, onEvent: call.onEvent ?? onEvent, signal: callSignal(call) }),

    ...upkeep,

    stop: async () => init.onStop?.()
  }

  return {
    ...withCheckedArguments(operations),
    peer,
    addresses,
    gateway: init.gateway?.url,
    close: async () => {
      try {
        init.monitor?.close()
        await collector?.stop()
        await init.gateway?.close()
      } finally {
        await runtime.close()
      }
    }
  }
}
