import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elect } from '../../../src/align/election.ts'
import { datasetCard, escapeMarkdown } from '../../../src/merge/card.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { shardName } from '../../../src/merge/shard-name.ts'
import { candidatesOf, viewOf } from '../../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import { hostileName, printable, unsigned } from '../../helpers/arbitraries.ts'
import { makeSwarm, scoreBody, testPeer } from '../../helpers/swarm-factory.ts'
import { testAssessment, testEvidence } from '../../helpers/test-evidence.ts'

/** The card of a swarm with these names, whose one prior is admissible. */
async function cardOf(name: string, license?: string, prior: Partial<Score['prior']> = {}): Promise<string> {
  const swarm = await makeSwarm({ name, ...(license === undefined ? {} : { license }) })
  const plain = scoreBody(swarm, testPeer(1), 0)
  const { targets } = plain
  const score: SignedRecord<Score> = unsigned({
    ...plain,
    uniformValue: testAssessment(targets).uniformValue,
    prior: { ...plain.prior, ...prior }
  })
  const set = createRecordSet([score])
  const evidence = testEvidence([score])
  const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
  return datasetCard(swarm, [score], evidence, view)
}

/** Lines of the YAML between the two `---`, and the Markdown after it. */
function split(card: string): { yaml: string[]; markdown: string[] } {
  const lines = card.split('\n')
  expect(lines[0]).toBe('---')
  const end = lines.indexOf('---', 1)
  expect(end).toBeGreaterThan(0)
  return { yaml: lines.slice(1, end), markdown: lines.slice(end + 1) }
}

/** The string behind `key: ` in YAML. A JSON string is one in YAML, too, as long as it is all printable. */
function value(yaml: readonly string[], key: string): unknown {
  const line = yaml.filter(l => l.startsWith(`${key}: `))
  expect(line).toHaveLength(1)
  return JSON.parse(line[0]?.slice(key.length + 2) ?? '')
}

/** Text with every escaped character taken out: what is left can be read as markup. */
const bare = (text: string): string => text.replaceAll(/\\[!-/:-@[-`{-~]/g, '')

describe('a dataset card', () => {
  test('counts one prior as one', async () => {
    expect(await cardOf('x', 'x', { name: 'x', license: 'x' })).toContain('): 1 independent prior, 0 of ')
  })

  test('gives hostile names as plain text, in YAML as in Markdown', async () => {
    const license = fc.oneof(hostileName(), printable(128))
    await fc.assert(
      fc.asyncProperty(hostileName(), license, hostileName(), license, async (name, terms, priorName, priorTerms) => {
        const { yaml, markdown } = split(await cardOf(name, terms, { name: priorName, license: priorTerms }))
        expect(value(yaml, 'pretty_name')).toBe(name)
        expect(value(yaml, 'license_name')).toBe(terms)
        const reference = split(await cardOf('x', 'x', { name: 'x', license: 'x' }))
        // no name opens a line, a key, a list or a second document
        expect(yaml.map(l => l.replace(/: ".*$/u, ''))).toEqual(reference.yaml.map(l => l.replace(/: ".*$/u, '')))
        expect(markdown).toHaveLength(reference.markdown.length)
        // nor a cell, a heading, a link or a tag
        const structure = (lines: readonly string[]): string[] =>
          lines.map(l => bare(l).replaceAll(/[^|#[\]<>*_~!&$@]/gu, ''))
        expect(structure(markdown)).toEqual(structure(reference.markdown))
        expect(markdown).toContain(`# ${escapeMarkdown(name)}`)
      }),
      { numRuns: 200 }
    )
  })

  test('says unknown where the manifest has no licence', async () => {
    const { yaml } = split(await cardOf('x'))
    expect(yaml).toContain('license: unknown')
    expect(yaml.some(l => l.startsWith('license_name'))).toBe(false)
  })

  test('has a licence that the Hub knows under its name there, and others in their words', async () => {
    for (const [license, line] of [
      ['CC0-1.0', 'license: cc0-1.0'],
      ['ODbL-1.0', 'license: odbl'],
      ['Apache-2.0', 'license: apache-2.0'],
      ['my own terms', 'license: other']
    ] as const)
      expect(split(await cardOf('x', license)).yaml).toContain(line)
  })

  test('has features, splits and sizes of the files, and Python with their names', async () => {
    const { yaml, markdown } = split(await cardOf('x'))
    const at = yaml.indexOf('  - name: target')
    expect(yaml.slice(at, at + 3)).toEqual(['  - name: target', '    list: float32', '    length: 4'])
    expect(yaml).toContain('    num_examples: 0')
    expect(yaml).toContain('- n<1K')
    expect(markdown.join('\n')).toContain('train-{i:05d}-of-00004.parquet" for i in []]')
  })

  test('has an empty list of files, and says that it is provisional, as long as nothing is finished', async () => {
    const { yaml, markdown } = split(await cardOf('x'))
    expect(yaml).toContain('    path: []')
    expect(markdown.join('\n')).toContain('0 of 4 partitions so far (provisional)')
  })

  test('names each prior with its peer and its figures', async () => {
    const { markdown } = split(await cardOf('x', undefined, { name: 'resnet' }))
    const row = markdown.filter(l => l.startsWith(`| \`${testPeer(1).id}\``))
    expect(row).toHaveLength(1)
    expect(row[0]?.split(' | ')).toHaveLength(9)
    expect(row[0]).toContain(' | claimed | ')
    expect(row[0]).toContain(' resnet ')
  })
})

describe('escapeMarkdown', () => {
  test('leaves no punctuation unescaped and letters as they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), text => {
        const escaped = escapeMarkdown(text)
        expect(bare(escaped)).toMatch(/^[A-Za-z0-9 ]*$/)
        expect(escaped.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1')).toBe(text)
      })
    )
  })
})

test('shardName sorts as the partitions do and is the pattern of Hugging Face datasets', () => {
  expect(shardName(3, 16)).toBe('train-00003-of-00016.parquet')
  const names = Array.from({ length: 2048 }, (_, p) => shardName(p, 2048))
  expect([...names].sort()).toEqual(names)
})
