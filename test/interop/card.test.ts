/** The head of a dataset card, parsed by the YAML library that `datasets` and the Hub's client use. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { cardHeader } from '../../src/merge/card-header.ts'
import { hostileName, printable } from '../helpers/arbitraries.ts'
import { makeManifest } from '../helpers/swarm-factory.ts'
import { python } from './python.ts'

const PARSE = `
import json, sys, yaml
headers = json.load(open(sys.argv[1]))
print(json.dumps([yaml.safe_load(header.strip().strip("-")) for header in headers]))
`

describe.skipIf(inject('python') === '')('the head of a card', () => {
  let work: string
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'coopt-card-'))
  })
  afterAll(async () => await rm(work, { recursive: true, force: true }))

  test('gives PyYAML hostile names as they are, and the same keys for all of them', async () => {
    const names = fc.sample(fc.oneof(hostileName(), printable(128)), 500)
    const shards = { paths: ['data/train-00000-of-00001.parquet'], rows: 40, bytes: 1000 }
    const headers = names.map(name => cardHeader(makeManifest({ name, license: name }), shards))
    const path = join(work, 'headers.json')
    await writeFile(path, JSON.stringify(headers))
    const parsed = JSON.parse(await python(work, ['-c', PARSE, path])) as Array<Record<string, unknown>>
    const { pretty_name: _name, license_name: _license, ...plain } = parsed[0] ?? {}
    for (const [i, name] of names.entries())
      expect(parsed[i]).toEqual({ ...plain, pretty_name: name, license_name: name })
    expect(plain).toMatchObject({
      license: 'other',
      configs: [{ config_name: 'default', data_files: [{ split: 'train', path: shards.paths }] }],
      dataset_info: {
        features: [{}, {}, { name: 'target', list: 'float32', length: 4 }, { name: 'weight', dtype: 'float32' }]
      }
    })
  })
})
