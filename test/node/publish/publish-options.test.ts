import { describe, expect, test } from 'vitest'
import type { PublishOptions } from '../../../node/api/options.ts'
import {
  acceptanceOf,
  checkPublishOptions,
  checkReferenceFeatures,
  checkReferencePrior,
  confirmedBy,
  defaultPolicy,
  imageLimits,
  sizeAdvice
} from '../../../node/publish/publish-options.ts'
import { MAX_IMAGE_BYTES } from '../../../src/distribute/image-kind.ts'
import { DEFAULT_IMAGE_LIMITS, MAX_IMAGE_PIXELS } from '../../../src/distribute/image-limits.ts'
import { MAX_DIMENSION, MAX_MATRIX_BYTES, MAX_PARTITIONS, MAX_SHARED_ROWS } from '../../../src/distribute/manifest.ts'
import { matrix } from '../../../src/matrix.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'

const good: PublishOptions = { name: 'images', partitions: 16, shared: 1000, dimension: 256 }
const refusal = (message: RegExp): object => ({
  name: 'InvalidInputError',
  message: expect.stringMatching(message) as string
})
const refused = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return error
  }
}

describe('options of publish', () => {
  test('elect by what known members, or anybody, can be trusted with', () => {
    expect(defaultPolicy(good)).toBe('corroboration')
    expect(defaultPolicy({ ...good, allow: [testPeer('alice').id] })).toBe('consensus')
  })

  test.each<[Partial<PublishOptions>, RegExp]>([
    [{ name: '' }, /"name"/],
    [{ name: 'two\nlines' }, /"name".*printed/],
    [{ name: 'x'.repeat(129) }, /"name"/],
    [{ license: 'a\u0000b' }, /"license"/],
    [{ partitions: 0 }, /"partitions".*1 at least/],
    [{ partitions: MAX_PARTITIONS + 1 }, /"partitions".*2048 at most/],
    [{ partitions: 1.5 }, /"partitions"/],
    [{ shared: 15 }, /"shared".*16 at least/],
    [{ shared: MAX_SHARED_ROWS + 1 }, /"shared".*16384 at most/],
    [{ dimension: 1 }, /"dim".*2 at least/],
    [{ dimension: MAX_DIMENSION + 1 }, /"dim".*4096 at most/],
    [{ shared: 8192, dimension: 4096 }, /"shared".*use 4096 rows or fewer/],
    [{ election: 'chance' as 'uniformity' }, /"election"/],
    [{ targetDtype: 'int8' as 'float16' }, /"targetDtype"/],
    [{ more: [''] }, /"more/],
    [{ allow: [] }, /"allow"/],
    [{ allow: ['not-a-peer'] }, /not-a-peer/]
  ])('that break a limit of the manifest are refused: %j', (change, message) => {
    expect(refused(() => checkPublishOptions({ ...good, ...change }))).toMatchObject(refusal(message))
  })

  test('at the limits are fine, and say who is admitted', () => {
    expect(checkPublishOptions(good)).toBe('open')
    expect(checkPublishOptions({ ...good, partitions: MAX_PARTITIONS, shared: 4096, dimension: 4096 })).toBe('open')
    const { id, key } = testPeer('alice')
    expect(checkPublishOptions({ ...good, allow: [id, id] })).toEqual([key])
  })

  test('say how large an image may be, within what a participant can decode', () => {
    expect(imageLimits({})).toEqual(DEFAULT_IMAGE_LIMITS)
    expect(imageLimits({ maxPixels: MAX_IMAGE_PIXELS, maxImageBytes: 1 })).toEqual({
      maxPixels: MAX_IMAGE_PIXELS,
      maxBytes: 1
    })
    expect(refused(() => imageLimits({ maxPixels: MAX_IMAGE_PIXELS + 1 }))).toMatchObject(refusal(/"max-pixels"/))
    expect(refused(() => imageLimits({ maxImageBytes: MAX_IMAGE_BYTES + 1 }))).toMatchObject(
      refusal(/"max-image-bytes".*67108864 at most/)
    )
  })

  test('with a reference prior whose features would be too large are refused', () => {
    const rows = MAX_MATRIX_BYTES / 4 / MAX_DIMENSION
    expect(() => checkReferencePrior({ ...good, shared: rows }, MAX_DIMENSION, 'a prior')).not.toThrow()
    expect(refused(() => checkReferencePrior({ ...good, shared: 8192 }, 4096, 'a prior'))).toMatchObject(
      refusal(/"shared".*"a prior".*4096 rows/)
    )
    expect(refused(() => checkReferencePrior(good, MAX_DIMENSION + 1, 'a prior'))).toMatchObject(refusal(/4097/))
    expect(refused(() => checkReferencePrior(good, 64, 'two\nlines'))).toMatchObject(refusal(/"two\\nlines".*rename/))
  })
})

test('reference features that are the same for all images are refused, with advice', () => {
  const same = matrix(3, 2, Float32Array.of(1, 2, 1, 2, 1, 2))
  expect(refused(() => checkReferenceFeatures(same, 'flat'))).toMatchObject(
    refusal(/"flat".*same for all 3.*prior check/)
  )
  expect(() => checkReferenceFeatures(matrix(3, 2, Float32Array.of(1, 2, 1, 2, 1, 2.5)), 'fine')).not.toThrow()
})

describe('advice about sizes', () => {
  const usual = { rows: 1000, samples: 5000, featureDimension: 256 }

  test('is nothing where everything fits', () => {
    expect(sizeAdvice(good, usual)).toEqual([])
    expect(sizeAdvice(good, { ...usual, featureDimension: 1280 }), 'the bundled prior says nothing of others').toEqual(
      []
    )
  })

  test('says what m is needed where few rows are shared', () => {
    expect(sizeAdvice({ ...good, dimension: 64 }, { ...usual, rows: 200 })).toEqual([
      expect.stringMatching(/200 shared rows are few.*with 300 nearly all pass, with 1000 all .*\(--shared\)/)
    ])
    expect(sizeAdvice({ ...good, dimension: 64 }, { ...usual, rows: 200, samples: 200 })).toEqual([
      expect.stringMatching(/more than the dataset has/)
    ])
  })

  test('compares rows with dimensions, and dimensions with those of the prior that is known', () => {
    expect(sizeAdvice({ ...good, dimension: 512 }, usual)).toEqual([expect.stringMatching(/1024 rows/)])
    expect(sizeAdvice({ ...good, referencePrior: 'lite0' }, { ...usual, featureDimension: 1280 })).toEqual([
      expect.stringMatching(/--dim 1280 keeps all, at 5120 instead of 1024 bytes a row/)
    ])
  })
})

test.each([
  [{}, '1 other member with another eligible prior that holds and checks the work'],
  [{ quorum: 3 }, '3 other members with distinct eligible priors that hold and check the work'],
  [{ allow: [] }, '1 other listed member that holds and checks the work'],
  [{ quorum: 2, allow: [] }, '2 other listed members that hold and check the work']
])('who publishes with %j is told that work is confirmed by %s', (options, sentence) => {
  const acceptance = acceptanceOf(options)
  expect(confirmedBy(acceptance === undefined ? {} : { acceptance })).toBe(sentence)
})
