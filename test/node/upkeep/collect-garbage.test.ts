import { MemoryBlockstore } from 'blockstore-core'
import { expect, test } from 'vitest'
import { createContent } from '../../../node/content/content.ts'
import type { Membership } from '../../../node/swarms/membership.ts'
import { collectGarbage } from '../../../node/upkeep/collect-garbage.ts'
import type { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { viewOf } from '../../../src/merge/views.ts'
import { copyOf, makeResult, makeScore, makeSwarm, testPeer } from '../../helpers/swarm-factory.ts'

test('garbage is collected in a swarm with more results than a call takes arguments', async () => {
  const swarm = await makeSwarm()
  const [self, bob] = [testPeer('self'), testPeer('bob')]
  const score = await makeScore(swarm, bob, 0)
  const result = await makeResult(swarm, bob, 1, score, 2)
  const set = createRecordSet([score, ...Array.from({ length: 161_000 }, (_, i) => copyOf(result, i + 1))])
  const evidence = { assessments: new Map(), qualities: new Map() }
  const state = { set, evidence, view: () => viewOf(swarm.manifest, set, evidence, { ranking: [] }), settled: () => {} }
  const content = createContent(
    { local: Object.assign(new MemoryBlockstore(), { barrier: async () => {} }) },
    { blockTimeoutMs: 1000, attempts: 1 }
  )
  const needed = Promise.withResolvers<number>()
  const store = {
    bytes: 0,
    sweep: async function* (names: ReadonlySet<string>) {
      needed.resolve(names.size)
      yield 0
    }
  } as unknown as DurableBlockstore
  await collectGarbage(
    {
      memberships: () => [{ swarm, state } as unknown as Membership],
      known: async () => [],
      settled: async () => {},
      pins: async () => [],
      self: self.key,
      content,
      store,
      peek: async () => undefined
    },
    { dryRun: true, signal: new AbortController().signal }
  )
  expect(await needed.promise).toBeGreaterThan(0)
})
