/**
 * Thread for the arithmetic that decides something for everybody: plain TypeScript in a fixed order, seconds long, so it must not
 * run where gossip and pings are answered. (ONNX Runtime is never loaded here: ending a thread that holds it aborts the process.)
 */
import { parentPort, workerData } from 'node:worker_threads'
import { elect, type Candidate } from '../../src/align/election.ts'
import { assess } from '../../src/align/gate.ts'
import { plainGemm } from '../../src/align/gemm.ts'
import { fitTransform } from '../../src/align/transform.ts'
import { parseCid } from '../../src/codec.ts'
import { openManifest } from '../../src/distribute/manifest.ts'
import { CoOptError, NumericError } from '../../src/errors.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import { verify } from '../identity.ts'
import type { ElectionText, ExactAnswer, ExactQuestion } from './exact.ts'

const port = parentPort
if (port === null) throw new Error('the exact worker runs as a thread only')

const { manifest } = openManifest((workerData as { manifest: Uint8Array }).manifest, verify)
const matrices = new Map<string, Matrix32>()
let features: Matrix32 | undefined

port.on('message', (question: ExactQuestion) => {
  answer(question).then(
    value => port.postMessage({ id: question.id, value } satisfies ExactAnswer),
    (error: unknown) => {
      const name = error instanceof CoOptError ? error.name : NumericError.name
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
      return undefined
    case 'assess': {
      if (features === undefined) throw new NumericError('the reference features were not given')
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
    case 'elect': {
      const candidates = question.candidates.map((c): Candidate => {
        const targets = matrices.get(c.targetsCid)
        return { ...c, targetsCid: parseCid(c.targetsCid), ...(targets === undefined ? {} : { targets }) }
      })
      const { reference, ranking } = elect(manifest, candidates)
      return {
        ranking,
        ...(reference === undefined
          ? {}
          : { reference: { cid: reference.cid?.toString(), provenance: reference.provenance } })
      } as ElectionText
    }
  }
}

function known(cid: string): Matrix32 {
  const found = matrices.get(cid)
  if (found === undefined) throw new NumericError(`matrix ${cid} was not assessed before`)
  return found
}
