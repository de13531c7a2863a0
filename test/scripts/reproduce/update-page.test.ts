import { describe, expect, it } from 'vitest'
import { BENCHMARKS, splitKept, updateKept } from '../../../scripts/kept-sections.ts'
import { updateLabSection } from '../../../scripts/lab/page.ts'
import { NAME, verdict, type Section } from '../../../scripts/reproduce/figure.ts'
import { markdown, resultsJson, type Document } from '../../../scripts/reproduce/markdown.ts'
import { updatePage, type Page } from '../../../scripts/reproduce/update-page.ts'

const section = (title: string, name: string, holds = true): Section => ({
  title,
  paper: 'nothing',
  columns: [NAME],
  rows: [{ name }],
  verdicts: [verdict('a claim', holds)]
})

function page(sections: Document['sections'], partial = false): Page {
  const document: Document = {
    machine: { cpu: 'Some CPU', cores: 2, node: '24.0.0', torch: '2.0', device: 'cpu' },
    date: partial ? '2026-02-28' : '2026-01-31',
    command: partial ? 'npm run reproduce -- --figure b' : 'npm run reproduce',
    seeds: 3,
    quick: false,
    seconds: 60,
    trainingSeconds: 60,
    students: 1,
    sections,
    partial,
    pictures: 'pictures'
  }
  return { text: markdown(document), json: resultsJson(document) }
}

const BEFORE = page([
  { key: 'a', section: section('Tab. a: first', 'old a') },
  { key: 'b', section: section('Tab. b: second', 'old b') }
])

describe('updatePage', () => {
  it('replaces the sections that were made, and keeps the others and the head', () => {
    const made = page([{ key: 'b', section: section('Tab. b: second, renamed', 'new b', false) }], true)
    const { text, json } = updatePage(BEFORE, made, ['a', 'b'])
    expect(text).toContain('| old a |')
    expect(text).toContain('| new b |')
    expect(text).not.toContain('second\n')
    expect(text).toContain('2026-01-31')
    expect(text).toContain('Made 2026-02-28 by `npm run reproduce -- --figure b`: 2 cores, Some CPU')
    expect(text).toContain('Of 2 claims 1 hold, 0 hold within the spread, 1 do not.')
    expect(json.tables.b).toMatchObject({ title: 'Tab. b: second, renamed', made: { date: '2026-02-28' } })
    expect(json.tables.a).toEqual(BEFORE.json.tables.a)
  })

  it('puts a new section where the order has it', () => {
    const made = page([{ key: 'c', section: section('Tab. c: third', 'c') }], true)
    const { text } = updatePage(BEFORE, made, ['a', 'c', 'b'])
    expect([...text.matchAll(/^## Tab\. (.)/gm)].map(([, key]) => key)).toEqual(['a', 'c', 'b'])
  })

  it('keeps the sections of benchmarks and network lab, at the end', () => {
    const before = { ...BEFORE, text: updateKept(updateLabSection(BEFORE.text, []), BENCHMARKS, '## Benchmarks') }
    const made = page([{ key: 'c', section: section('Tab. c: third', 'c') }], true)
    const { text } = updatePage(before, made, ['a', 'b', 'c'])
    expect(text).toContain('| c |')
    expect(splitKept(text).kept).toEqual(splitKept(before.text).kept)
    expect(splitKept(text).kept.size).toBe(2)
    expect(text.indexOf('| c |')).toBeLessThan(text.indexOf(BENCHMARKS.begin))
  })

  it('changes nothing when the same is made again', () => {
    expect(updatePage(BEFORE, BEFORE, ['a', 'b'])).toEqual(BEFORE)
  })

  it('refuses a page that lacks the section of a table', () => {
    const torn = { ...BEFORE, text: BEFORE.text.replace('## Tab. a: first', '## Something else') }
    expect(() => updatePage(torn, page([]), ['a', 'b'])).toThrow('Tab. a: first')
  })
})
