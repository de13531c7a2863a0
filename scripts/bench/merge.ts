/**
 * Step 5 on synthetic records: a merge of many partitions, from records alone.
 *
 *     node scripts/bench/merge.ts [--partitions 1000] [--runs 5]
 *
 * Prints one JSON object: median milliseconds of a merge, blocks and bytes made. `mergeDataset` has nothing to read from, so it cannot read shard
 * blocks. Both sides are measured in one run: the same merge with half the partitions, and their ratio.
 */
import { parseArgs } from 'node:util'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { candidatesOf, viewOf } from '../../src/merge/views.ts'
import { elect } from '../../src/align/election.ts'
import { syntheticSwarm } from './synthetic-swarm.ts'

const { values } = parseArgs({
  options: { partitions: { type: 'string', default: '1000' }, runs: { type: 'string', default: '5' } }
})
const partitions = Number(values.partitions)
const whole = await measure(partitions)
const half = await measure(Math.ceil(partitions / 2))
console.log(JSON.stringify({ ...whole, half, ratio: Math.round((whole.milliseconds / half.milliseconds) * 100) / 100 }))

// --- internal ---

async function measure(count: number) {
  const { swarm, set, evidence } = await syntheticSwarm(count)
  const times: number[] = []
  let merged
  for (let i = 0; i < Number(values.runs); i++) {
    const started = performance.now()
    const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
    merged = await mergeDataset(swarm, set, evidence, view)
    times.push(performance.now() - started)
  }
  if (merged === undefined || merged.provisional) throw new Error('the synthetic swarm is not complete')
  return {
    partitions: count,
    milliseconds: Math.round(times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0),
    root: merged.root.toString(),
    blocksMade: merged.blocks.length,
    bytesMade: merged.blocks.reduce((sum, block) => sum + block.bytes.byteLength, 0)
  }
}
