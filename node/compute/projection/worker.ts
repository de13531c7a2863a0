/**
 * Thread that makes projections W and applies them: a W from 1,280 onto 2,048 dimensions takes 40 s to make.
 *
 * Each W is made once and kept while those in use later fit into memory: it is a function of (swarm id, l, n) alone.
 */
import { parseCid } from '../../../src/codec.ts'
import { matrix, type Matrix64 } from '../../../src/matrix.ts'
import { MAX_PROJECTION_NUMBERS, project, projection } from '../../../src/optimize/projection.ts'
import { serveQuestions } from '../thread/serve-questions.ts'
import { movable } from '../thread/thread.ts'

export interface ProjectQuestion {
  /** Swarm id as text */
  readonly swarm: string
  /** n */
  readonly dimension: number
  /** rows x l */
  readonly features: Float32Array
  readonly rows: number
  /** l */
  readonly columns: number
}

/** By swarm, l and n; the one used last is the last. */
const projections = new Map<string, Matrix64>()

function projectionOf({ swarm, columns, dimension }: ProjectQuestion): Matrix64 {
  const key = `${swarm} ${columns} ${dimension}`
  const w = projections.get(key) ?? projection(parseCid(swarm), columns, dimension)
  projections.delete(key)
  projections.set(key, w)
  let numbers = 0
  for (const one of projections.values()) numbers += one.data.length
  for (const [old, { data }] of projections) {
    // as much memory as the largest W may take: that one is kept alone
    if (numbers <= MAX_PROJECTION_NUMBERS || old === key) break
    projections.delete(old)
    numbers -= data.length
  }
  return w
}

serveQuestions(async asked => {
  const question = asked as ProjectQuestion // from projector.ts alone
  const features = matrix(question.rows, question.columns, question.features)
  const { data, buffer } = movable(project(projectionOf(question), features).data)
  return { value: data, moves: [buffer] }
})
