/** One ledger in many orders, for any Node: bundled to plain JavaScript and run by the versions that a machine has. Prints JSON. */
import { createHash } from 'node:crypto'
import { elect } from '../../src/align/election.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { candidatesOf, viewOf } from '../../src/merge/views.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { makeAlignment, makeResult, makeScore, makeSwarm, testCid, testPeer } from './swarm-factory.ts'
import { testEvidence } from './test-evidence.ts'

const AUTHORS = 12

const swarm = await makeSwarm()
const ledger: SignedRecord[] = []
for (let author = 0; author < AUTHORS; author++) {
  const peer = testPeer(author)
  const score = await makeScore(swarm, peer, 0, { targets: testCid(`targets of prior ${author % 9}`) })
  ledger.push(score)
  for (const [partition] of swarm.manifest.partitions.entries()) {
    const result = await makeResult(swarm, peer, 1 + 2 * partition, score, partition)
    const reference = testCid(`targets of prior ${partition % 2 === 0 ? author % 9 : 0}`)
    ledger.push(result, await makeAlignment(swarm, peer, 2 + 2 * partition, result, reference, { looR2: 0.5 }))
  }
  // every third signs a second result under a number that it has used
  if (author % 3 === 0) ledger.push(await makeResult(swarm, peer, 1, score, 2))
}

const orders = Number(process.argv[2])
const roots = new Set<string>()
for (let order = 0; order < orders; order++) {
  const stream = createRandomStream('test/orders', `${order}`)
  const records = Array.from(shuffle(ledger.length, stream), i => ledger[i] as SignedRecord)
  const set = createRecordSet(records, swarm.manifest.quotas)
  const evidence = testEvidence(records)
  const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
  const { root } = await mergeDataset(swarm, set, evidence, view)
  const figures = JSON.stringify([view.election.ranking, [...view.missing], view.rows])
  roots.add(`${root} ${createHash('sha256').update(figures).digest('hex').slice(0, 16)}`)
}
process.stdout.write(JSON.stringify({ node: process.version, records: ledger.length, roots: [...roots] }))
