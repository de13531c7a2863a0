/** The merged dataset of a simulated swarm: the chosen partitions in order, their rows in order, without rows that lack a target. */
import { rendezvousWeight } from '../../../src/distribute/assignment.ts'
import { isAbsentRow } from '../../../src/bytes.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { rowWeights } from '../../../src/align/row-weight.ts'
import { applyTransform } from '../../../src/align/transform.ts'
import { belowFloor, type Choice } from '../../../src/merge/views.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { DirectExact } from './direct-exact.ts'
import type { Draw } from './draw.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'
import type { SimulatedSwarm } from './simulated-swarm.ts'
import type { MergedTargets } from './write-targets.ts'

export interface MergeOptions {
  draw: Draw
  exact: DirectExact
  participants: readonly SimulatedParticipant[]
  /** Priors whose aligned targets are averaged for each partition; 1 is what a swarm does */
  opinions: number
  unaligned: boolean
}

export async function mergedTargets(swarm: SimulatedSwarm, options: MergeOptions): Promise<MergedTargets> {
  const { draw, participants, opinions } = options
  const n = swarm.swarm.manifest.dimension
  const choices = [...swarm.view().chosen.values()].sort((a, b) => a.partition - b.partition)
  const byPeer = new Map(participants.map((p, i) => [p.peer.id, i]))
  const authors = participants.map(p => ({ participant: p.name, prior: p.source.prior.name }))
  const blocks: { targets: Matrix32; images: Uint32Array; author: number }[] = []
  for (const choice of choices) {
    const own = swarm.aligned(choice.alignment.body.shard.toString())?.matrix
    if (own === undefined) continue // nobody has it
    const targets = opinions === 1 ? own : await averaged(swarm, choice, own, options)
    const by = byPeer.get(peerIdOf(choice.result.body.author)) ?? 0
    const prior = choice.score.body.prior.name
    const named = authors[by]
    let author = by
    // if the participant was upgraded since, the row still belongs to the prior that made it
    if (named !== undefined && named.prior !== prior) {
      author = authors.findIndex(a => a.participant === named.participant && a.prior === prior)
      if (author < 0) author = authors.push({ participant: named.participant, prior }) - 1
    }
    blocks.push({ targets, images: draw.partitions[choice.partition] as Uint32Array, author })
  }
  const data: Float32Array[] = []
  const images: number[] = []
  const author: number[] = []
  for (const block of blocks) {
    for (const [row, image] of block.images.entries()) {
      const target = block.targets.data.subarray(row * n, (row + 1) * n)
      if (isAbsentRow(target)) continue
      data.push(target)
      images.push(image)
      author.push(block.author)
    }
  }
  const targets = matrix(data.length, n, new Float32Array(data.length * n))
  data.forEach((target, row) => targets.data.set(target, row * n))
  const reference = swarm.view().election.reference?.cid
  const weights =
    options.unaligned || reference === undefined ? undefined : rowWeights(targets, draw.sharedMatrix(reference))
  return { targets, weights, images: Uint32Array.from(images), author: Uint16Array.from(author), authors }
}

// --- internal ---

/**
 * The mean of several participants' aligned targets of one partition, which real swarms do not compute: those of the chosen one and of the next ones
 * by rendezvous hashing.
 */
async function averaged(
  { view, swarm }: SimulatedSwarm,
  choice: Choice,
  own: Matrix32,
  { exact, participants, opinions, unaligned }: MergeOptions
): Promise<Matrix32> {
  const reference = view().election.reference?.cid
  const file = swarm.manifest.partitions[choice.partition]
  if (reference === undefined || file === undefined) return own
  const others: { weight: number; participant: SimulatedParticipant }[] = []
  for (const participant of participants) {
    const { score } = participant
    // opinions must come from different priors
    if (score === undefined || score.body.prior.id.equals(choice.score.body.prior.id)) continue
    const quality = view().election.ranking.some(r => r.key === score.key && r.electable)
      ? await exact.quality(score.body.targets, reference)
      : undefined
    if (quality === undefined || belowFloor(swarm.manifest, quality) !== undefined) continue
    others.push({ weight: rendezvousWeight(participant.peer.key, file.cid), participant })
  }
  others.sort((a, b) => b.weight - a.weight)
  const seen = new Set<string>()
  const sum = Float64Array.from(own.data)
  let count = 1
  for (const { participant } of others) {
    const { score, source } = participant
    if (score === undefined || count === opinions || seen.has(score.body.prior.id.toString())) continue
    seen.add(score.body.prior.id.toString())
    const raw = await source.partition(choice.partition)
    if (raw.present < raw.matrix.rows) continue
    const aligned = unaligned
      ? raw.matrix
      : await applyTransform(await exact.fit(score.body.targets, reference, plainGemm), raw.matrix, plainGemm)
    aligned.data.forEach((value, at) => {
      sum[at] = (sum[at] as number) + value
    })
    count++
  }
  if (count === 1) return own
  const mean = matrix(
    own.rows,
    own.columns,
    Float32Array.from(sum, value => value / count)
  )
  // NaN of a row that is absent in the chosen targets stays the canonical one
  for (let i = 0; i < own.rows; i++) {
    const row = own.data.subarray(i * own.columns, (i + 1) * own.columns)
    if (isAbsentRow(row)) mean.data.set(row, i * own.columns)
  }
  return mean
}
