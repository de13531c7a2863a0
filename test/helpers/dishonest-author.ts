/**
 * A member that publishes what it likes: records that its own state seals, about files of its choice. It takes part with a real node and an eligible
 * prior, so nothing but its work tells it from an honest one.
 */
import type { CID } from 'multiformats/cid'
import { createTargetComputer, storeMatrix, type TargetComputer } from '../../node/priors/compute-targets.ts'
import { loadPrior } from '../../node/priors/load-prior.ts'
import { storeShard } from '../../node/participant/store-shard.ts'
import type { Draft } from '../../node/state/swarm-state.ts'
import { applyTransform, DEFAULT_GRID, fitTransform, type Transform } from '../../src/align/transform.ts'
import { partitionBytes } from '../../src/distribute/partition-file.ts'
import type { ContentFile } from '../../src/distribute/unixfs-import.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import { priorIdentity } from '../../src/optimize/prior.ts'
import type { Alignment, Check, RecordBody, Result, Score, SignedRecord } from '../../src/publish/record.ts'
import {
  columnsOf,
  garbage,
  GARBAGE,
  markToNaN,
  rangesOf,
  wider,
  withMark,
  withNaN,
  writeShard,
  type Garbage,
  type Malformed
} from './deceits.ts'
import { collect } from './collect.ts'
import { whenState } from './node-conditions.ts'
import { testCid } from './swarm-factory.ts'
import { atEnd, type TestNode } from './test-node.ts'

/**
 * `ghost`: the records of work that is nowhere. `mapped`: targets of the own prior under the ridge from its own S_Y to the one that was published, which
 * is what can be done about a copied S_Y.
 */
export type Deceit = 'honest' | 'ghost' | 'mapped' | Garbage | Malformed

export interface Claimed {
  readonly partition: number
  readonly score: SignedRecord<Score>
  readonly result: SignedRecord<Result>
  readonly alignment: SignedRecord<Alignment>
}

export interface DishonestAuthor {
  readonly node: TestNode
  readonly score: SignedRecord<Score>
  /** Of its prior: targets that it could have published */
  readonly computer: TargetComputer
  /** Result and alignment for a partition, as if it were done. A reference must have been elected. */
  claim(partition: number, deceit: Deceit): Promise<Claimed>
  /** A check of somebody's work that nobody made. */
  say(about: Omit<Claimed, 'score'>, shard: Check['shard'], verdict?: 'plausible' | 'implausible'): Promise<void>
}

export interface Disguise {
  /** An S_Y to publish in place of the prior's own: a copy of somebody else's */
  readonly sharedTargets?: CID
}

/** Scores its prior (a path). Resolves when it was judged and a reference is elected. */
export async function dishonestAuthor(
  node: TestNode,
  invite: string,
  path: string,
  { sharedTargets }: Disguise = {}
): Promise<DishonestAuthor> {
  const { manifest: id } = await node.node.status(invite).then(({ swarms }) => swarms[0] ?? { manifest: '' })
  const member = node.membership(id)
  const { swarm, state, exact } = member
  const { manifest } = swarm
  const { content, gemm, projector } = node.runtime
  const { signal } = new AbortController()
  const prior = await loadPrior(path, { threads: 1 })
  atEnd(async () => await prior.close())
  const computer = createTargetComputer({ swarm, prior, projector, batchSize: 32 })

  const publish = async <T extends RecordBody>(draft: Draft): Promise<SignedRecord<T>> => {
    await content.barrier()
    const record = await state.publish(draft)
    await member.announce(record)
    return record as SignedRecord<T>
  }
  const targetsOf = async (file: { cid: CID; bytes: number; rows: number }): Promise<Matrix32> =>
    await computer.ofSamples(content.samples(file, 0, signal), file.rows, { signal })
  const partitionAt = (p: number) => {
    const { length } = manifest.partitions
    const file = manifest.partitions[((p % length) + length) % length]
    if (file === undefined) throw new Error(`no partition ${p}`)
    return file
  }

  const ownShared = await targetsOf(manifest.shared)
  const shared =
    sharedTargets === undefined
      ? ownShared
      : await content.matrix(sharedTargets, manifest.shared.rows, manifest.dimension, { signal })
  const { kind, name, dimension } = prior.descriptor
  const score = await publish<Score>({
    type: 'score',
    prior: { id: priorIdentity(prior.descriptor), kind, name, dimension },
    targets: await storeMatrix(shared, content.put),
    present: manifest.shared.rows,
    uniformValue: await exact.uniformValue(shared)
  })
  await state.untilJudged()
  await whenState(member, () => state.view().election.reference !== undefined)

  const raws = async (p: number, deceit: Deceit): Promise<{ own: Matrix32; raw: Matrix32 }> => {
    const file = partitionAt(p)
    const own = await targetsOf(file)
    if (deceit === 'raw-not-finite') return { own, raw: withNaN(own) }
    if (deceit === 'mapped') {
      const map = await fitTransform({ from: ownShared, to: shared, grid: DEFAULT_GRID, gemm })
      return { own, raw: await applyTransform(map, own, gemm) }
    }
    if (!isGarbage(deceit)) return { own, raw: own }
    const next = await targetsOf(partitionAt(p + 1))
    const other = matrix(
      file.rows,
      next.columns,
      Float32Array.from({ length: own.data.length }, (_, at) => {
        const values = row(next, Math.floor(at / next.columns) % next.rows)
        return values[at % next.columns] as number
      })
    )
    return { own, raw: garbage(deceit, { own, other, shared }) }
  }

  const shardOf = async (
    p: number,
    deceit: Deceit,
    { raw, own }: { raw: Matrix32; own: Matrix32 },
    transform: Transform,
    reference: Matrix32
  ): Promise<ContentFile> => {
    const file = partitionAt(p)
    const { put } = content
    const aligned = await applyTransform(transform, deceit === 'raw-not-finite' ? own : raw, gemm)
    const columns = columnsOf(aligned, reference)
    const source = async (of: { cid: CID; bytes: number }) => await content.ranges(of.cid, of.bytes, { signal })
    switch (deceit) {
      case 'other-images':
        return await writeShard(await source(partitionAt(p + 1)), columns, put)
      case 'changed-image':
        return await writeShard(await source(file), columns, put, bytes => {
          // in the middle of the images, which come before everything else
          const at = Math.floor(file.bytes / 4)
          bytes[at] = (bytes[at] as number) ^ 1
        })
      case 'one-row-more': {
        const samples = await collect(content.samples(file, 0, signal))
        const [extra] = await collect(content.samples(partitionAt(p + 1), 0, signal))
        if (extra === undefined) throw new Error('the next partition is empty')
        const more = Buffer.concat(await collect(partitionBytes([...samples, extra])))
        const rows = matrix(
          file.rows + 1,
          aligned.columns,
          Float32Array.of(...aligned.data, ...aligned.data.subarray(0, aligned.columns))
        )
        return await writeShard(rangesOf(more), columnsOf(rows, reference), put)
      }
      case 'not-finite':
        return await writeShard(await source(file), { ...columns, targets: withMark(aligned) }, put, markToNaN)
      case 'other-dimension':
        return await writeShard(await source(file), { ...columns, targets: wider(aligned) }, put)
      case 'not-aligned':
        return await storeShard(content, file, columnsOf(raw, reference), {}, signal)
      default:
        return await storeShard(content, file, columns, {}, signal)
    }
  }

  return {
    node,
    score,
    computer,
    claim: async (partition, deceit) => {
      const reference = state.view().election.reference?.cid
      if (reference === undefined) throw new Error('there is no reference to align to')
      const transform = await exact.fit(score.body.targets, reference, gemm)
      const { lambda, looR2, looCosine } = transform
      const file = partitionAt(partition)
      let raw = testCid(`raw targets of ${partition} that are nowhere`)
      let shard: ContentFile = {
        cid: testCid(`shard of ${partition} that is nowhere`),
        bytes: file.bytes + 10_000,
        dagBytes: file.dagBytes + 10_500
      }
      if (deceit !== 'ghost') {
        const rows = await raws(partition, deceit)
        const matrixOf = await content.matrix(reference, manifest.shared.rows, manifest.dimension, { signal })
        raw = await storeMatrix(rows.raw, content.put)
        shard = await shardOf(partition, deceit, rows, transform, matrixOf)
      }
      const result = await publish<Result>({ type: 'result', partition, score: score.id, raw, present: file.rows })
      const alignment = await publish<Alignment>({
        type: 'alignment',
        partition,
        result: result.id,
        reference,
        shard: shard.cid,
        bytes: shard.bytes,
        dagBytes: shard.dagBytes,
        lambda,
        looR2,
        looCosine
      })
      return { partition, score, result, alignment }
    },
    say: async ({ partition, result, alignment }, shard, verdict) => {
      const rows = Math.min(32, partitionAt(partition).rows)
      const about = { type: 'check', partition, alignment: alignment.id, result: result.id, shard } as const
      if (verdict === undefined) {
        await publish<Check>(about)
        return
      }
      const targets = await storeMatrix(
        matrix(rows, manifest.dimension, new Float32Array(rows * manifest.dimension)),
        content.put
      )
      const seed = new Uint8Array(32).fill(partition)
      const z = verdict === 'plausible' ? 12 : 0.5
      await publish<Check>({
        ...about,
        opinion: { by: 'prior', score: score.id, seed, rows, targets, z, expected: 14, verdict }
      })
    }
  }
}

// --- internal ---

function isGarbage(deceit: Deceit): deceit is Garbage {
  return (GARBAGE as readonly string[]).includes(deceit)
}
