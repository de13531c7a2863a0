import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { figure, sizeOf } from '../helpers/effort.ts'

const NODES = sizeOf('COOPT_NODES', 4)
/** As many for each node as the plan has for a hundred. */
const PARTITIONS = 2 * NODES
const SWARM = join(import.meta.dirname, '../../scripts/bench/many/swarm.ts')

const reportSchema = z.looseObject({
  mergedCid: z.array(z.string()),
  joinSeconds: z.number(),
  completeSeconds: z.number(),
  oneCidSeconds: z.number(),
  memoryMiBPerNode: z.number()
})

test(`${NODES} whole nodes finish ${PARTITIONS} partitions with one CID`, async () => {
  const sizes = ['--nodes', `${NODES}`, '--partitions', `${PARTITIONS}`, '--settle', '1', '--idle', '5']
  const { stdout } = await promisify(execFile)(process.execPath, [SWARM, ...sizes], { maxBuffer: 2 ** 26 })
  const report = reportSchema.parse(JSON.parse(stdout))
  figure('nodes', NODES)
  figure('partitions', PARTITIONS)
  figure(
    'seconds to join, complete, one CID',
    `${report.joinSeconds}, ${report.completeSeconds}, ${report.oneCidSeconds}`
  )
  figure('memory a node, MiB', report.memoryMiBPerNode)
  expect(report.mergedCid).toHaveLength(1)
})
