import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { exitCodeOf } from '../../../node/api/exit-codes.ts'
import { storeMatrix } from '../../../node/priors/compute-targets.ts'
import { rawCid } from '../../../src/codec.ts'
import { matrix } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import { hasSharedData, zooModel } from '../../helpers/cifar.ts'
import { noiseModel } from '../../helpers/noise-model.ts'
import { normal } from '../../helpers/synthetic-priors.ts'
import { whenState } from '../../helpers/node-conditions.ts'
import {
  bundledPrior,
  folderOf,
  IMAGES,
  labelFile,
  labelledPictures,
  PARTITIONS,
  pictures,
  priorFolder,
  startNode,
  temporaryFolder,
  type TestNode
} from '../../helpers/test-node.ts'

/** A model whose features have the best uniform value there is and say nothing about the image. */
async function noisePrior(): Promise<string> {
  if (hasSharedData) return await priorFolder(await readFile(zooModel('noise_hash')))
  return await priorFolder(noiseModel())
}

/** Publish results and alignments for every partition under a score, as if they were good. */
async function pretend(node: TestNode, manifest: string, score: SignedRecord<Score>): Promise<void> {
  const { state } = node.membership(manifest)
  const honest = state.view().chosen
  for (const { partition, result, alignment } of honest.values()) {
    const { raw, present } = result.body
    const made = await state.publish({ type: 'result', partition, score: score.id, raw, present })
    const { v: _v, swarm: _swarm, author: _author, seq: _seq, ...rest } = alignment.body
    await state.publish({ ...rest, result: made.id, looR2: 1, looCosine: 1, lambda: 0 })
  }
}

describe.each(['uniformity', 'predictivity', 'corroboration', 'consensus'] as const)('under %s', election => {
  test('noise, lies and what they published are neither elected nor used', async () => {
    const [publisher, honest, noise] = await Promise.all([startNode(), startNode(), startNode()])
    const { invite, manifest } = await publisher.publish(await pictures(), { election })
    const { mergedCid } = await honest.join(invite, bundledPrior('superclass2'))
    const { state } = publisher.membership(manifest)
    const reference = state.view().election.reference?.cid?.toString()

    // the model is refused, its score stays visible
    const refused = noise.join(invite, await noisePrior())
    await expect(refused).rejects.toMatchObject({
      name: 'PriorRefusedError',
      message: expect.stringContaining('does not pass') as string
    })
    expect(await refused.catch(exitCodeOf)).toBe(5)
    const attacker = noise.membership(manifest)
    const [own] = attacker.state.set.byType('score').filter(s => s.body.prior.name === 'noise')
    if (own === undefined) throw new Error('the noise prior published no score')
    await pretend(noise, manifest, own)

    // random targets with the claim that would win, and honest ones with the same lie
    const { rows } = publisher.membership(manifest).swarm.manifest.shared
    const stream = createRandomStream('test', 'liar', election)
    const random = matrix(
      rows,
      80,
      Float32Array.from({ length: rows * 80 }, () => normal(stream))
    )
    const honestScore = attacker.state.set.byType('score').find(s => s.body.prior.name === 'superclass2')
    if (honestScore === undefined) throw new Error('the honest score is missing')
    for (const targets of [await storeMatrix(random, noise.runtime.content.put), honestScore.body.targets]) {
      const lie = await attacker.state.publish({
        type: 'score',
        prior: { id: rawCid(new Uint8Array(9)), kind: 'onnx', name: 'liar', dimension: 64 },
        targets,
        present: rows,
        uniformValue: -3.99
      })
      await pretend(noise, manifest, lie as SignedRecord<Score>)
    }
    await noise.runtime.content.barrier()

    const size = attacker.state.set.size
    const everything = whenState(publisher.membership(manifest), () => state.set.size === size)
    await attacker.sync()
    await everything
    await state.untilJudged()
    const view = state.view()
    expect(view.election.reference?.cid?.toString()).toBe(reference)
    const bad = view.election.ranking.filter(r => r.author === noise.peer)
    expect(bad).toHaveLength(3)
    expect(bad.every(r => !r.electable)).toBe(true)
    expect(bad.map(r => r.reason ?? '').sort()).toEqual([
      expect.stringMatching(/claims the uniform value -3.99/) as string,
      'not eligible',
      'not eligible'
    ])
    expect(
      [...view.chosen.values()].filter(c => c.alignment.body.author.every((b, i) => b === own.body.author[i]))
    ).toEqual([])
    expect(view.chosen.size).toBe(PARTITIONS)
    expect((await publisher.node.merge(invite, {})).mergedCid, 'the attack leaves no trace').toBe(mergedCid)
    const row = (await publisher.node.status(invite)).swarms[0]?.peers.find(p => p.prior === 'noise')
    expect(row).toMatchObject({ eligible: false, partitions: 0 })
    expect(row?.refusals).not.toEqual([])
  })
})

test('people take part with labels: rows without one are null, and labels are never the reference', async () => {
  const images = await labelledPictures()
  const unlabelled = new Set<string>()
  const labels = await labelFile(
    images.map(({ bytes, kind }, i) => {
      if (i % 7 !== 3) return { bytes, kind }
      unlabelled.add(rawCid(bytes).toString())
      return { bytes, kind: undefined }
    })
  )
  const [publisher, machine, people] = await Promise.all([startNode(), startNode(), startNode()])
  // features that know the classes: labels of so few images are told from noise with certainty
  const { invite, manifest } = await publisher.publish(await folderOf(images), {
    referencePrior: bundledPrior('resnet20')
  })
  const joined = await Promise.all([
    machine.join(invite, bundledPrior('superclass2'), { maxPartitions: 2 }),
    people.join(invite, labels, { name: 'eyes' }) // without a limit: both may begin with the same partition
  ])
  expect(joined.map(r => r.complete)).toEqual([true, true])
  const out = join(await temporaryFolder(), 'dataset')
  const merged = await publisher.node.merge(invite, { out })
  expect(merged.reference?.prior).toBe('superclass2')
  expect(merged.peers.find(p => p.prior === 'eyes')).toMatchObject({ eligible: true })

  const choices = publisher.membership(manifest).state.view().chosen
  const byPeople = [...choices.values()].filter(c => c.score.body.prior.kind === 'human').map(c => c.partition)
  expect(byPeople.length).toBeGreaterThan(0)
  let rows = 0
  for (const partition of choices.keys()) {
    const path = join(out, 'data', `train-0000${partition}-of-00004.parquet`)
    const bytes = await readFile(path)
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
    const objects = (await parquetReadObjects({ file })) as { id: string; target: number[] | null }[]
    for (const { id, target } of objects) {
      const isNull = byPeople.includes(partition) && unlabelled.has(id)
      expect(target === null || target === undefined, `${id} of partition ${partition}`).toBe(isNull)
      if (isNull) continue
      rows++
      expect(target).toHaveLength(80)
      expect(target?.every(Number.isFinite)).toBe(true)
      expect(
        target?.some(x => x !== 0),
        'an unlabelled row is never zero'
      ).toBe(true)
    }
  }
  expect(merged.rows).toBe(rows)
  expect(rows).toBeLessThan(IMAGES)
  const report = await publisher.node.verify(merged.mergedCid)
  expect(report.checks.filter(c => !c.ok)).toEqual([])
})

test('what people labelled in part is complete for now, and completed by the next machine that joins', async () => {
  const images = await labelledPictures()
  const labels = await labelFile(images.map(({ bytes, kind }, i) => ({ bytes, kind: i % 7 === 3 ? undefined : kind })))
  // longer than the machine works: it must not leave before it has aligned what it made
  const slowToSettle = { timing: { settleMs: 4000 } }
  const [publisher, machine, people] = await Promise.all([startNode(), startNode(slowToSettle), startNode()])
  const { invite, manifest } = await publisher.publish(await folderOf(images), {
    referencePrior: bundledPrior('resnet20')
  })
  const prior = bundledPrior('superclass2')
  // people have no targets that others could be aligned to
  const [, joined] = await Promise.all([
    machine.join(invite, prior, { maxPartitions: 0 }),
    people.join(invite, labels, { name: 'eyes' })
  ])
  expect(joined).toMatchObject({ complete: true, partitions: PARTITIONS })
  const { state } = machine.membership(manifest)
  expect(state.view()).toMatchObject({ complete: true, incomplete: [0, 1, 2, 3] })
  expect(state.view().rows).toBeLessThan(IMAGES)

  expect(await machine.join(invite, prior)).toMatchObject({ complete: true, partitions: PARTITIONS })
  expect(state.view()).toMatchObject({ rows: IMAGES, incomplete: [] })
  expect([...state.view().chosen.values()].every(({ score }) => score.body.prior.kind === 'onnx')).toBe(true)
})
