/**
 * Pictures of RESULTS.md: SVG files that a browser, GitHub and a viewer show alike, so without CSS variables. Colours and marks are those of the
 * evaluation report.
 */
import { frame, curve, errorBar, marks, n, type Point } from '../../node/lab/report/chart.ts'
import { escapeHtml } from '../../node/process/html.ts'
import { COLOURS, LIGHT_COLOURS } from '../../node/lab/report/style.ts'

export interface Picture {
  /** File name without .svg */
  readonly name: string
  readonly alt: string
  readonly svg: string
}

/** Content of known size that is put somewhere in a picture. */
export interface Panel {
  readonly width: number
  readonly height: number
  readonly svg: string
}

export interface Series {
  readonly name: string
  readonly points: ReadonlyArray<{ x: number; y: number; deviation?: number }>
}

const ROW_HEIGHT = 20
const TITLE = 26

/** Panels in rows of `columns`, and a legend below. */
export function picture(
  name: string,
  alt: string,
  { panels, columns, legend }: { panels: readonly Panel[]; columns: number; legend: readonly string[] }
): Picture {
  const width = Math.max(...panels.map(p => p.width))
  const height = Math.max(...panels.map(p => p.height))
  const rows = Math.ceil(panels.length / columns)
  const total = { width: columns * width, height: rows * height }
  const placed = panels.map(
    (p, i) => `<g transform="translate(${(i % columns) * width} ${Math.floor(i / columns) * height})">${p.svg}</g>`
  )
  const { svg: keys, height: below } = legendOf(legend, total.width)
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total.width} ${total.height + below}" width="${total.width}" height="${total.height + below}" role="img">
<title>${escapeHtml(alt)}</title>
<style>${STYLE}</style>
<rect width="100%" height="100%" fill="#fff"/>
${placed.join('\n')}
<g transform="translate(0 ${total.height})">${keys}</g>
</svg>
`
  return { name, alt, svg }
}

/** Curves over one axis; those of one name have one colour in all panels. */
export function curvesPanel(
  title: string,
  axes: { x: string; y: string },
  list: readonly Series[],
  names: readonly string[]
): Panel {
  const points = list.flatMap(s => s.points)
  const f = frame(
    points.map(p => p.x),
    points.flatMap(({ y, deviation = 0 }) => [y - deviation, y + deviation]),
    axes
  )
  const content = list.map(({ name, points: own }) => {
    const series = names.indexOf(name)
    const at = own.map(({ x, y }): Point => ({ x: f.x.at(x), y: f.y.at(y) }))
    const bars = own.flatMap(({ x, y, deviation = 0 }) =>
      deviation > 0 ? [errorBar(series, f.x.at(x), f.y.at(y - deviation), f.y.at(y + deviation))] : []
    )
    return curve(series, at) + bars.join('') + marks(series, at, 4)
  })
  return titled(title, { width: f.width, height: f.height, svg: f.axes + content.join('') })
}

/** Points in a square; one colour or shape for each series. */
export function pointsPanel(title: string, list: ReadonlyArray<{ series: number; x: number; y: number }>): Panel {
  const side = 420
  const [left, right] = [Math.min(...list.map(p => p.x)), Math.max(...list.map(p => p.x))]
  const [low, high] = [Math.min(...list.map(p => p.y)), Math.max(...list.map(p => p.y))]
  const at = (value: number, from: number, to: number): number => 12 + ((value - from) / (to - from || 1)) * (side - 24)
  const groups = Map.groupBy(list, p => p.series)
  const content = [...groups].map(([series, points]) =>
    marks(
      series,
      points.map(({ x, y }) => ({ x: at(x, left, right), y: side - at(y, low, high) })),
      2.2
    )
  )
  return titled(title, { width: side, height: side, svg: content.join('') })
}

// --- internal ---

const STYLE = `svg { font: 12px system-ui, sans-serif } text { fill: #1b1b1f } text.quiet { fill: #5c5c66 } .title { font-weight: 600 }
.axis { stroke: #d5d5dc; stroke-width: 1; fill: none } .marks { fill-opacity: .6; stroke: none }
${Array.from({ length: COLOURS }, (_, i) => `.c${i} { fill: ${LIGHT_COLOURS[i]} } .curve.c${i}, .error.c${i} { stroke: ${LIGHT_COLOURS[i]}; fill: none; stroke-width: 1.5 }`).join('\n')}`

function titled(title: string, { width, height, svg }: Panel): Panel {
  return {
    width,
    height: height + TITLE,
    svg: `<text class="title" x="12" y="18">${escapeHtml(title)}</text><g transform="translate(0 ${TITLE})">${svg}</g>`
  }
}

/** Names with their marks, as many in a line as fit. */
function legendOf(names: readonly string[], width: number): { svg: string; height: number } {
  let [x, y] = [12, 12]
  const items = names.map((name, series) => {
    const wide = 30 + 7 * name.length
    if (x + wide > width) [x, y] = [12, y + ROW_HEIGHT]
    const item = `${marks(series, [{ x: x + 5, y }], 5)}<text x="${n(x + 14)}" y="${n(y + 4)}">${escapeHtml(name)}</text>`
    x += wide
    return item
  })
  return { svg: items.join(''), height: y + ROW_HEIGHT }
}
