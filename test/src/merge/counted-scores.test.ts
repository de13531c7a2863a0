import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { countedScores, MAX_COUNTED_SCORES, MAX_SCORES_PER_AUTHOR } from '../../../src/merge/counted-scores.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import { copyOf, makeScore, makeSwarm, testCid, testPeer } from '../../helpers/swarm-factory.ts'

let swarm: Swarm
let score: SignedRecord<Score>
beforeAll(async () => {
  swarm = await makeSwarm()
  score = await makeScore(swarm, testPeer('bob'), 0)
})

/** The first score of an author of its own. */
function of(author: number, uniformValue = -1.5): SignedRecord<Score> {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, author)
  const copy = copyOf(score, author)
  return { ...copy, body: { ...copy.body, author: key, seq: 0, uniformValue } }
}

test('of an author those with the lowest sequence numbers count, authors taking turns', async () => {
  const alice = testPeer('alice')
  const many = await Promise.all(
    Array.from({ length: MAX_SCORES_PER_AUTHOR + 3 }, async (_, i) =>
      makeScore(swarm, alice, 100 + i, { uniformValue: -3.9, targets: testCid(`many ${i}`) })
    )
  )
  const counted = countedScores(createRecordSet([...many, score]))
  expect(counted).toHaveLength(MAX_SCORES_PER_AUTHOR + 1)
  expect(counted.slice(0, 2).map(({ key }) => key)).toEqual([many[0]?.key, score.key])
  expect(counted.some(({ body }) => body.seq >= 100 + MAX_SCORES_PER_AUTHOR)).toBe(false)
})

test('above the total the same scores count in every order of arrival, and a bold claim is no advantage', () => {
  const honest = Array.from({ length: MAX_COUNTED_SCORES }, (_, i) => of(i))
  const bold = Array.from({ length: MAX_COUNTED_SCORES }, (_, i) => of(MAX_COUNTED_SCORES + i, -4))
  const all = [...honest, ...bold]
  const counted = countedScores(createRecordSet(all)).map(({ key }) => key)
  expect(counted).toHaveLength(MAX_COUNTED_SCORES)
  const lowest = all
    .map(({ key }) => key)
    .sort()
    .slice(0, MAX_COUNTED_SCORES)
  expect(new Set(counted)).toEqual(new Set(lowest))
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), shuffled => {
      expect(countedScores(createRecordSet(shuffled)).map(({ key }) => key)).toEqual(counted)
    }),
    { numRuns: 5 }
  )
})
