/**
 * Step 2 as a participant takes it: the prior's targets on the shared set, once, and on partition after partition, each published as
 * soon as it is done. Finished batches are in a journal: what a crash or a stop leaves there is not computed again.
 */
import { InvalidContentError, InvalidPriorError } from '../../src/errors.ts'
import { priorIdentity } from '../../src/optimize/prior.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Result, Score, SignedRecord } from '../../src/publish/record.ts'
import { storeMatrix, type TargetComputer } from '../priors/compute-targets.ts'
import type { PeerKey } from '../../src/envelope.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import type { Lease } from '../../src/publish/lease.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Content } from '../content/content.ts'
import type { SwarmState } from '../state/swarm-state.ts'
import { hasAllRows } from './next-task.ts'
import type { Publish } from './publish-step.ts'

export interface OptimizeStepComponents {
  self: PeerKey
  state: Pick<SwarmState, 'swarm' | 'set' | 'view'>
  exact: Pick<Exact, 'uniformValue'>
  content: Pick<Content, 'samples' | 'put'>
  prior: Pick<PriorModel, 'descriptor'>
  /** Of this prior in this swarm */
  computer: TargetComputer
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>): Promise<void>
  /** Where the progress of a named piece of work is kept */
  journalPath(name: string): string
  removeJournal(name: string): Promise<void>
  onEvent(event: ApiEvent): void
}

export interface StopSignals {
  /** Finish the batch in flight, then leave */
  signal: AbortSignal
  /** End the batch in flight as well */
  kill: AbortSignal
}

/** A record of fewer is refused by everybody. */
const MIN_PRESENT = 2

/** `no-targets`: the prior, labels or a table, knows none of the rows. `left`: another peer finished it meanwhile. */
export type PartitionOutcome = 'published' | 'no-targets' | 'left'

export interface OptimizeStep {
  /** The score record of this prior, computed and published unless it was before */
  score(): Promise<SignedRecord<Score>>
  /** Compute and publish the raw targets of one partition. `improving`: go on although others have finished it. */
  partition(index: number, by: SignedRecord<Score>, improving: boolean): Promise<PartitionOutcome>
}

export function createOptimizeStep(
  components: OptimizeStepComponents,
  publish: Publish,
  { renewMs }: { renewMs: number },
  { signal, kill }: StopSignals
): OptimizeStep {
  const { self, state, exact, content, prior, computer, onEvent } = components
  const { manifest } = state.swarm
  const id = priorIdentity(prior.descriptor)
  const stopping = AbortSignal.any([signal, kill])

  const score = async (): Promise<SignedRecord<Score>> => {
    const { kind, name, dimension, license, bundle, server } = prior.descriptor
    const published = state.set
      .byType('score')
      .filter(({ body }) => peerIdOf(body.author) === peerIdOf(self) && body.prior.id.equals(id))
      // a score without the bundle promises less than this one would
      .find(({ body }) => bundle === undefined || body.prior.bundle?.cid.equals(bundle.cid) === true)
    if (published !== undefined) return published
    const journal = `score-${id}`
    const { targets, present } = await computer.ofFile({
      journal: components.journalPath(journal),
      rows: manifest.shared.rows,
      samples: start => content.samples(manifest.shared, start, kill),
      onBatch: (done, rows) => {
        onEvent({ type: 'scoring', done, rows })
        if (done < rows) stopping.throwIfAborted()
      },
      signal: kill
    })
    if (present < MIN_PRESENT)
      throw new InvalidPriorError(
        `"${name}" knows ${present} of the ${manifest.shared.rows} shared images: its keys must be their CIDs, the sha256 of their files, or file names of the very files that were published ("coopt prior check --shared" tells the coverage)`
      )
    if (present < manifest.shared.rows)
      onEvent({
        type: 'log',
        level: 'info',
        message: `"${name}" knows ${present} of ${manifest.shared.rows} shared images`
      })
    const record = await publish<Score>({
      type: 'score',
      prior: {
        id,
        kind,
        name,
        dimension,
        ...(license === undefined ? {} : { license }),
        ...(bundle === undefined ? {} : { bundle })
      },
      targets: await storeMatrix(targets, content.put),
      present,
      uniformValue: await exact.uniformValue(targets),
      // nobody else can run it, and readers that do not know the name ignore it
      ...(server === undefined ? {} : { ext: { server: server.protocol } })
    })
    await components.removeJournal(journal)
    return record
  }

  const partition = async (index: number, by: SignedRecord<Score>, improving: boolean): Promise<PartitionOutcome> => {
    const file = manifest.partitions[index]
    if (file === undefined) throw new InvalidContentError(`swarm ${state.swarm.id} has no partition ${index}`)
    const journal = `${id}-${index}`
    let renewed = performance.now()
    let outcome: PartitionOutcome = 'no-targets'
    const lease = async (done: number, released = false): Promise<void> =>
      await components.announceLease({ partition: index, task: 'optimize', done, released })
    await lease(0)
    onEvent({ type: 'partition', partition: index, state: 'started', rows: file.rows })
    try {
      const { targets, present } = await computer.ofFile({
        journal: components.journalPath(journal),
        rows: file.rows,
        samples: start => content.samples(file, start, kill),
        onBatch: async (done, rows) => {
          onEvent({ type: 'batch', partition: index, done, rows })
          if (done === rows) return
          stopping.throwIfAborted() // the journal has it: the next start goes on from here
          if (!improving && hasAllRows(manifest, state.view(), index)) throw new FinishedByOthers()
          if (performance.now() - renewed < renewMs) return
          renewed = performance.now()
          await lease(done)
        },
        signal: kill
      })
      if (present > 0) {
        const raw = await storeMatrix(targets, content.put)
        await publish<Result>({ type: 'result', partition: index, score: by.id, raw, present })
        outcome = 'published'
      }
    } catch (error) {
      if (!(error instanceof FinishedByOthers)) throw error
      onEvent({ type: 'partition', partition: index, state: 'left', rows: file.rows })
      outcome = 'left'
    } finally {
      await lease(0, true)
    }
    await components.removeJournal(journal)
    return outcome
  }

  return { score, partition }
}

// --- internal ---

/** Another peer finished the partition while this node worked on it. */
class FinishedByOthers extends Error {}
