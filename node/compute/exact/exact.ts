/**
 * Asks the exact thread (worker.ts) and gives its answers the types of the method.
 *
 * What decides for everybody (assess, quality, elect, uniformValue) has the same bits on every machine. Of the operands of a fit each is copied
 * once in the thread and then moved; what comes back is moved as well.
 */
import type { Candidate, Election } from '../../../src/align/candidate.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import type { Transform } from '../../../src/align/transform.ts'
import { parseCid } from '../../../src/codec.ts'
import type { Manifest, Swarm } from '../../../src/distribute/manifest.ts'
import type { Gemm, GemmOptions } from '../../../src/gemm.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import type { Quality } from '../../../src/merge/views.ts'
import type { Plausibility, RowPair } from '../../../src/publish/plausibility.ts'
import type { CID } from 'multiformats/cid'
import { movable, startThread, type Moved } from '../thread/thread.ts'
import type { PriorKind } from '../../../src/optimize/prior-kind.ts'

type CandidateText = Omit<Candidate, 'targetsCid' | 'targets'> & { targetsCid: string }

export type ExactQuestion =
  | { do: 'features'; data: Float32Array }
  | { do: 'assess'; cid: string; kind: PriorKind; data: Float32Array }
  | { do: 'quality'; from: string; to: string }
  | { do: 'fit'; from: string; to: string }
  | { do: 'uniform'; data: Float32Array }
  | { do: 'expected'; own: string; their: string; rows: number }
  | { do: 'plausible'; own: string; their: string; ownRows: Float32Array; theirRows: Float32Array }
  | { do: 'distribution'; their: string; rows: number; data: Float32Array }
  | { do: 'forget'; cid: string }
  | { do: 'elect'; candidates: CandidateText[]; policy: Policy | undefined; distinct: boolean }

type Policy = Manifest['election']['policy']

/** What the thread asks for while it fits: op(a) op(b) */
export interface ProductRequest {
  a: Matrix64
  b: Matrix64
  options: GemmOptions
}

/** An `Election` with CIDs as text: class instances do not cross threads. */
export interface ElectionText {
  ranking: Election['ranking']
  /** `data`: of a computed reference, m x n */
  reference?: { cid: string; provenance: NonNullable<Election['reference']>['provenance']; data?: Float32Array }
}

export interface Exact {
  /** Judge S_Y against the publisher's reference features. The matrix stays in the thread for `quality` and `elect`. */
  assess(cid: CID, kind: PriorKind, targets: Matrix32): Promise<Assessment>
  /** Exact leave-one-out figures of mapping one assessed matrix onto another. */
  quality(from: CID, to: CID): Promise<Quality>
  /**
   * By the manifest's policy, or for comparison by another one. With `distinct`, equivalent priors are told from distinct ones in swarms whose
   * manifest does not count them, too.
   */
  elect(candidates: readonly Candidate[], policy?: Policy, distinct?: boolean): Promise<Election>
  /** V of own targets, before they are published. */
  uniformValue(targets: Matrix32): Promise<number>
  /** T from one assessed matrix onto another; the heavy products go to `gemm`, so its last bits may differ between machines. */
  fit(from: CID, to: CID, gemm: Gemm): Promise<Transform>
  /** z that so many honest rows of the author of `their` are expected to reach for a checker with `own`: two assessed matrices. */
  expectedZ(own: CID, their: CID, rows: number): Promise<number>
  /** Are these rows of raw targets plausible to a checker? (publish/plausibility.ts) The fit of a pair is kept. */
  plausibility(own: CID, their: CID, rows: RowPair): Promise<Plausibility>
  /**
   * Are these raw targets distributed differently from their author's assessed S_Y? (publish/distribution.ts) Undefined where rows are absent or
   * too few.
   */
  distribution(their: CID, raw: Matrix32): Promise<boolean | undefined>
  /** An assessed matrix is not needed any more. */
  forget(cid: CID): Promise<void>
  close(): Promise<void>
}

/** `referenceFeatures`: m x l, the publisher's, against which every assessment is made. */
export async function createExact(swarm: Swarm, referenceFeatures: Matrix32): Promise<Exact> {
  const path = import.meta.url.endsWith('.ts') ? './worker.ts' : './exact-worker.js'
  const thread = startThread(new URL(path, import.meta.url), 'the exact thread', { manifest: swarm.bytes })
  const ask = async (question: ExactQuestion, gemm?: Gemm): Promise<unknown> =>
    await thread.ask(
      question,
      gemm === undefined ? {} : { serve: async asked => await multiply(gemm, asked as ProductRequest) }
    )
  try {
    await ask({ do: 'features', data: referenceFeatures.data })
  } catch (error) {
    await thread.close()
    throw error
  }

  return {
    assess: async (cid, kind, targets) =>
      (await ask({ do: 'assess', cid: cid.toString(), kind, data: targets.data })) as Assessment,
    quality: async (from, to) => (await ask({ do: 'quality', from: from.toString(), to: to.toString() })) as Quality,
    elect: async (candidates, policy, distinct = false) => {
      const texts = candidates.map(({ key, author, kind, claimed, assessment, equivocator = false, targetsCid }) => ({
        key,
        author,
        kind,
        claimed,
        assessment,
        equivocator,
        targetsCid: targetsCid.toString()
      }))
      const { ranking, reference } = (await ask({ do: 'elect', candidates: texts, policy, distinct })) as ElectionText
      if (reference === undefined) return { ranking }
      const { cid, provenance, data } = reference
      const { shared, dimension } = swarm.manifest
      const computed = data === undefined ? {} : { matrix: matrix(shared.rows, dimension, data) }
      return { ranking, reference: { cid: parseCid(cid), provenance, ...computed } }
    },
    uniformValue: async targets => (await ask({ do: 'uniform', data: targets.data })) as number,
    fit: async (from, to, gemm) =>
      (await ask({ do: 'fit', from: from.toString(), to: to.toString() }, gemm)) as Transform,
    expectedZ: async (own, their, rows) =>
      (await ask({ do: 'expected', own: own.toString(), their: their.toString(), rows })) as number,
    plausibility: async (own, their, { ownRows, theirRows }) =>
      (await ask({
        do: 'plausible',
        own: own.toString(),
        their: their.toString(),
        ownRows: Float32Array.from(ownRows.data),
        theirRows: Float32Array.from(theirRows.data)
      })) as Plausibility,
    distribution: async (their, { rows, data }) =>
      (await ask({ do: 'distribution', their: their.toString(), rows, data })) as boolean | undefined,
    forget: async cid => {
      await ask({ do: 'forget', cid: cid.toString() })
    },
    close: async () => await thread.close()
  }
}

// --- internal ---

async function multiply(gemm: Gemm, { a, b, options }: ProductRequest): Promise<Moved> {
  const product = await gemm.multiply(a, b, options)
  const { data, buffer } = movable(product.data)
  return { value: { ...product, data }, moves: [buffer] }
}
