import { describe, expect, it } from 'vitest'
import { frame, linearScale } from '../../../node/lab/report/chart.ts'
import { escapeHtml } from '../../../node/process/html.ts'
import { reportPage } from '../../../node/lab/report/page.ts'
import { projectionsOf, type Projected } from '../../../node/lab/report/projections.ts'
import type { Results } from '../../../node/lab/report/results-file.ts'
import type { EvaluateReport } from '../../../node/api/evaluate.ts'
import { matrix } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'
import { evaluateReport } from '../../helpers/fake-reports.ts'

const HOSTILE = `<script src="https://evil.example/x.js">alert('x')</script>"><img src=x onerror=alert(1)>&lt;`

const hostile: EvaluateReport = {
  ...evaluateReport,
  name: HOSTILE,
  classes: evaluateReport.classes.map(one => ({ ...one, name: HOSTILE })),
  participants: evaluateReport.participants.map(one => ({
    ...one,
    prior: HOSTILE,
    peer: HOSTILE,
    predictivity: 0.5,
    probe: { accuracy: 0.7, standardError: 0.02 }
  })),
  test: { by: 'priors', images: 10, known: 0, results: [{ name: HOSTILE, looR2: 0.5, probes: evaluateReport.probes }] },
  notes: [HOSTILE]
}
const points: Projected[] = Array.from({ length: 40 }, (_, i) => ({
  x: i % 7,
  y: i % 5,
  participant: i % 2,
  label: (i % 3) - 1
}))
const results: Results = {
  tab7: { rows: [{ name: HOSTILE, mean: 0.6, deviation: 0.01 }] },
  fig4: { rows: [{ round: 1, mean: 50, deviation: 1 }] },
  tab8: { rows: [{ m: 100, mean: 0.5, deviation: 0, cosine: 0.8 }] },
  fig6d: { curves: [{ name: HOSTILE, points: [{ epoch: 1, mean: 0.5, deviation: 0.1 }] }] }
}
const full = reportPage(hostile, { before: points, after: points }, results)

/** Names of all elements, opening ones only. */
const elements = (page: string): Set<string> =>
  new Set([...page.matchAll(/<([a-z0-9]+)/gi)].map(([, name = '']) => name))

describe('the report', () => {
  it('asks nobody for anything: no script, no link, no address, no picture', () => {
    for (const name of ['script', 'link', 'img', 'iframe', 'object', 'image', 'use', 'a', 'foreignObject'])
      expect(elements(full)).not.toContain(name)
    expect(full).not.toMatch(/\s(src|href|srcset|action|on[a-z]+)\s*=\s*["']/)
    expect(full).not.toMatch(/url\(|@import/)
    expect(full).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
  })

  it('shows hostile names as the text that they are, wherever they come from', () => {
    expect(full).not.toContain('<script')
    expect(full).not.toContain('<img')
    // title, heading, note, test row, two participants, and the figures
    expect(full.split('&lt;script src=&quot;https://evil.example').length).toBeGreaterThan(8)
    expect(escapeHtml(`a\u202Eb\u0000<&>"'`)).toBe('a\ufffdb\ufffd&lt;&amp;&gt;&quot;&#39;')
  })

  it('closes every element that it opens, in order', () => {
    const empty = new Set(['meta', 'br', 'path', 'rect'])
    const open: string[] = []
    for (const [, end, name = '', self] of full
      .replace(/<style>[^]*?<\/style>/, '')
      .matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/gi)) {
      if (end === '/') expect(open.pop()).toBe(name)
      else if (!empty.has(name) && self !== '/') open.push(name)
    }
    expect(open).toEqual([])
  })

  it('gives every figure a title and a description, and no id twice', () => {
    const figures = full.split('<svg role="img"').slice(1)
    expect(figures).toHaveLength(2 + 4 + 5)
    for (const one of figures) expect(one).toMatch(/^ aria-labelledby="[a-z-]+ [a-z-]+"[^]*?<title id="[^]+?<desc id="/)
    const ids = [...full.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(full).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('says in a sentence what is left out, and why', () => {
    const bare = reportPage(evaluateReport, undefined, undefined)
    expect(bare).toContain('fewer than two priors have labelled shared rows')
    expect(bare).toContain('The projection is left out')
    expect(bare).toContain('no results of npm run reproduce were given')
    expect(reportPage(evaluateReport, undefined, {})).toContain('the results have no tab8')
  })
})

describe('projections', () => {
  const stream = createRandomStream('points')
  const part = (shift: number) => {
    const raw = matrix(
      60,
      6,
      Float32Array.from({ length: 360 }, (_, at) => stream.uniform() + (at % 6 === shift ? 4 : 0))
    )
    return { raw, fit: { looR2: 1, looCosine: 1, aligned: raw, heldOut: raw } }
  }
  const person = { peer: 'p', prior: 'x', kind: 'onnx' as const, partitions: 1, rows: 1, uniformValue: -1 }
  const list = [0, 3].map(shift => ({ ...person, ...part(shift) }))
  const sharedLabels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
  const init = { seed: 4, onStep: () => undefined, signal: new AbortController().signal }

  it('are the same for one seed, show every participant, and tell apart what is apart', async () => {
    const first = await projectionsOf({ list, sharedLabels }, init)
    expect(await projectionsOf({ list, sharedLabels }, init)).toEqual(first)
    const before = first?.before ?? []
    expect(before).toHaveLength(120)
    const centre = (of: number): { x: number; y: number } => {
      const own = before.filter(({ participant }) => participant === of)
      return { x: own.reduce((s, p) => s + p.x, 0) / own.length, y: own.reduce((s, p) => s + p.y, 0) / own.length }
    }
    const [a, b] = [centre(0), centre(1)]
    const wrong = before.filter(({ x, y, participant }) => {
      const isNearA = Math.hypot(x - a.x, y - a.y) < Math.hypot(x - b.x, y - b.y)
      return isNearA !== (participant === 0)
    })
    expect(wrong).toHaveLength(0)
  })

  it('are left out where there is hardly anything to show', async () => {
    const few = list.map(one => ({ ...one, raw: matrix(1, 6, one.raw.data.slice(0, 6)) }))
    expect(await projectionsOf({ list: few, sharedLabels: Int32Array.of(0) }, init)).toBeUndefined()
  })
})

describe('scales', () => {
  it('end on round numbers around their values', () => {
    expect(linearScale([0.43, 0.81], 0, 1).ticks).toEqual([0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    expect(linearScale([1, 3], 0, 1).ticks).toEqual([1, 2, 3])
    const one = linearScale([0.5], 0, 100)
    expect(one.at(0.5)).toBeGreaterThan(0)
    expect(one.at(0.5)).toBeLessThan(100)
    expect(frame([1], [0.5], { x: '<x>', y: 'y' }).axes).toContain('&lt;x&gt;')
  })
})
