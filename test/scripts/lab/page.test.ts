import { describe, expect, it } from 'vitest'
import type { Kept } from '../../../scripts/lab/kept.ts'
import { splitKept } from '../../../scripts/kept-sections.ts'
import { updateLabSection } from '../../../scripts/lab/page.ts'

const kept = (scenario: string, met: boolean): Kept => ({
  scenario,
  date: '2026-03-01T10:00:00.000Z',
  machine: '2 cores, Some CPU',
  load: 1.25,
  seconds: 60,
  findings: [{ before: '71 s', wanted: 'one CID within 30 s', measured: '12 s | 13 s', met }],
  figures: [{}]
})

const PAGE = '# Results\n\n## Tab. 1\n\nwords\n'

describe('updateLabSection', () => {
  it('adds the table at the end, scenarios in their order and others left out', () => {
    const page = updateLabSection(PAGE, [kept('churn', false), kept('nat-pair', true), kept('gone', true)])
    expect(page.startsWith(PAGE)).toBe(true)
    expect(page).toContain('Machine: 2 cores, Some CPU.')
    expect(page).toContain('1 of 2 thresholds are met')
    expect([...page.matchAll(/^\| (nat-pair|churn|gone) .*$/gm)].map(([row]) => row)).toEqual([
      '| nat-pair | 71 s | one CID within 30 s | 12 s \\| 13 s | met | 2026-03-01, 1.3 |',
      '| churn | 71 s | one CID within 30 s | 12 s \\| 13 s | **not met** | 2026-03-01, 1.3 |'
    ])
  })

  it('replaces the table and nothing else', () => {
    const once = updateLabSection(PAGE, [kept('churn', false)])
    const twice = updateLabSection(once, [kept('churn', true)])
    expect(twice).toBe(updateLabSection(PAGE, [kept('churn', true)]))
    expect(splitKept(twice).rest).toBe(PAGE)
  })

  it('refuses a page with one of its markers only', () => {
    const page = updateLabSection(PAGE, [kept('churn', true)])
    const cut = page.slice(0, page.lastIndexOf('<!--'))
    expect(() => updateLabSection(cut, [])).toThrow(RangeError)
  })
})
