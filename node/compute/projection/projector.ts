/**
 * Targets W psi(x) of features psi(x), computed in a thread (worker.ts) that keeps W: the event loop stays free, and the same swarm, l and n
 * never cost a second W. The numbers are those of src/optimize/projection.ts, bit for bit.
 */
import type { CID } from 'multiformats/cid'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { startThread, type Thread } from '../thread/thread.ts'
import type { ProjectQuestion } from './worker.ts'

export interface Projector {
  /**
   * Features (m x l) -> targets (m x `dimension`) by W of this swarm. Absent rows stay absent. The features stay the caller's.
   *
   * Throws `NumericError` as `projection` and `project` do, or the signal's reason.
   */
  project(swarm: CID, dimension: number, features: Matrix32, options?: { signal?: AbortSignal }): Promise<Matrix32>
  /** Ends the thread; what is under way is rejected. */
  close(): Promise<void>
}

/** The thread starts with the first features, and again after one that died. */
export function createProjector(): Projector {
  let thread: Thread | undefined
  return {
    project: async (swarm, dimension, { rows, columns, data: features }, options) => {
      if (thread === undefined || thread.ended) {
        const path = import.meta.url.endsWith('.ts') ? './worker.ts' : './projection-worker.js'
        thread = startThread(new URL(path, import.meta.url), 'the projection thread')
      }
      const question: ProjectQuestion = { swarm: swarm.toString(), dimension, features, rows, columns }
      return matrix(rows, dimension, (await thread.ask(question, options)) as Float32Array)
    },
    close: async () => await thread?.close()
  }
}
