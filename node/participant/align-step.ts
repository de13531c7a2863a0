/**
 * Step 3 as a participant takes it: raw targets of any author -> a published shard onto the elected reference. One ridge fit serves all partitions
 * of a prior until another reference is elected.
 */
import type { CID } from 'multiformats/cid'
import { rowWeights } from '../../src/align/row-weight.ts'
import { applyTransform, type Transform } from '../../src/align/transform.ts'
import { AlignmentRefusedError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { belowFloor, qualityKey, type Pending } from '../../src/merge/views.ts'
import { trustOf } from '../../src/publish/bundle.ts'
import type { Alignment, Score, SignedRecord } from '../../src/publish/record.ts'
import type { NewColumns } from '../../src/publish/shard.ts'
import { asStored, NUMBER_BYTES } from '../../src/publish/target-dtype.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Exact } from '../compute/exact/exact.ts'
import type { Content } from '../content/content.ts'
import type { SwarmState } from '../state/swarm-state.ts'
import type { Publish } from './publish-step.ts'
import { storeShard } from './store-shard.ts'

export interface AlignStepComponents {
  state: Pick<SwarmState, 'swarm' | 'view'>
  exact: Pick<Exact, 'fit'>
  content: Pick<Content, 'matrix' | 'leaves' | 'block' | 'put'>
  /** Kernels for the heavy products */
  gemm: Gemm
  onEvent(event: ApiEvent): void
}

export interface AlignStep {
  /**
   * Map raw targets onto the present reference and publish the shard. Throws `AlignmentRefusedError` below the manifest's floor,
   * `ContentUnavailableError` when the raw targets cannot be fetched.
   */
  align(work: Pending): Promise<void>
  /** Another reference was elected: drop the transforms onto the old one. */
  forgetTransforms(): void
}

export function createAlignStep(components: AlignStepComponents, publish: Publish, kill: AbortSignal): AlignStep {
  const { state, exact, content, gemm, onEvent } = components
  const { swarm } = state
  const { manifest } = swarm
  const transforms = new Map<string, Transform>()

  const fit = async (by: SignedRecord<Score>, reference: CID): Promise<Transform> => {
    const key = qualityKey(by.body.targets, reference)
    const fitted = transforms.get(key)
    if (fitted !== undefined) return fitted
    const transform = await exact.fit(by.body.targets, reference, gemm)
    const refusal = belowFloor(manifest, transform)
    if (refusal !== undefined)
      throw new AlignmentRefusedError(`prior "${by.body.prior.name}" cannot be aligned to ${reference}: ${refusal}`)
    transforms.set(key, transform)
    const { looR2, looCosine, lambda } = transform
    onEvent({ type: 'alignment', reference: reference.toString(), looR2, looCosine, lambda })
    return transform
  }

  const align = async ({ partition, score: by, result }: Pending): Promise<void> => {
    const file = manifest.partitions[partition]
    const reference = state.view().election.reference?.cid
    if (file === undefined || reference === undefined) return
    const transform = await fit(by, reference)
    const raw = await content.matrix(result.body.raw, file.rows, manifest.dimension, {
      signal: kill,
      from: result.body.author
    })
    const dtype = manifest.targetDtype ?? 'float32'
    const targets = asStored(await applyTransform(transform, raw, gemm), dtype)
    const { shared, dimension } = manifest
    const weights = rowWeights(targets, await content.matrix(reference, shared.rows, dimension, { signal: kill }))
    const columns: NewColumns = { targets, weights, dtype }
    const shard = await storeShard(content, file, columns, shardMetadata(by, partition, reference), kill)
    const { lambda, looR2, looCosine } = transform
    const { cid, bytes, dagBytes, newBytes } = shard
    await publish<Alignment>(
      {
        type: 'alignment',
        partition,
        result: result.id,
        reference,
        shard: cid,
        bytes,
        dagBytes,
        lambda,
        looR2,
        looCosine
      },
      { newBytes, targetBytes: targets.data.length * NUMBER_BYTES[dtype] + weights.byteLength }
    )
    onEvent({ type: 'partition', partition, state: 'done', rows: file.rows })
  }

  const shardMetadata = (by: SignedRecord<Score>, partition: number, reference: CID): Record<string, string> => ({
    'coopt.swarm': swarm.id.toString(),
    'coopt.partition': partition.toString(),
    'coopt.reference': reference.toString(),
    'coopt.prior': by.body.prior.id.toString(),
    'coopt.trust': trustOf(by.body.prior)
  })

  return { align, forgetTransforms: () => transforms.clear() }
}
