/**
 * Targets of the shared images by all participants in two dimensions, before and after alignment (UMAP: McInnes, Healy, Melville 2018;
 * rows of length 1, so that distance is cosine). The same seed gives the same picture.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { UMAP } from 'umap-js'
import { presentRows } from '../../../src/bytes.ts'
import { row, type Matrix32 } from '../../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import type { Participant } from '../../evaluate/participants.ts'
import type { Point } from './chart.ts'

/** More points do not make the picture clearer, and they take longer. */
const MAX_POINTS = 1500
const MAX_PARTICIPANTS = 8
/** UMAP's defaults; the neighbourhood is smaller if there are few points */
const [NEIGHBOURS, EPOCHS] = [15, 300]

export interface Projected extends Point {
  /** Index among the participants */
  readonly participant: number
  /** -1 without a label */
  readonly label: number
}

export interface Projections {
  readonly before: readonly Projected[]
  readonly after: readonly Projected[]
}

export interface ProjectionInit {
  readonly seed: number
  onStep(done: number, total: number): void
  readonly signal: AbortSignal
}

/** Projects the same images for every participant; undefined if there are too few. */
export async function projectionsOf(
  { list, sharedLabels }: { list: readonly Participant[]; sharedLabels: Int32Array },
  { seed, onStep, signal }: ProjectionInit
): Promise<Projections | undefined> {
  const shown = list.slice(0, MAX_PARTICIPANTS).filter(({ fit }) => fit !== undefined)
  if (shown.length === 0) return undefined
  const presence = shown.map(({ raw }) => new Set(presentRows(raw)))
  const common = [...sharedLabels.keys()].filter(i => presence.every(present => present.has(i)))
  // images with a label first: they can be coloured
  const order = [...shuffle(common.length, createRandomStream('coopt/1/evaluate/points', `${seed}`))]
    .map(i => common[i] as number)
    .sort((a, b) => Number((sharedLabels[a] as number) < 0) - Number((sharedLabels[b] as number) < 0))
  const images = order.slice(0, Math.floor(MAX_POINTS / shown.length))
  if (images.length * shown.length <= NEIGHBOURS) return undefined
  let done = 0
  const project = async (of: (one: Participant) => Matrix32): Promise<Projected[]> => {
    const points = shown.flatMap(one =>
      images.map(image => ({
        participant: list.indexOf(one),
        label: sharedLabels[image] as number,
        vector: unit(row(of(one), image))
      }))
    )
    const placed = await umap(
      points.map(({ vector }) => vector),
      { seed, signal, onEpoch: () => onStep(++done, 2 * EPOCHS) }
    )
    return points.map(({ participant, label }, i) => {
      const [x = 0, y = 0] = placed[i] ?? []
      return { participant, label, x, y }
    })
  }
  const before = await project(({ raw }) => raw)
  return { before, after: await project(({ raw, fit }) => fit?.aligned ?? raw) }
}

// --- internal ---

async function umap(
  vectors: number[][],
  { seed, signal, onEpoch }: { seed: number; signal: AbortSignal; onEpoch: () => void }
): Promise<number[][]> {
  const stream = createRandomStream('coopt/1/evaluate/umap', `${seed}`)
  const layout = new UMAP({ nNeighbors: NEIGHBOURS, nEpochs: EPOCHS, random: () => stream.uniform() })
  layout.initializeFit(vectors)
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    signal.throwIfAborted()
    layout.step()
    onEpoch()
    await turn()
  }
  return layout.getEmbedding()
}

function unit(values: Float32Array): number[] {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)) || 1
  return Array.from(values, value => value / length)
}
