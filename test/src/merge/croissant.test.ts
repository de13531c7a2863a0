import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elect } from '../../../src/align/election.ts'
import { croissant } from '../../../src/merge/croissant.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { candidatesOf, viewOf } from '../../../src/merge/views.ts'
import { hostileName } from '../../helpers/arbitraries.ts'
import {
  makeAlignment,
  makeResult,
  makeScore,
  makeSwarm,
  testPeer,
  testPublisher
} from '../../helpers/swarm-factory.ts'
import { testAssessment, testEvidence } from '../../helpers/test-evidence.ts'

/** The description of a dataset in which partition 2 of 4 is finished. */
async function describeDataset(name: string, license?: string, priorLicense = 'MIT'): Promise<Record<string, unknown>> {
  const swarm = await makeSwarm({ name, ...(license === undefined ? {} : { license }) })
  const plain = await makeScore(swarm, testPeer(1), 0)
  const score = await makeScore(swarm, testPeer(1), 0, {
    uniformValue: testAssessment(plain.body.targets).uniformValue,
    prior: { ...plain.body.prior, license: priorLicense }
  })
  const result = await makeResult(swarm, testPeer(1), 1, score, 2)
  const alignment = await makeAlignment(swarm, testPeer(1), 2, result, score.body.targets)
  const set = createRecordSet([score, result, alignment])
  const { looR2, looCosine } = alignment.body
  const evidence = {
    ...testEvidence([score]),
    qualities: new Map([[`${score.body.targets} ${score.body.targets}`, { looR2, looCosine, looZ: 30 }]])
  }
  const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
  expect([...view.chosen.keys()]).toEqual([2])
  const text = croissant(swarm, [score], view, new Map([['manifest.cbor', swarm.bytes]]))
  expect(croissant(swarm, [score], view, new Map([['manifest.cbor', swarm.bytes]]))).toBe(text)
  const value = JSON.parse(text) as Record<string, unknown>
  const digest = createHash('sha256').update(swarm.bytes).digest('hex')
  expect(value['distribution']).toMatchObject([{ '@id': 'manifest.cbor', sha256: digest }, {}])
  return value
}

describe('croissant.json', () => {
  test('names the finished shards, and nothing else, relative to itself', async () => {
    const { distribution } = await describeDataset('x')
    expect(distribution).toMatchObject([
      { contentUrl: 'manifest.cbor' },
      { '@type': 'cr:FileSet', includes: ['data/train-00002-of-00004.parquet'] }
    ])
  })

  test('has the columns with the length of a target', async () => {
    const { recordSet } = await describeDataset('x')
    expect(recordSet).toMatchObject([
      {
        field: [
          { '@id': 'default/id', dataType: 'sc:Text' },
          { '@id': 'default/image', dataType: 'sc:ImageObject' },
          { '@id': 'default/target', dataType: 'cr:Float32', isArray: true, arrayShape: '4' },
          { '@id': 'default/weight', dataType: 'cr:Float32' }
        ]
      }
    ])
  })

  test('gives the licences of the data and of priors in their words, and those who took part as creators', async () => {
    expect(await describeDataset('x', 'CC0-1.0')).toMatchObject({
      license: ['CC0-1.0', 'MIT'],
      creator: [{ name: testPublisher.id }, { name: testPeer(1).id }]
    })
    expect(await describeDataset('x')).toMatchObject({ license: ['unknown', 'MIT'] })
  })

  test('keeps hostile names as they are and changes nothing else for them', async () => {
    const { name: _, license: __, url: ___, distribution: ____, ...plain } = await describeDataset('x', 'x', 'x')
    await fc.assert(
      fc.asyncProperty(hostileName(), hostileName(), async (name, terms) => {
        const hostile = await describeDataset(name, terms, 'x')
        expect(hostile['name']).toBe(name)
        expect(hostile['license']).toEqual([...new Set([terms, 'x'])])
        expect(hostile).toMatchObject(plain)
      }),
      { numRuns: 50 }
    )
  })
})
