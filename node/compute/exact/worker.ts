/**
 * Thread for the arithmetic that decides something for everybody: plain TypeScript in a fixed order, seconds long, so it must not
 * run where gossip and pings are answered. (ONNX Runtime is never loaded here: ending a thread that holds it aborts the process.)
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createElectionMemo, type Candidate } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import { assess } from '../../../src/align/gate.ts'
import { plainGemm, type Gemm } from '../../../src/gemm.ts'
import { fitTransform } from '../../../src/align/transform.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import { parseCid } from '../../../src/codec.ts'
import { openManifest } from '../../../src/distribute/manifest.ts'
import { CoOptError, NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import { verify } from '../../process/verify-signature.ts'
import type { ElectionText, ExactAnswer, ExactQuestion, ProductAnswer } from './exact.ts'

const port = parentPort
if (port === null) throw new Error('the exact worker runs as a thread only')

const { manifest } = openManifest((workerData as { manifest: Uint8Array }).manifest, verify)
const matrices = new Map<string, Matrix32>()
const memo = createElectionMemo()

/**
 * References that elections computed, the latest last. A question that was asked before the answer of the last election arrived may still name
 * the one before, and a preview compares elections of several policies; more are never asked for. Apart from `matrices`: somebody may publish a
 * past reference as its own S_Y, and a candidate's matrix must never go.
 */
const computed = new Map<string, Matrix32>()
const MAX_COMPUTED = 4
let features: Matrix32 | undefined

/** Products are asked for at the parent, whose inference process has fast kernels: for figures that have a tolerance only. */
const products = new Map<number, PromiseWithResolvers<Matrix64>>()
let productCount = 0
const fastGemm: Gemm = {
  multiply: async (a, b, options = {}) => {
    const promise = Promise.withResolvers<Matrix64>()
    products.set(productCount, promise)
    port.postMessage({ product: productCount++, a, b, options } satisfies ExactAnswer)
    return await promise.promise
  }
}

port.on('message', (question: ExactQuestion | ProductAnswer) => {
  if ('product' in question) {
    const promise = products.get(question.product)
    products.delete(question.product)
    if (question.value === undefined) promise?.reject(new NumericError(question.error ?? 'a product failed'))
    else promise?.resolve(question.value)
    return
  }
  answer(question).then(
    value => port.postMessage({ id: question.id, value } satisfies ExactAnswer),
    (error: unknown) => {
      const name = error instanceof Error ? error.name : 'Error'
      port.postMessage({
        id: question.id,
        error: { name, message: error instanceof Error ? error.message : String(error) }
      } satisfies ExactAnswer)
    }
  )
})

async function answer(question: ExactQuestion): Promise<unknown> {
  switch (question.do) {
    case 'features':
      features = matrix(manifest.shared.rows, manifest.referenceFeatures.dimension, question.data)
      return 'taken'
    case 'assess': {
      if (features === undefined) throw new CoOptError('the reference features were not given')
      const targets = matrix(manifest.shared.rows, manifest.dimension, question.data)
      const assessment = assess(manifest, { targets, kind: question.kind }, features)
      // what did not pass the gate is never a candidate: its matrix need not be kept
      if (assessment.admissible) matrices.set(question.cid, targets)
      return assessment
    }
    case 'quality': {
      const { looR2, looCosine } = await fitTransform({
        from: known(question.from),
        to: known(question.to),
        grid: manifest.alignment.grid,
        gemm: plainGemm
      })
      return { looR2, looCosine }
    }
    case 'fit':
      return await fitTransform({
        from: known(question.from),
        to: known(question.to),
        grid: manifest.alignment.grid,
        gemm: fastGemm
      })
    case 'uniform':
      return uniformValue(matrix(manifest.shared.rows, manifest.dimension, question.data), manifest.uniformity)
    case 'elect': {
      const candidates = question.candidates.map((c): Candidate => {
        const targets = matrices.get(c.targetsCid)
        return { ...c, targetsCid: parseCid(c.targetsCid), ...(targets === undefined ? {} : { targets }) }
      })
      const { policy = manifest.election.policy } = question
      const rules = { ...manifest, election: { ...manifest.election, policy } }
      const { reference, ranking } = elect(rules, candidates, memo)
      if (reference?.cid === undefined) return { ranking } satisfies ElectionText
      const { cid, provenance, matrix: made } = reference
      if (made !== undefined) keepComputed(cid.toString(), made)
      return {
        ranking,
        reference: { cid: cid.toString(), provenance, ...(made === undefined ? {} : { data: made.data }) }
      } satisfies ElectionText
    }
  }
  throw new CoOptError('the exact worker was asked something it does not know')
}

function keepComputed(cid: string, made: Matrix32): void {
  computed.delete(cid)
  computed.set(cid, made)
  const [oldest] = computed.keys()
  if (computed.size > MAX_COMPUTED && oldest !== undefined) computed.delete(oldest)
}

function known(cid: string): Matrix32 {
  const found = matrices.get(cid) ?? computed.get(cid)
  if (found === undefined) throw new CoOptError(`matrix ${cid} was not assessed before`)
  return found
}
