/**
 * `coopt join`: loads the prior, takes part, and with `once` leaves only when other members hold what this node published, or none is there.
 *
 * What cannot be published is refused before anything is computed. The prior's process has ended when the promise settles.
 */
import type { Gemm } from '../../src/gemm.ts'
import { setTimeout as pause } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { equalBytes } from '../../src/codec.ts'
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
import type { DeviceSettings } from '../compute/inference/accelerator.ts'
import { runsOnText } from '../compute/inference/runs-on-text.ts'
import { machineShare } from '../compute/inference/machine.ts'
import type { Projector } from '../compute/projection/projector.ts'
import type { Logger } from '../process/logger.ts'
import type { Membership } from '../swarms/membership.ts'
import { mergeSwarm } from '../merge/merge-swarm.ts'
import { createTargetComputer } from '../priors/compute-targets.ts'
import { assumedOf, assumptions } from '../priors/describe-preprocessing.ts'
import { checkPublishedFacts } from './join-options.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { awaitConfirmation, type Outcome } from './await-confirmation.ts'
import { hasResultBy } from './next-task.ts'
import { createDeparture, mayChange } from './departure.ts'
import { participate } from './participant.ts'
import { referenceReport } from '../swarms/peer-rows.ts'

export interface JoinComponents {
  self: PeerKey
  membership: Membership
  content: Content
  gemm: Gemm
  projector: Projector
  limits: Partial<InferenceLimits>
  /** Where models run unless the options say */
  machine: DeviceSettings
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
  /** How long to stay with `once` while others compute scores or improve finished work, ms */
  patienceMs: number
  batchSize: number
}

export async function joinSwarm(
  components: JoinComponents,
  options: JoinOptions,
  timing: JoinTiming,
  { signal, kill }: { signal: AbortSignal; kill: AbortSignal }
): Promise<JoinReport> {
  const { self, membership, content, gemm, projector, onEvent, logger } = components
  const { swarm, state } = membership
  const { manifest } = swarm
  // the others would drop every record, and only this node would see its work
  if (!isAdmitted(manifest, self))
    throw new InvalidInputError(
      `the publisher of swarm "${manifest.name}" has not admitted this node: ask for ${peerIdOf(self)} to be added`
    )
  // before the model is loaded: members that could leave wait for a newcomer
  await using departure = createDeparture(
    { ...membership, onEvent, logger },
    { patienceMs: timing.patienceMs, renewMs: timing.leaseMs / INTENTS_PER_LEASE }
  )
  departure.intend('score')
  let told = performance.now()
  const onRows = (rows: number): void => {
    signal.throwIfAborted()
    if (performance.now() - told < READING_MS) return
    told = performance.now()
    onEvent({ type: 'log', level: 'info', message: `reading the table: ${rows} vectors so far` })
  }
  const loadOptions = {
    onRows,
    limits: { ...components.limits, ...decodeLimits(imageLimitsOf(manifest)) },
    scratch: components.spool,
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(options.preprocessing === undefined ? {} : { preprocessing: options.preprocessing }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.images === undefined ? {} : { images: options.images }),
    onWarning: (message: string) => onEvent({ type: 'log', level: 'warn', message }),
    ...machineShare({ ...options, machine: components.machine }),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.license === undefined ? {} : { license: options.license })
  }
  const prior = await loadPriorToJoin(options.prior, loadOptions, {
    content,
    spool: components.spool,
    onLicense: message => onEvent({ type: 'log', level: 'info', message }),
    signal: AbortSignal.any([signal, kill])
  })
  const assumed = [...assumptions(prior.descriptor.preprocessing), ...assumedOf(prior.descriptor)]
  for (const what of assumed)
    onEvent({ type: 'log', level: 'warn', message: `prior "${prior.descriptor.name}": ${what}` })
  if (prior.descriptor.feature !== undefined)
    onEvent({
      type: 'log',
      level: 'info',
      message: `prior "${prior.descriptor.name}": its feature is ${prior.descriptor.feature}`
    })
  const { device } = prior
  const runsOn = device === undefined || device.asked === 'cpu' ? undefined : device.took
  if (device !== undefined && runsOn !== undefined)
    onEvent({
      type: 'log',
      level: 'info',
      message: `prior "${prior.descriptor.name}" runs on ${runsOnText(device)}`
    })
  let elected: string | undefined
  const onElection = (): void => {
    const reference = referenceReport(state, state.view().election)
    if (reference === undefined || reference.cid === elected) return
    elected = reference.cid
    onEvent({ type: 'election', reference })
  }
  let completed = false
  let score: SignedRecord<Score> | undefined
  let judging: AsyncDisposable | undefined
  const onChange = (): void => {
    const { complete } = state.view()
    if (complete && !completed)
      onEvent({
        type: 'log',
        level: 'info',
        message: `every partition has ${manifest.acceptance === undefined ? 'aligned' : 'confirmed'} targets`
      })
    completed = complete
  }
  state.events.addEventListener('election', onElection)
  state.events.addEventListener('change', onChange)
  try {
    const { dimension, name } = prior.descriptor
    checkPublishedFacts(prior.descriptor)
    const computer = createTargetComputer({
      swarm,
      prior,
      projector,
      batchSize: Math.max(timing.batchSize, options.batch ?? 1),
      onLargeProjection: message => onEvent({ type: 'log', level: 'info', message })
    })
    if (!isIsometry(dimension, manifest.dimension)) {
      onEvent({
        type: 'log',
        level: 'warn',
        message: `prior "${name}" has ${dimension} dimensions, this swarm keeps ${manifest.dimension}: some information is lost in the projection`
      })
    }
    // a node that was restored from a backup must learn its own later records before it signs under a number again
    await membership.catchUp(FIRST_CONTACT_MS, signal)
    await membership.untilAlone(signal)
    const onScored = (own: SignedRecord<Score>): void => {
      score = own
      judging ??= membership.judgeWith({ score: own, computer, isLeaving: options.once })
    }
    const onWait = (unconfirmed: number): void =>
      onEvent({
        type: 'log',
        level: 'info',
        message: `waiting for other members to confirm ${unconfirmed} ${unconfirmed === 1 ? 'partition' : 'partitions'}, ${Math.round(timing.handoffMs / 1000)} s after the last check at most`
      })
    const maxPartitions = options.maxPartitions ?? Number.POSITIVE_INFINITY
    let partitions = 0
    let outcome: Outcome = 'left'
    do {
      const report = await participate(
        { ...membership, self, content, prior, gemm, onEvent, logger, computer, departure, onScored },
        {
          once: options.once,
          maxPartitions: maxPartitions - partitions,
          settleMs: timing.settleMs,
          renewMs: timing.leaseMs / 3
        },
        { signal, kill }
      )
      partitions += report.partitions
      if (report.done && options.once && !signal.aborted) {
        await handOff(components, timing.handoffMs, signal)
        await state.untilJudged(AbortSignal.any([signal, kill]))
        outcome = await awaitConfirmation(
          {
            self,
            state,
            hasOwnResult: p => score !== undefined && hasResultBy(state.set, score, p),
            mayRetry: work => partitions < maxPartitions && membership.mayRetry() && membership.isUndecided(work),
            onWait
          },
          timing.handoffMs,
          AbortSignal.any([signal, kill])
        )
      }
      // a better prior may have arrived during the hand-off, or work of somebody who left turned out to be lost: then there is new work, or some is coming
    } while ((outcome === 'work' || departure.isHeldBack()) && options.once && !signal.aborted && !kill.aborted)
    const view = state.view()
    const { complete } = view
    const isAllChosen = view.chosen.size === manifest.partitions.length
    const merged = isAllChosen ? await mergeSwarm(membership, content) : undefined
    const unconfirmed = view.unconfirmed.filter(p => {
      const author = view.chosen.get(p)?.result.body.author
      return author !== undefined && equalBytes(author, self)
    })
    if (complete && merged !== undefined)
      onEvent({ type: 'complete', manifest: swarm.id.toString(), mergedCid: merged.root.toString() })
    return {
      manifest: swarm.id.toString(),
      peer: peerIdOf(self),
      prior: name,
      ...(runsOn === undefined ? {} : { device: runsOn }),
      ...(assumed.length === 0 ? {} : { assumed }),
      partitions,
      complete,
      ...(unconfirmed.length === 0 ? {} : { unconfirmed }),
      ...(merged === undefined
        ? {}
        : { mergedCid: merged.root.toString(), mayChange: mayChange(membership, departure) })
    }
  } finally {
    state.events.removeEventListener('election', onElection)
    state.events.removeEventListener('change', onChange)
    await judging?.[Symbol.asyncDispose]()
    await prior.close()
  }
}

// --- internal ---

/** Announcements of an intent while a lease would last: every 5 s by default, so that a member that connects in between hears of it soon. */
const INTENTS_PER_LEASE = 12

/** Between two messages of progress. */
const READING_MS = 5000

/** A member that is online is found within a second; a node that is alone for now begins soon. */
const FIRST_CONTACT_MS = 3000

/** Pause before the next question to the other members, doubling up to the longest: they answer one a second at most (protocols/sync). */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 4000

/** Sync, so that the others have our records, then wait until each file that only this node is known to hold is held by another member. */
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
  let unshared = await mine()
  let wait = FIRST_PAUSE_MS
  await membership.sync(deadline)
  // without other members there is nobody to wait for
  while (unshared.length > 0 && !deadline.aborted && membership.members().length > 0) {
    try {
      const held = await membership.heldByOthers(unshared, deadline)
      const chosen = new Set((await mine()).map(cid => cid.toString()))
      unshared = unshared.filter((cid, i) => held[i] !== true && chosen.has(cid.toString()))
    } catch (error) {
      if (!deadline.aborted) throw error
      break
    }
    if (unshared.length > 0) {
      onEvent({ type: 'log', level: 'debug', message: `waiting for another member to hold ${unshared.length} files` })
      await pause(wait, undefined, { signal: deadline }).catch(() => undefined) // the loop looks at the deadline itself
      wait = Math.min(LONGEST_PAUSE_MS, wait * 2)
    }
  }
  if (unshared.length > 0) {
    onEvent({
      type: 'log',
      level: 'warn',
      message: `${unshared.length} files are held by this node only: run "coopt up" to keep serving them`
    })
  }
}
