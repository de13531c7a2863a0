/**
 * Thread for the arithmetic that decides something for everybody: plain TypeScript in a fixed order. It takes seconds, so it does not run
 * where gossip and pings are answered. (ONNX Runtime is never loaded here: ending a thread that holds it aborts the process.)
 */
import { workerData } from 'node:worker_threads'
import { createElectionMemo, type Candidate } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import { assess, round6 } from '../../../src/align/gate.ts'
import { plainGemm, type Gemm } from '../../../src/gemm.ts'
import { fitTransform } from '../../../src/align/transform.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import { parseCid } from '../../../src/codec.ts'
import { openManifest } from '../../../src/distribute/manifest.ts'
import { CoOptError } from '../../../src/errors.ts'
import { matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import { checkRows, expectedZ, fitPlausibility, type PlausibilityFit } from '../../../src/publish/plausibility.ts'
import { testDistribution } from '../../../src/publish/distribution.ts'
import { verify } from '../../process/verify-signature.ts'
import { serveQuestions, type Request } from '../thread/serve-questions.ts'
import type { ElectionText, ExactQuestion, ProductRequest } from './exact.ts'

const { manifest } = openManifest((workerData as { manifest: Uint8Array }).manifest, verify)
const matrices = new Map<string, Matrix32>()
const memo = createElectionMemo()

/**
 * References that elections computed, the latest last. A question asked before the last election was answered may still name the one before,
 * and a preview compares elections of several policies; more are never asked for. Kept apart from `matrices`: a peer may publish a past
 * reference as its own S_Y, and the matrix of a candidate must not be dropped.
 */
const computed = new Map<string, Matrix32>()
const MAX_COMPUTED = 4
let features: Matrix32 | undefined

/** Of a node's own priors with all authors: a map of 1,024 dimensions has 8 MiB. */
const fits = new Map<string, PlausibilityFit>()
const MAX_FITS = 64

serveQuestions(async (question, request) => ({ value: await answer(question as ExactQuestion, fastGemm(request)) }))

/**
 * Products are made by the starting thread, whose inference process has fast kernels: for figures that have a tolerance only. Operands are used
 * again here, so copies of them move out.
 */
function fastGemm(request: Request): Gemm {
  const copy = (m: Matrix64): Matrix64 & { data: Float64Array<ArrayBuffer> } => ({ ...m, data: m.data.slice() })
  return {
    multiply: async (a, b, options = {}) => {
      const product = { a: copy(a), b: copy(b), options } satisfies ProductRequest
      return (await request(product, [product.a.data.buffer, product.b.data.buffer])) as Matrix64
    }
  }
}

async function answer(question: ExactQuestion, gemm: Gemm): Promise<unknown> {
  switch (question.do) {
    case 'features':
      features = matrix(manifest.shared.rows, manifest.referenceFeatures.dimension, question.data)
      return 'taken'
    case 'assess': {
      if (features === undefined) throw new CoOptError('the reference features come first')
      const targets = matrix(manifest.shared.rows, manifest.dimension, question.data)
      const assessment = assess(manifest, { targets, kind: question.kind }, features)
      // a matrix that did not pass the gate is never a candidate, and not kept
      if (assessment.admissible) matrices.set(question.cid, targets)
      return assessment
    }
    case 'quality': {
      const { looR2, looCosine, looZ } = await fitTransform({
        from: matrixOf(question.from),
        to: matrixOf(question.to),
        grid: manifest.alignment.grid,
        gemm: plainGemm
      })
      return { looR2, looCosine, looZ: round6(looZ) }
    }
    case 'fit':
      return await fitTransform({
        from: matrixOf(question.from),
        to: matrixOf(question.to),
        grid: manifest.alignment.grid,
        gemm
      })
    case 'forget':
      matrices.delete(question.cid)
      return 'forgotten'
    case 'uniform':
      return uniformValue(matrix(manifest.shared.rows, manifest.dimension, question.data), manifest.uniformity)
    case 'expected':
      return expectedZ(await plausibilityFit(question.own, question.their), question.rows)
    case 'plausible': {
      const rows = (data: Float32Array): Matrix32 => matrix(data.length / manifest.dimension, manifest.dimension, data)
      const fit = await plausibilityFit(question.own, question.their)
      return checkRows(fit, { ownRows: rows(question.ownRows), theirRows: rows(question.theirRows) })
    }
    case 'distribution': {
      const { their, rows, data } = question
      return testDistribution(matrixOf(their), matrix(rows, manifest.dimension, data))?.isOther
    }
    case 'elect': {
      const candidates = question.candidates.map((c): Candidate => {
        const targets = matrices.get(c.targetsCid)
        return { ...c, targetsCid: parseCid(c.targetsCid), ...(targets === undefined ? {} : { targets }) }
      })
      const { policy = manifest.election.policy, distinct } = question
      const counted = distinct ? { acceptance: { quorum: 1, voters: 'priors' } as const } : {}
      const rules = { ...manifest, election: { ...manifest.election, policy }, ...counted }
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
  throw new CoOptError('the exact worker does not know this question')
}

/** Of checker and author; one serves all checks of an author's shards. */
async function plausibilityFit(own: string, their: string): Promise<PlausibilityFit> {
  const key = `${own} ${their}`
  const known = fits.get(key)
  if (known !== undefined) return known
  const fit = await fitPlausibility(matrixOf(own), matrixOf(their))
  fits.set(key, fit)
  const [oldest] = fits.keys()
  if (fits.size > MAX_FITS && oldest !== undefined) fits.delete(oldest)
  return fit
}

function keepComputed(cid: string, made: Matrix32): void {
  computed.delete(cid)
  computed.set(cid, made)
  const [oldest] = computed.keys()
  if (computed.size > MAX_COMPUTED && oldest !== undefined) computed.delete(oldest)
}

function matrixOf(cid: string): Matrix32 {
  const found = matrices.get(cid) ?? computed.get(cid)
  if (found === undefined) throw new CoOptError(`matrix ${cid} was not assessed`)
  return found
}
