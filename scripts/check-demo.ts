/**
 * Checks the demo's JSON report, read from stdin: its last line must show four eligible or judged peers that agree on one complete
 * dataset. Usage: npm run demo -- --json | node scripts/check-demo.ts
 */
import { text } from 'node:stream/consumers'
import { z } from 'zod'

const cid = z.string().regex(/^baf[a-z2-7]{50,}$/)
const number = z.number().refine(Number.isFinite)

const schema = z.strictObject({
  manifest: cid,
  reference: z.strictObject({ peer: z.string(), prior: z.string(), uniformValue: number }),
  mergedCid: cid,
  rows: z.number().int().min(2000),
  seconds: number.positive(),
  peers: z
    .array(
      z.strictObject({
        peer: z.string().min(40),
        prior: z.string().min(1),
        uniformValue: number.max(0),
        eligible: z.boolean(),
        looR2: number.max(1).nullable(),
        looCosine: number.min(-1).max(1).nullable(),
        partitions: z.number().int().nonnegative(),
        mergedCid: cid
      })
    )
    .length(4)
})

const PARTITIONS = 16

/** Throws with the reason unless the report is that of a successful demo. */
export function checkDemo(output: string): z.infer<typeof schema> {
  const line = output.trimEnd().split('\n').at(-1) ?? ''
  const report = schema.parse(JSON.parse(line))
  const { peers, reference, mergedCid } = report
  const fail = (reason: string): never => {
    throw new Error(`the demo's report is wrong: ${reason}`)
  }
  if (peers.some(peer => peer.mergedCid !== mergedCid)) fail('the peers computed different CIDs')
  if (new Set(peers.map(peer => peer.peer)).size !== peers.length) fail('a peer is listed twice')
  if (new Set(peers.map(peer => peer.prior)).size !== peers.length) fail('a prior is listed twice')
  const partitions = peers.reduce((sum, peer) => sum + peer.partitions, 0)
  if (partitions !== PARTITIONS) fail(`${partitions} partitions, expected ${PARTITIONS}`)
  const elected = peers.find(peer => peer.peer === reference.peer)
  if (elected?.eligible !== true) fail('the elected peer is not an eligible participant')
  const best = Math.min(...peers.filter(peer => peer.eligible).map(peer => peer.uniformValue))
  if (reference.uniformValue !== best)
    fail(`the reference has ${reference.uniformValue}, the lowest uniform value is ${best}`)
  return report
}

if (import.meta.main) {
  const { peers, rows, seconds, mergedCid } = checkDemo(await text(process.stdin))
  console.log(`demo: ${peers.length} peers agree on ${mergedCid}, ${rows} rows, ${seconds} s`)
}
