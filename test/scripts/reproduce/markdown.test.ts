import { describe, expect, it } from 'vitest'
import { readResults } from '../../../node/lab/report/results-file.ts'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ACCURACY, falling, NAME, scored } from '../../../scripts/reproduce/figure.ts'
import { markdown, resultsJson, table, type Document } from '../../../scripts/reproduce/markdown.ts'

const best = scored('best', [64, 65, 66])
const none = scored('none', [50, 51, 52])
const DOCUMENT: Document = {
  machine: { cpu: 'Some CPU', cores: 2, node: '24.0.0', torch: '2.0', device: 'cpu' },
  date: '2026-01-31',
  command: 'npm run reproduce',
  partial: false,
  pictures: 'pictures',
  seeds: 3,
  quick: false,
  seconds: 600,
  trainingSeconds: 240,
  students: 6,
  sections: [
    {
      key: 'tab7',
      section: {
        title: 'Tab. 7: alignment',
        paper: 'best > none',
        columns: [NAME, ACCURACY],
        rows: [best, none],
        verdicts: [falling('best > none', [best, none], 3), falling('none > best', [none, best], 3, 'it never did')],
        notes: ['A note.']
      }
    },
    {
      key: 'fig6d',
      section: {
        title: 'Fig. 6d: curves',
        paper: '',
        columns: [NAME],
        rows: [{ name: 'best' }],
        verdicts: [],
        curves: [{ name: 'best', points: [{ epoch: 1, mean: 40, deviation: 1 }] }]
      }
    }
  ]
}

describe('markdown', () => {
  it('says how the figures were made, and on what', () => {
    const text = markdown(DOCUMENT)
    expect(text).toContain('```sh\nnpm run reproduce\n```')
    expect(text).toContain('| machine | 2 cores, Some CPU |')
    expect(text).toContain('| students trained | 6, 4 min of training on one core |')
  })

  it('has a row per figure, with mean and deviation', () => {
    expect(markdown(DOCUMENT)).toContain('| best | 65.0 ± 1.0 |\n| none | 51.0 ± 1.0 |')
  })

  it('keeps a claim that does not hold, with the reason', () => {
    const text = markdown(DOCUMENT)
    expect(text).toContain('- best > none — **holds**\n')
    expect(text).toContain('- none > best — **does not hold**. Perhaps: it never did')
    expect(text).toContain('Of 2 claims 1 hold, 0 hold within the spread, 1 do not.')
  })

  it('says that it is no evidence when quick', () => {
    expect(markdown({ ...DOCUMENT, quick: true })).toContain('not for conclusions')
  })
})

describe('table', () => {
  it('escapes what would end a cell', () => {
    expect(table(['a|b'], [['c']])).toBe('| a\\|b |\n| --- |\n| c |')
  })
})

describe('resultsJson', () => {
  it('is what coopt evaluate reads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coopt-results-'))
    try {
      const path = join(folder, 'results.json')
      await writeFile(path, JSON.stringify(resultsJson(DOCUMENT)))
      const { tab7, fig6d } = await readResults(path)
      expect(tab7?.rows).toEqual([
        { name: 'best', mean: 65, deviation: 1 },
        { name: 'none', mean: 51, deviation: 1 }
      ])
      expect(fig6d?.curves[0]?.points).toEqual([{ epoch: 1, mean: 40, deviation: 1 }])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
