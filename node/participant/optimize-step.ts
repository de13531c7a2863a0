/**
 * Step 2 as a participant takes it: the prior's targets on the shared set, once, and on partition after partition, each published as
 * soon as it is done. Finished batches are in a journal: what a crash or a stop leaves there is not computed again.
 */
import { priorIdentity } from '../../src/optimize/prior.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Result, Score, SignedRecord } from '../../src/publish/record.ts'
import { storeMatrix } from '../priors/compute-targets.ts'
import type { ParticipantComponents, ParticipantInit, ParticipantSignals } from './components.ts'
import type { Publish } from './publish-step.ts'

export interface OptimizeStep {
  /** The score of this prior; made and published unless it was before */
  score(): Promise<SignedRecord<Score>>
  /**
   * Raw targets of one partition. `improving`: go on although others have finished it. Resolves to false for a partition of which
   * the prior (a human one) knows no row.
   */
  partition(index: number, by: SignedRecord<Score>, improving: boolean): Promise<boolean>
}

export function createOptimizeStep(
  components: ParticipantComponents,
  publish: Publish,
  { renewMs }: Pick<ParticipantInit, 'renewMs'>,
  { signal, kill }: ParticipantSignals
): OptimizeStep {
  const { self, state, exact, content, prior, optimizer, onEvent } = components
  const { manifest } = state.swarm
  const id = priorIdentity(prior.descriptor)
  const stopping = AbortSignal.any([signal, kill])

  const score = async (): Promise<SignedRecord<Score>> => {
    const { kind, name, dimension, license, bundle } = prior.descriptor
    const known = state.set
      .byType('score')
      .filter(({ body }) => peerIdOf(body.author) === peerIdOf(self) && body.prior.id.equals(id))
      // a score without the bundle promises less than this one would
      .find(({ body }) => bundle === undefined || body.prior.bundle?.cid.equals(bundle.cid) === true)
    if (known !== undefined) return known
    const journal = `score-${id}`
    const { targets, present } = await optimizer.optimize({
      journal: components.journalPath(journal),
      rows: manifest.shared.rows,
      samples: start => content.samples(manifest.shared, start, kill),
      onBatch: (done, rows) => {
        onEvent({ type: 'scoring', done, rows })
        if (done < rows) stopping.throwIfAborted()
      },
      signal: kill
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
      uniformValue: await exact.uniformValue(targets)
    })
    await components.removeJournal(journal)
    return record
  }

  const partition = async (index: number, by: SignedRecord<Score>, improving: boolean): Promise<boolean> => {
    const file = manifest.partitions[index]
    if (file === undefined) return false
    const journal = `${id}-${index}`
    let renewed = performance.now()
    let known = true
    const lease = async (done: number, released = false): Promise<void> =>
      await components.announceLease({ partition: index, task: 'optimize', done, released })
    await lease(0)
    onEvent({ type: 'partition', partition: index, state: 'started', rows: file.rows })
    try {
      const { targets, present } = await optimizer.optimize({
        journal: components.journalPath(journal),
        rows: file.rows,
        samples: start => content.samples(file, start, kill),
        onBatch: async (done, rows) => {
          onEvent({ type: 'batch', partition: index, done, rows })
          if (done === rows) return
          stopping.throwIfAborted() // the journal has it: the next start goes on from here
          if (!improving && state.view().chosen.has(index)) throw new FinishedByOthers()
          if (performance.now() - renewed < renewMs) return
          renewed = performance.now()
          await lease(done)
        },
        signal: kill
      })
      if (present > 0) {
        const raw = await storeMatrix(targets, content.put)
        await publish<Result>({ type: 'result', partition: index, score: by.id, raw, present })
      }
      known = present > 0
    } catch (error) {
      if (!(error instanceof FinishedByOthers)) throw error
      onEvent({ type: 'partition', partition: index, state: 'left', rows: file.rows })
    } finally {
      await lease(0, true)
    }
    await components.removeJournal(journal)
    return known
  }

  return { score, partition }
}

// --- internal ---

/** Another peer finished the partition while we were at it. */
class FinishedByOthers extends Error {}
