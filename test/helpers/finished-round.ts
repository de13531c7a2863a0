/**
 * A finished round without models: partitions of made-up images, targets of made-up priors, real shards, signed records, and the evidence that
 * a node would have computed. Everything lies in one store; what a test merges, opens or collects has the real layout.
 */
import type { CID } from 'multiformats/cid'
import type { Content } from '../../node/content/content.ts'
import { mergeSwarm, type Mergeable } from '../../node/merge/merge-swarm.ts'
import { storeShard } from '../../node/participant/store-shard.ts'
import { elect } from '../../src/align/election.ts'
import { rowWeights } from '../../src/align/row-weight.ts'
import { partitionBytes } from '../../src/distribute/partition-file.ts'
import { importBytes, type ContentFile } from '../../src/distribute/unixfs-import.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import type { MergedDataset } from '../../src/merge/dataset.ts'
import { createRecordSet, type RecordSet } from '../../src/merge/record-set.ts'
import { assessmentKey, candidatesOf, qualityKey, viewOf, type Evidence } from '../../src/merge/views.ts'
import { importMatrix } from '../../src/publish/matrix-file.ts'
import type { Alignment, Result, Score, SignedRecord } from '../../src/publish/record.ts'
import { contentId } from '../../src/distribute/content-id.ts'
import { fakeImage } from '../src/distribute/samples.ts'
import { seeded } from './seeded.ts'
import { makeAlignment, makeResult, makeScore, makeSwarm, testPeer } from './swarm-factory.ts'
import { testAssessment } from './test-evidence.ts'

export const ROUND = { partitions: 2, rows: 12, shared: 16, dimension: 4 } as const

export interface FinishedRound {
  readonly swarm: Swarm
  readonly set: RecordSet
  readonly evidence: Evidence
  /** The winner's score first */
  readonly scores: ReadonlyArray<SignedRecord<Score>>
  readonly results: ReadonlyArray<SignedRecord<Result>>
  readonly alignments: ReadonlyArray<SignedRecord<Alignment>>
  readonly mergeable: Mergeable
  /** Images of each partition, in the order of their rows */
  readonly images: readonly Uint8Array[][]
  /** Aligned targets of each partition */
  readonly targets: readonly Matrix32[]
  merge(): Promise<MergedDataset>
}

/** Peer 0 wins the election and does every partition; peer 1 has a score only. */
export async function finishedRound(content: Content, seed = 1): Promise<FinishedRound> {
  const random = seeded(seed)
  const { put } = content
  const { signal } = new AbortController()
  const floats = (rows: number, columns: number): Matrix32 =>
    matrix(
      rows,
      columns,
      Float32Array.from({ length: rows * columns }, () => random.below(2 ** 20) / 2 ** 20 - 0.5)
    )
  const partition = async (first: number, rows: number): Promise<{ file: ContentFile; images: Uint8Array[] }> => {
    const images = Array.from({ length: rows }, (_, i) => fakeImage(first + i, 200 + 13 * i))
    const samples = await Promise.all(
      images.map(async (bytes, index) => ({ index, id: (await contentId(bytes)).toString(), bytes }))
    )
    return { file: await importBytes(partitionBytes(samples), put), images }
  }
  const built = await Promise.all(
    Array.from({ length: ROUND.partitions }, async (_, p) => await partition(1000 * seed + 100 * p, ROUND.rows))
  )
  const swarm = await makeSwarm({
    name: `round ${seed}`,
    dimension: ROUND.dimension,
    partitions: built.map(({ file }) => ({ ...file, rows: ROUND.rows })),
    shared: { ...(await partition(1000 * seed + 900, ROUND.shared)).file, rows: ROUND.shared },
    referenceFeatures: { ...(await importMatrix(floats(ROUND.shared, 8), put)), dimension: 8, source: 'a test' }
  })
  await put(swarm.id, swarm.bytes)
  const shared = [floats(ROUND.shared, ROUND.dimension), floats(ROUND.shared, ROUND.dimension)] as const
  const scores: SignedRecord<Score>[] = []
  for (const [i, targets] of shared.entries())
    scores.push(
      await makeScore(swarm, testPeer(i), 0, { targets: (await importMatrix(targets, put)).cid, uniformValue: -3 + i })
    )
  const [winner] = scores as [SignedRecord<Score>]
  const reference: CID = winner.body.targets
  const results: SignedRecord<Result>[] = []
  const alignments: SignedRecord<Alignment>[] = []
  const targets: Matrix32[] = []
  for (const [p, { file }] of built.entries()) {
    const aligned = floats(ROUND.rows, ROUND.dimension)
    const raw = (await importMatrix(aligned, put)).cid
    const result = await makeResult(swarm, testPeer(0), 1 + 2 * p, winner, p, { raw })
    const columns = { targets: aligned, weights: rowWeights(aligned, shared[0]), dtype: 'float32' } as const
    const { cid, bytes, dagBytes } = await storeShard(content, file, columns, {}, signal)
    const figures = { shard: cid, bytes, dagBytes, looR2: 1, looCosine: 1 }
    results.push(result)
    alignments.push(await makeAlignment(swarm, testPeer(0), 2 + 2 * p, result, reference, figures))
    targets.push(aligned)
  }
  const set = createRecordSet([...scores, ...results, ...alignments])
  const evidence: Evidence = {
    assessments: new Map(
      scores.map(({ body }) => [
        assessmentKey(body),
        { ...testAssessment(body.targets), uniformValue: body.uniformValue, admissible: true, refusals: [] }
      ])
    ),
    qualities: new Map(
      scores.map(({ body }) => [qualityKey(body.targets, reference), { looR2: 1, looCosine: 1, looZ: 100 }] as const)
    )
  }
  const view = () => viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
  const mergeable = { swarm, state: { set, evidence, view } }
  return {
    swarm,
    set,
    evidence,
    scores,
    results,
    alignments,
    mergeable,
    images: built.map(({ images }) => images),
    targets,
    merge: async () => await mergeSwarm(mergeable, content)
  }
}
