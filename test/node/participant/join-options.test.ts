import { describe, expect, test } from 'vitest'
import type { JoinOptions } from '../../../node/api/options.ts'
import { checkJoinOptions, checkPublishedFacts } from '../../../node/participant/join-options.ts'
import type { PriorDescriptor } from '../../../src/optimize/prior.ts'
import { testCid } from '../../helpers/swarm-factory.ts'

const good: JoinOptions = {
  prior: 'model.onnx',
  once: true,
  threads: 1,
  maxPartitions: 1,
  name: 'ours',
  license: 'MIT'
}
const descriptor: PriorDescriptor = { kind: 'onnx', id: testCid('model'), name: 'a', dimension: 64, feature: 'pixels' }

describe('options of join', () => {
  test('that a record can state are fine', () => {
    expect(() => checkJoinOptions(good)).not.toThrow()
    expect(() => checkPublishedFacts({ ...descriptor, license: 'MIT' })).not.toThrow()
  })

  test.each<[Partial<JoinOptions>, RegExp]>([
    [{ name: '' }, /"name"/],
    [{ name: 'x'.repeat(65) }, /"name"/],
    [{ name: 'two\nlines' }, /"name".*printable/],
    [{ name: '\ud800' }, /"name".*printable/],
    [{ license: 'a\u0000b' }, /"license".*printable/],
    [{ license: 'x'.repeat(129) }, /"license"/],
    [{ threads: 0 }, /"threads"/],
    [{ threads: 1.5 }, /"threads"/],
    [{ maxPartitions: -1 }, /"maxPartitions"/],
    [{ output: '' }, /"output"/],
    [{ prior: '' }, /"prior"/]
  ])('are refused before any work, with the name of the option: %j', (change, message) => {
    expect(() => checkJoinOptions({ ...good, ...change })).toThrow(message)
  })

  test('take the place of facts in the prior that no record can state', () => {
    expect(() => checkPublishedFacts({ ...descriptor, name: 'bad\tname' })).toThrow(/"bad\\tname".*--name/)
    expect(() => checkPublishedFacts({ ...descriptor, license: 'a\nb' })).toThrow(/--license/)
    expect(() => checkPublishedFacts({ ...descriptor, dimension: 2_000_000 })).toThrow(/2000000 dimensions.*--output/)
  })
})
