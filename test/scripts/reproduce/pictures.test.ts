import { describe, expect, it } from 'vitest'
import { curvesPanel, picture, pointsPanel } from '../../../scripts/reproduce/pictures.ts'

const NAMES = ['photos', 'flowers & more']
const panels = [
  curvesPanel(
    'a < b',
    { x: 'm', y: 'R²' },
    [
      {
        name: NAMES[1] ?? '',
        points: [
          { x: 1, y: 0.1, deviation: 0.05 },
          { x: 2, y: 0.4 }
        ]
      }
    ],
    NAMES
  ),
  pointsPanel('points', [
    { series: 0, x: -3, y: 5 },
    { series: 1, x: 4, y: 5 }
  ])
]
const { svg } = picture('name', 'what it shows', { panels, columns: 2, legend: NAMES })

describe('a picture', () => {
  it('is one SVG document that needs nothing else and no CSS variables', () => {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+"/)
    expect(svg).not.toMatch(/var\(|NaN|undefined|href/)
    expect(svg.match(/<g /g)?.length).toBe(svg.match(/<\/g>/g)?.length)
  })

  it('has a title, a legend and its names escaped', () => {
    expect(svg).toContain('<title>what it shows</title>')
    expect(svg).toContain('flowers &amp; more')
    expect(svg).toContain('a &lt; b')
  })

  it('gives a series the same colour in every panel and in the legend', () => {
    expect(svg).toContain('class="curve c1"')
    expect(svg.match(/class="marks c1"/g)?.length).toBe(3)
  })
})
