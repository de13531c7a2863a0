/** `coopt join`: load the prior, take part, and (with `once`) leave only when others hold what was published. */
import type { Gemm } from '../../src/gemm.ts'
import { setTimeout as pause } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../../src/envelope.ts'
import { imageLimitsOf, isAdmitted } from '../../src/distribute/manifest.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { isIsometry } from '../../src/optimize/projection.ts'
import { heldBundle } from '../priors/bundle/fetch-bundle.ts'
import { loadPriorToJoin } from '../priors/bundle/join-prior.ts'
import type { ApiEvent } from '../api/events.ts'
import type { JoinOptions } from '../api/options.ts'
import type { JoinReport } from '../api/reports.ts'
import type { Content } from '../content/content.ts'
import { decodeLimits, type InferenceLimits } from '../compute/inference/limits.ts'
import type { Logger } from '../process/logger.ts'
import type { Membership } from '../swarms/membership.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'
import { createOptimizer } from '../priors/compute-targets.ts'
import { participate } from './participant.ts'
import { referenceReport } from '../swarms/peer-rows.ts'

export interface JoinComponents {
  self: PeerKey
  membership: Membership
  content: Content
  gemm: Gemm
  limits: Partial<InferenceLimits>
  /** Folder of the home for temporary files */
  spool: string
  onEvent(event: ApiEvent): void
  logger: Logger
}

export interface JoinTiming {
  settleMs: number
  leaseMs: number
  /** How long to wait with `once` until other members hold what was published, ms */
  handoffMs: number
  batchSize: number
}

export async function joinSwarm(
  components: JoinComponents,
  options: JoinOptions,
  timing: JoinTiming,
  { signal, kill }: { signal: AbortSignal; kill: AbortSignal }
): Promise<JoinReport> {
  const { self, membership, content, gemm, onEvent, logger } = components
  const { swarm, state } = membership
  const { manifest } = swarm
  // the others would drop every record, so that this node alone saw its work
  if (!isAdmitted(manifest, self))
    throw new InvalidInputError(
      `the publisher's list of swarm "${manifest.name}" does not have this node: ask for ${peerIdOf(self)} to be on it`
    )
  const given = {
    limits: { ...components.limits, ...decodeLimits(imageLimitsOf(manifest)) },
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.license === undefined ? {} : { license: options.license })
  }
  const prior = await loadPriorToJoin(options.prior, given, {
    content,
    spool: components.spool,
    onLicense: message => onEvent({ type: 'log', level: 'info', message }),
    signal: AbortSignal.any([signal, kill])
  })
  let elected: string | undefined
  const onElection = (): void => {
    const reference = referenceReport(state, state.view().election)
    if (reference === undefined || reference.cid === elected) return
    elected = reference.cid
    onEvent({ type: 'election', reference })
  }
  let completed = false
  const onChange = (): void => {
    const { complete } = state.view()
    if (complete && !completed) onEvent({ type: 'log', level: 'info', message: 'every partition has aligned targets' })
    completed = complete
  }
  state.events.addEventListener('election', onElection)
  state.events.addEventListener('change', onChange)
  try {
    const { dimension, name } = prior.descriptor
    if (!isIsometry(dimension, manifest.dimension)) {
      onEvent({
        type: 'log',
        level: 'warn',
        message: `prior "${name}" has ${dimension} dimensions, this swarm keeps ${manifest.dimension}: some information is lost in the projection`
      })
    }
    // a node that was restored from a backup must learn its own later records before it signs under a number again
    await membership.catchUp(MEET_MS, signal)
    const optimizer = createOptimizer({ swarm, prior, batchSize: timing.batchSize })
    const maxPartitions = options.maxPartitions ?? Number.POSITIVE_INFINITY
    let partitions = 0
    let complete = false
    do {
      const report = await participate(
        { ...membership, self, content, prior, gemm, onEvent, logger, optimizer },
        {
          once: options.once,
          maxPartitions: maxPartitions - partitions,
          settleMs: timing.settleMs,
          renewMs: timing.leaseMs / 3
        },
        { signal, kill }
      )
      partitions += report.partitions
      if (report.complete && options.once && !signal.aborted) {
        await handOff(components, timing.handoffMs, signal)
        await state.settled(AbortSignal.any([signal, kill]))
      }
      complete = state.view().complete
      // a better prior may have come while we waited for the others: then there is something to do again
    } while (!complete && options.once && !signal.aborted && !kill.aborted)
    const merged = complete ? await mergeSwarm(membership, content) : undefined
    if (merged !== undefined)
      onEvent({ type: 'complete', manifest: swarm.id.toString(), mergedCid: merged.root.toString() })
    return {
      manifest: swarm.id.toString(),
      peer: peerIdOf(self),
      prior: name,
      partitions,
      complete,
      ...(merged === undefined ? {} : { mergedCid: merged.root.toString() })
    }
  } finally {
    state.events.removeEventListener('election', onElection)
    state.events.removeEventListener('change', onChange)
    await prior.close()
  }
}

// --- internal ---

/** A member that is there is met within a second; a node that is alone for now should not wait long to begin. */
const MEET_MS = 3000

/** Pause before the next question to the other members, growing to the second: they answer one a second at most (protocols/sync). */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 4000

/** Sync, so that the others know our records, and wait until another member holds every file that only we are known to hold. */
async function handOff(
  { self, membership, content, onEvent }: JoinComponents,
  ms: number,
  signal: AbortSignal
): Promise<void> {
  const me = peerIdOf(self)
  const mine = async (): Promise<CID[]> => {
    const { chosen } = membership.state.view()
    const bundles = new Map<string, CID>()
    for (const { body } of [...chosen.values()].map(({ score }) => score))
      if (peerIdOf(body.author) === me && body.prior.bundle !== undefined)
        bundles.set(body.prior.bundle.cid.toString(), body.prior.bundle.cid)
    const files = await Promise.all([...bundles.values()].map(async cid => (await heldBundle(cid, content)) ?? []))
    return [
      ...files.flat(),
      ...[...chosen.values()].flatMap(({ result, alignment }) => [
        ...(peerIdOf(result.body.author) === me ? [result.body.raw] : []),
        ...(peerIdOf(alignment.body.author) === me ? [alignment.body.shard] : [])
      ])
    ]
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(ms)])
  let open = await mine()
  let wait = FIRST_PAUSE_MS
  await membership.sync(deadline)
  // alone there is nobody to wait for
  while (open.length > 0 && !deadline.aborted && membership.members().length > 0) {
    try {
      const held = await membership.heldByOthers(open, deadline)
      const still = new Set((await mine()).map(cid => cid.toString()))
      open = open.filter((cid, i) => held[i] !== true && still.has(cid.toString()))
    } catch (error) {
      if (!deadline.aborted) throw error
      break
    }
    if (open.length > 0) {
      onEvent({ type: 'log', level: 'debug', message: `waiting for another member to hold ${open.length} files` })
      await pause(wait, undefined, { signal: deadline }).catch(() => undefined) // the loop looks at the deadline itself
      wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
    }
  }
  if (open.length > 0) {
    onEvent({
      type: 'log',
      level: 'warn',
      message: `${open.length} files are held by this node only: run "coopt up" to keep serving them`
    })
  }
}
