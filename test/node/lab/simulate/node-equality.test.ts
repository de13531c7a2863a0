import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDirectExact } from '../../../../node/lab/simulate/direct-exact.ts'
import { createDraw, takeImages } from '../../../../node/lab/simulate/draw.ts'
import { featuresOf, type PriorFeatures } from '../../../../node/lab/simulate/feature-cache.ts'
import { openImages } from '../../../../node/lab/simulate/image-set.ts'
import { simulatedPeer } from '../../../../node/lab/simulate/simulated-peer.ts'
import type { SimulatedParticipant } from '../../../../node/lab/simulate/simulated-participant.ts'
import { createSimulatedSwarm } from '../../../../node/lab/simulate/simulated-swarm.ts'
import { honestSource } from '../../../../node/lab/simulate/target-source.ts'
import { applyTransform } from '../../../../src/align/transform.ts'
import { planPartitions } from '../../../../src/distribute/partition.ts'
import { plainGemm } from '../../../../src/gemm.ts'
import { assessmentKey, qualityKey } from '../../../../src/merge/views.ts'
import { importMatrix } from '../../../../src/publish/matrix-file.ts'
import { bundledPrior, pictures, startNode, temporaryFolder } from '../../../helpers/test-node.ts'

/** Aligned targets come from fast kernels in a node, and are compared with a tolerance by everybody. */
const TOLERANCE = 1e-4

const nowhere = async (): Promise<void> => {
  // only the CID is wanted
}

test.each(['uniformity', 'predictivity'] as const)(
  'what decides is the same to the last bit as in a swarm of nodes, and what they publish is the same up to rounding: %s',
  async election => {
    const [publisher, one, other] = await Promise.all([startNode(), startNode(), startNode()])
    const folder = await pictures()
    const { invite, manifest: id } = await publisher.publish(folder, { election })
    await Promise.all([
      one.join(invite, bundledPrior('vgg_small'), { maxPartitions: 2 }),
      other.join(invite, bundledPrior('superclass2')) // without a limit: both may begin with the same partition
    ])
    const { state, swarm } = publisher.membership(id)
    const out = join(await temporaryFolder(), 'targets.npy')
    const { mergedCid } = await publisher.node.merge(invite, {})
    await publisher.node.export(mergedCid, { npy: out })
    const view = state.view()
    expect(view.complete).toBe(true)

    const { manifest } = swarm
    const images = await openImages([folder], new AbortController().signal)
    const cache = await temporaryFolder()
    const load = async (name: Parameters<typeof bundledPrior>[0]): Promise<PriorFeatures> =>
      await featuresOf(name, bundledPrior(name), images, {
        cache,
        threads: 1,
        signal: new AbortController().signal,
        onProgress: () => undefined
      })
    const priors = new Map([
      ['vgg_small', await load('vgg_small')],
      ['superclass2', await load('superclass2')]
    ])
    const untrained = await load('untrained')
    await images.close()
    const plan = planPartitions({
      digests: images.digests,
      seed: manifest.seed,
      partitions: manifest.partitions.length,
      sharedRows: manifest.shared.rows
    })
    const referenceFeatures = takeImages(untrained.features, plan.shared)
    expect((await importMatrix(referenceFeatures, nowhere)).cid.toString()).toBe(`${manifest.referenceFeatures.cid}`)

    const digestOf = (image: number): Uint8Array => images.digests.subarray(image * 32, image * 32 + 32)
    const draw = createDraw({ swarm, ...plan, digestOf }, referenceFeatures)
    const settings = { alignTo: 'elected', gate: true } as const
    const exact = createDirectExact({ draw, manifest, settings, priors })
    const participants = [...priors].map(([name, prior]): SimulatedParticipant => ({
      name,
      peer: simulatedPeer(name),
      speed: 1,
      source: honestSource(draw, prior),
      score: undefined,
      taken: 0,
      budget: 0
    }))
    const simulated = createSimulatedSwarm({ draw, swarm, exact, participants, unaligned: false })
    await simulated.publishScores(participants)
    await simulated.work({ once: true })

    const reference = view.election.reference?.cid
    expect(simulated.view().election.reference?.cid?.toString()).toBe(reference?.toString())
    expect(simulated.view().complete).toBe(true)
    const scores = state.set.byType('score')
    expect(scores).toHaveLength(2)
    for (const { body } of scores) {
      const own = participants.find(p => p.name === body.prior.name)?.score?.body
      expect(own?.targets.toString()).toBe(body.targets.toString())
      expect(own?.uniformValue).toBe(body.uniformValue)
      expect(own?.prior.id.toString()).toBe(body.prior.id.toString())
      expect(simulated.state.evidence.assessments.get(assessmentKey(body))).toEqual(
        state.evidence.assessments.get(assessmentKey(body))
      )
      if (reference === undefined) throw new Error('nobody was elected')
      const key = qualityKey(body.targets, reference)
      expect(simulated.state.evidence.qualities.get(key)).toEqual(state.evidence.qualities.get(key))
    }

    // the nodes' merged targets by image, against those that the simulation makes of the same partitions
    const npy = await readFile(out)
    const ids = (await readFile(`${out}.ids.txt`, 'utf8')).trim().split('\n')
    const published = new Map(ids.map((image, row) => [image, 128 + row * manifest.dimension * 4]))
    let worst = 0
    let rows = 0
    for (const { partition, score } of view.chosen.values()) {
      const prior = priors.get(score.body.prior.name)
      if (prior === undefined || reference === undefined) throw new Error('work of an unknown prior')
      const transform = await draw.fit(score.body.targets, reference, manifest.alignment.grid)
      const raw = await draw.partitionTargets(prior, partition)
      const aligned = await applyTransform(transform, raw.matrix, plainGemm)
      for (const [row, image] of (plan.partitions[partition] ?? new Uint32Array(0)).entries()) {
        const at = published.get(images.ids[image] as string)
        if (at === undefined) throw new Error(`image ${image} is missing`)
        rows++
        for (let c = 0; c < manifest.dimension; c++) {
          const mine = aligned.data[row * manifest.dimension + c] as number
          worst = Math.max(worst, Math.abs(npy.readFloatLE(at + 4 * c) - mine))
        }
      }
    }
    expect(rows).toBe(manifest.samples)
    expect(worst).toBeLessThan(TOLERANCE)
    await simulated.stop()
  }
)
