/** Asks the exact worker (a thread, see worker.ts) and gives its answers the types of the method. */
import { Worker } from 'node:worker_threads'
import type { Candidate, Election } from '../../../src/align/candidate.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import type { Gemm, GemmOptions } from '../../../src/gemm.ts'
import type { Transform } from '../../../src/align/transform.ts'
import { parseCid } from '../../../src/codec.ts'
import type { Manifest, Swarm } from '../../../src/distribute/manifest.ts'
import { CoOptError, NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import type { Quality } from '../../../src/merge/views.ts'
import type { CID } from 'multiformats/cid'

type CandidateText = Omit<Candidate, 'targetsCid' | 'targets'> & { targetsCid: string }

export type ExactQuestion = { id: number } & Ask
type Ask =
  | { do: 'features'; data: Float32Array }
  | { do: 'assess'; cid: string; kind: 'onnx' | 'human'; data: Float32Array }
  | { do: 'quality'; from: string; to: string }
  | { do: 'fit'; from: string; to: string }
  | { do: 'uniform'; data: Float32Array }
  | { do: 'elect'; candidates: CandidateText[]; policy: Policy | undefined }

type Policy = Manifest['election']['policy']

export type ExactAnswer =
  | { id: number; value?: unknown; error?: { name: string; message: string } }
  | { product: number; a: Matrix64; b: Matrix64; options: GemmOptions }

export interface ProductAnswer {
  product: number
  value?: Matrix64
  error?: string
}

/** An `Election` with CIDs as text: class instances do not cross threads. */
export interface ElectionText {
  ranking: Election['ranking']
  /** `data`: of a computed reference, m x n */
  reference?: { cid: string; provenance: NonNullable<Election['reference']>['provenance']; data?: Float32Array }
}

export interface Exact {
  /** Judge S_Y against the publisher's reference features. The matrix stays in the thread for `quality` and `elect`. */
  assess(cid: CID, kind: 'onnx' | 'human', targets: Matrix32): Promise<Assessment>
  /** Exact leave-one-out figures of mapping one assessed matrix onto another. */
  quality(from: CID, to: CID): Promise<Quality>
  /** By the manifest's policy, or for comparison by another one. */
  elect(candidates: readonly Candidate[], policy?: Policy): Promise<Election>
  /** V of own targets, before they are published. */
  uniformValue(targets: Matrix32): Promise<number>
  /** T from one assessed matrix onto another; the heavy products go to `gemm`, so its last bits may differ between machines. */
  fit(from: CID, to: CID, gemm: Gemm): Promise<Transform>
  close(): Promise<void>
}

export async function createExact(swarm: Swarm, referenceFeatures: Matrix32): Promise<Exact> {
  const path = import.meta.url.endsWith('.ts') ? './worker.ts' : './exact-worker.js'
  const worker = new Worker(new URL(path, import.meta.url), { workerData: { manifest: swarm.bytes } })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let count = 0
  let ended: Error | undefined

  const fail = (error: Error): void => {
    ended ??= error
    for (const promise of waiting.values()) promise.reject(ended)
    waiting.clear()
  }
  let fast: Gemm | undefined
  const multiply = async (product: number, a: Matrix64, b: Matrix64, options: GemmOptions): Promise<void> => {
    let answer: ProductAnswer
    try {
      if (fast === undefined) throw new NumericError('no kernels for products were given')
      answer = { product, value: await fast.multiply(a, b, options) }
    } catch (error) {
      answer = { product, error: error instanceof Error ? error.message : String(error) }
    }
    worker.postMessage(answer)
  }
  worker.on('message', (answer: ExactAnswer) => {
    if ('product' in answer) {
      void multiply(answer.product, answer.a, answer.b, answer.options)
      return
    }
    const { id, value, error } = answer
    const promise = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) promise?.resolve(value)
    // only what follows from the numbers is a NumericError, which callers may take as a verdict
    else
      promise?.reject(
        error.name === NumericError.name ? new NumericError(error.message) : new CoOptError(error.message)
      )
  })
  worker.on('error', error => fail(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', code => fail(new CoOptError(`the exact worker ended with code ${code}: restart the node`)))

  const ask = async (question: Ask): Promise<unknown> => {
    if (ended !== undefined) throw ended
    const id = count++
    const promise = Promise.withResolvers<unknown>()
    waiting.set(id, promise)
    worker.postMessage({ id, ...question } satisfies ExactQuestion)
    return await promise.promise
  }
  await ask({ do: 'features', data: referenceFeatures.data })

  return {
    assess: async (cid, kind, targets) =>
      (await ask({ do: 'assess', cid: cid.toString(), kind, data: targets.data })) as Assessment,
    quality: async (from, to) => (await ask({ do: 'quality', from: from.toString(), to: to.toString() })) as Quality,
    elect: async (candidates, policy) => {
      const texts = candidates.map(({ key, author, kind, claimed, assessment, equivocator = false, targetsCid }) => ({
        key,
        author,
        kind,
        claimed,
        assessment,
        equivocator,
        targetsCid: targetsCid.toString()
      }))
      const { ranking, reference } = (await ask({ do: 'elect', candidates: texts, policy })) as ElectionText
      if (reference === undefined) return { ranking }
      const { cid, provenance, data } = reference
      const { shared, dimension } = swarm.manifest
      const computed = data === undefined ? {} : { matrix: matrix(shared.rows, dimension, data) }
      return { ranking, reference: { cid: parseCid(cid), provenance, ...computed } }
    },
    uniformValue: async targets => (await ask({ do: 'uniform', data: targets.data })) as number,
    fit: async (from, to, gemm) => {
      fast = gemm
      return (await ask({ do: 'fit', from: from.toString(), to: to.toString() })) as Transform
    },
    close: async () => {
      await worker.terminate()
    }
  }
}
