/** Taking part with any `PriorModel`, also one that no file gives: what a participant that changed its program could do. */
import { createTargetComputer } from '../../node/priors/compute-targets.ts'
import { participate, type ParticipantReport } from '../../node/participant/participant.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import type { TestNode } from './test-node.ts'

/** Resolves when every partition has work. The node must be in the swarm. */
export async function joinWith(
  { runtime, membership }: TestNode,
  manifest: string,
  prior: PriorModel
): Promise<ParticipantReport> {
  const member = membership(manifest)
  const { identity, content, gemm, projector, logger } = runtime
  const computer = createTargetComputer({ swarm: member.swarm, prior, projector, batchSize: 32 })
  const never = new AbortController().signal
  let judging: AsyncDisposable | undefined
  const onScored = (score: SignedRecord<Score>): void => void (judging ??= member.judgeWith({ score, computer }))
  const report = await participate(
    { ...member, self: identity.key, content, prior, gemm, onEvent: () => {}, logger, computer, onScored },
    { once: true, maxPartitions: Number.POSITIVE_INFINITY, settleMs: 500, renewMs: 1000 },
    { signal: never, kill: never }
  )
  await judging?.[Symbol.asyncDispose]()
  return report
}

/** Honest on some images; on all others the features of each batch go to the wrong images. */
export function honestOn(ids: ReadonlySet<string>, prior: PriorModel): PriorModel {
  return {
    descriptor: prior.descriptor,
    close: async () => await prior.close(),
    embed: async (images, options) => {
      const { features, absent } = await prior.embed(images, options)
      const { rows, columns, data } = features
      const out = Float32Array.from(data)
      for (const [i, { id }] of images.entries()) {
        if (ids.has(id)) continue
        const from = (i + 1) % rows
        out.set(data.subarray(from * columns, (from + 1) * columns), i * columns)
      }
      return { features: { rows, columns, data: out }, absent }
    }
  }
}
