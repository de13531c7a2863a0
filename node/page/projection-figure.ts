/** The rows of a sample in the plane, one mark a row: colour and shape by prior, numbers for the images that are shown. */
import { html, type Html } from '../process/html.ts'
import { COMPARED, type DatasetSample } from './dataset-sample.ts'
import { count, percent, shortId } from './words.ts'

const [WIDTH, HEIGHT, MARGIN] = [560, 400, 18]
/** As many colours and shapes as can be told apart; the rest share the last. */
const SERIES = 6

export function projectionFigure({ rows, projection, shown }: DatasetSample): Html {
  if (projection === undefined) return html``
  const names = rows.map(({ prior, peer }) => `${prior} of ${shortId(peer)}`)
  const kinds = [...new Set(names)]
  const series = (name: string): number => Math.min(SERIES - 1, kinds.indexOf(name))
  const place = scale(projection.points)
  const marks = projection.points.map((point, i) => {
    const [x, y] = place(point)
    return html`<path class="p${series(names[i] ?? '')}" d="${shape(series(names[i] ?? ''), x, y, 3.6)}" />`
  })
  const numbers = shown.slice(0, COMPARED).map((index, i) => {
    const [x, y] = place(projection.points[index] ?? [0, 0])
    return html`<g
      ><circle class="spot" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="10" /><text
        x="${x.toFixed(1)}"
        y="${(y + 4.6).toFixed(1)}"
        text-anchor="middle"
        >${i + 1}</text
      ></g
    >`
  })
  const [first, second] = projection.explained
  const text = `${count(rows.length, 'target')} by ${count(kinds.length, 'prior')} on their first two principal components, which hold ${percent(first)} and ${percent(second)} of their variance.`
  return html`<h2>Targets in the plane</h2>
    <figure class="plane">
      <svg role="img" aria-label="${text}" viewBox="0 0 ${WIDTH} ${HEIGHT}">${marks}${numbers}</svg>
      <ul class="legend">
        ${kinds.slice(0, SERIES).map(
          (name, i) =>
            html`<li>
              <svg viewBox="0 0 12 12" aria-hidden="true"><path class="p${i}" d="${shape(i, 6, 6, 4.5)}" /></svg
              >${i === SERIES - 1 && kinds.length > SERIES ? 'others' : name}
            </li>`
        )}
      </ul>
      <figcaption class="quiet">
        ${text} Near in the plane is not always near: the neighbours above are of all dimensions.
      </figcaption>
    </figure>`
}

// --- internal ---

/** One scale for both axes, so that distances mean the same along each. */
function scale(points: ReadonlyArray<readonly [number, number]>): (p: readonly [number, number]) => [number, number] {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const factor = Math.min((WIDTH - 2 * MARGIN) / (right - left || 1), (HEIGHT - 2 * MARGIN) / (bottom - top || 1))
  return ([x, y]) => [WIDTH / 2 + (x - (left + right) / 2) * factor, HEIGHT / 2 + (y - (top + bottom) / 2) * factor]
}

function shape(series: number, x: number, y: number, r: number): string {
  const n = (value: number): string => value.toFixed(1)
  switch (series) {
    case 1:
      return `M${n(x - r)} ${n(y - r)}h${n(2 * r)}v${n(2 * r)}h${n(-2 * r)}z`
    case 2:
      return `M${n(x)} ${n(y - 1.2 * r)}l${n(1.2 * r)} ${n(2.1 * r)}h${n(-2.4 * r)}z`
    case 3:
      return `M${n(x)} ${n(y - 1.3 * r)}l${n(1.3 * r)} ${n(1.3 * r)}l${n(-1.3 * r)} ${n(1.3 * r)}l${n(-1.3 * r)} ${n(-1.3 * r)}z`
    case 4:
      return `M${n(x)} ${n(y + 1.2 * r)}l${n(-1.2 * r)} ${n(-2.1 * r)}h${n(2.4 * r)}z`
    case 5:
      return `M${n(x - r)} ${n(y - r * 0.35)}h${n(2 * r)}v${n(0.7 * r)}h${n(-2 * r)}z`
    default:
      return `M${n(x - r)} ${n(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`
  }
}
