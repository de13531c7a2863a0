import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allDecoders } from '../helpers/decoders/all.ts'
import { attack } from '../helpers/decoders/attack.ts'
import { damaged, madeUp } from '../helpers/decoders/inputs.ts'
import { figure, sizeOf } from '../helpers/effort.ts'

const INPUTS = sizeOf('COOPT_INPUTS', 400)
/** The plan has 100,000 damaged inputs and 10,000 made-up ones. */
const MADE_UP_SHARE = 1 / 11
/** Decoders that read files or run native code get a tenth, those that sync the disk a thousandth. */
const SLOW_SHARE = 1 / 10
const SYNC_SHARE = 1 / 1000
const HEAP_LIMIT = 32 * 2 ** 20
/** Numbers of the runs: a failing input comes again. `COOPT_SEED` sets another. */
const SEED = sizeOf('COOPT_SEED', 1)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const root = await mkdtemp(join(tmpdir(), 'coopt-decoders-'))
const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', note))
const total = { inputs: 0, refused: 0, worst: 0, worstSlow: 0, heap: 0, decoders: 0 }
afterAll(async () => {
  process.off('unhandledRejection', note)
  await rm(root, { recursive: true, force: true })
  figure('decoders', total.decoders)
  figure('inputs', total.inputs)
  figure('refused', total.refused)
  figure('slowest of a pure decoder, ms', total.worst)
  figure('slowest with files or native code, ms', total.worstSlow)
  figure('heap grew at most, MiB', total.heap / 2 ** 20)
})

function heapAfterCollection(): number {
  collect()
  return process.memoryUsage().heapUsed
}

test.each(allDecoders(root))('$name', async decoder => {
  const good = new Uint8Array(await decoder.good())
  const share = decoder.syncs === true ? SYNC_SHARE : decoder.slow === true ? SLOW_SHARE : 1
  const runs = Math.max(20, Math.round(INPUTS * share))
  const madeRuns = Math.max(10, Math.round(runs * MADE_UP_SHARE))
  // what is compiled and cached at first is no leak
  await attack(decoder, damaged(good), { runs: 20, folder: root, seed: SEED })
  const before = heapAfterCollection()
  const reports = [
    await attack(decoder, damaged(good), { runs: Math.max(1, runs - madeRuns), folder: root, seed: SEED }),
    await attack(decoder, madeUp(decoder, good), { runs: madeRuns, folder: root, seed: SEED })
  ]
  const grown = heapAfterCollection() - before
  expect(grown, 'bytes that stay').toBeLessThan(HEAP_LIMIT)
  // rejections are told after the microtasks of a turn
  await new Promise(resolve => setImmediate(resolve))
  expect(unhandled.splice(0)).toEqual([])
  total.decoders++
  for (const { inputs, refused, worst } of reports) {
    total.inputs += inputs
    total.refused += refused
    if (decoder.slow === true) total.worstSlow = Math.max(total.worstSlow, worst)
    else total.worst = Math.max(total.worst, worst)
  }
  total.heap = Math.max(total.heap, grown)
})
