import { MemoryBlockstore } from 'blockstore-core'
import type { CID } from 'multiformats/cid'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { storeShard } from '../../../node/participant/store-shard.ts'
import { checkTargets, type CheckedTargets } from '../../../node/verify/verify-targets.ts'
import { fitTransform } from '../../../src/align/transform.ts'
import { rowWeights } from '../../../src/align/row-weight.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import type { Choice } from '../../../src/merge/views.ts'
import { finishedRound, ROUND, type FinishedRound } from '../../helpers/finished-round.ts'
import { memoryContent } from '../../helpers/memory-content.ts'

let store: MemoryBlockstore
let content: Content
let round: FinishedRound
let reference: Matrix32
const signal = new AbortController().signal

beforeEach(async () => {
  store = new MemoryBlockstore()
  content = memoryContent(store)
  round = await finishedRound(content)
  reference = await content.matrix(referenceCid(), ROUND.shared, ROUND.dimension, { signal })
})

const referenceCid = (): CID => round.scores[0]!.body.targets

const check = async (choices: Iterable<Choice> = chosen()): Promise<CheckedTargets> =>
  await checkTargets({
    manifest: round.swarm.manifest,
    choices,
    reference: referenceCid(),
    content,
    // the winner's targets onto themselves
    exact: { fit: async () => await fitTransform({ from: reference, to: reference, grid: [1e-9], gemm: plainGemm }) },
    gemm: plainGemm,
    signal
  })

const chosen = (): Choice[] => [...round.mergeable.state.view().chosen.values()]

/** The first choice with another shard, as its author would have published it. */
async function forged(
  targets: Matrix32,
  { partition = 0, weights = rowWeights(targets, reference) }: { partition?: number; weights?: Float32Array } = {}
): Promise<Choice[]> {
  const file = round.swarm.manifest.partitions[partition]!
  const { cid, bytes, dagBytes } = await storeShard(content, file, { targets, weights, dtype: 'float32' }, {}, signal)
  const [first] = chosen() as [Choice]
  const body = { ...first.alignment.body, shard: cid, bytes, dagBytes }
  return [{ ...first, alignment: { ...first.alignment, body } }]
}

/** The honest targets with the value of one row changed. */
function changed(i: number, values: Float32Array): Matrix32 {
  const { rows, columns, data } = round.targets[0]!
  const copy = data.slice()
  copy.set(values, i * columns)
  return matrix(rows, columns, copy)
}

test('honest shards pass, their images are compared and their targets computed again', async () => {
  expect(await check()).toEqual({ shards: 2, weighted: 2, images: 2, recomputed: 2, rows: 2 * ROUND.rows })
})

test('what is not available locally is left out and counted as such', async () => {
  const [first, second] = chosen() as [Choice, Choice]
  await store.delete(first.result.body.raw)
  content.distrust()
  expect(await check()).toMatchObject({ shards: 2, recomputed: 1 })
  await store.delete(second.alignment.body.shard)
  content.distrust()
  expect(await check()).toMatchObject({ shards: 1, recomputed: 0, rows: ROUND.rows })
})

describe('is refused, by the name of its shard', () => {
  /** The reason why these are refused. */
  const refusal = async (choices: Iterable<Choice>): Promise<string> => {
    const error = await check(choices).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InvalidContentError)
    expect(String(error)).toContain('data/train-00000-of-00002.parquet')
    return String(error)
  }

  test('fewer targets than the result says', async () => {
    expect(await refusal(await forged(changed(0, ABSENT(ROUND.dimension))))).toContain('the result says 12')
  })

  test('a weight that its target does not give', async () => {
    const weights = rowWeights(round.targets[0]!, reference).map((w, i) => (i === 7 ? w / 2 + 0.1 : w))
    expect(await refusal(await forged(round.targets[0]!, { weights }))).toContain('the weight of row 7')
  })

  test('a target that the raw ones do not give', async () => {
    expect(await refusal(await forged(changed(5, Float32Array.of(9, 9, 9, 9))))).toContain('the target of row 5')
  })

  test('the images of another partition', async () => {
    expect(await refusal(await forged(round.targets[0]!, { partition: 1 }))).toContain('of partition 0')
  })

  test('sizes that are not those of its record', async () => {
    const [first] = chosen() as [Choice]
    const body = { ...first.alignment.body, dagBytes: first.alignment.body.dagBytes + 1 }
    expect(await refusal([{ ...first, alignment: { ...first.alignment, body } }])).toContain('its record says')
  })
})
