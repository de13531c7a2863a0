/** Small charts as SVG text: axes, marks, curves and bars. Every chart has a title and a description for screen readers. */
import { escapeHtml } from '../../process/html.ts'
import { COLOURS, colourClass } from './style.ts'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Scale {
  readonly low: number
  readonly high: number
  readonly ticks: readonly number[]
  at(value: number): number
}

export interface Frame {
  readonly width: number
  readonly height: number
  readonly x: Scale
  readonly y: Scale
  /** Axes, ticks and their texts */
  readonly axes: string
}

const MARGIN = { left: 60, right: 16, top: 12, bottom: 44 }

/** A scale onto `from` to `to` with round ticks (1, 2 or 5 times a power of ten); a single value gets a margin. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  // in a loop: curves may have more values than a call accepts arguments
  let low = values.reduce((least, value) => Math.min(least, value), Infinity)
  let high = values.reduce((most, value) => Math.max(most, value), -Infinity)
  if (!(high > low))
    [low, high] = [low - Math.max(Math.abs(low) * 0.1, 0.05), low + Math.max(Math.abs(low) * 0.1, 0.05)]
  // rounds and rows are whole numbers
  const raw = Math.max((high - low) / 5, values.every(Number.isInteger) ? 1 : 0)
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = power * ([1, 2, 5].find(multiple => multiple * power >= raw) ?? 10)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
  const [bottom, top] = [first * step, last * step]
  return { low: bottom, high: top, ticks, at: value => from + ((value - bottom) / (top - bottom)) * (to - from) }
}

/** Axes around the extremes of `xs` and `ys`. */
export function frame(
  xs: readonly number[],
  ys: readonly number[],
  { x: xName, y: yName, percent = false }: { x: string; y: string; percent?: boolean }
): Frame {
  const [width, height] = [480, 320]
  const x = linearScale(xs, MARGIN.left, width - MARGIN.right)
  const y = linearScale(ys, height - MARGIN.bottom, MARGIN.top)
  const yText = (value: number): string => (percent ? `${Number((100 * value).toFixed(2))} %` : `${value}`)
  const middle = (MARGIN.top + height - MARGIN.bottom) / 2
  const axes = [
    ...y.ticks.map(
      tick =>
        `<path class="axis" d="M${MARGIN.left} ${n(y.at(tick))}H${width - MARGIN.right}"/><text class="quiet" x="${MARGIN.left - 6}" y="${n(y.at(tick) + 4)}" text-anchor="end">${yText(tick)}</text>`
    ),
    ...x.ticks.map(
      tick =>
        `<text class="quiet" x="${n(x.at(tick))}" y="${height - MARGIN.bottom + 18}" text-anchor="middle">${tick}</text>`
    ),
    `<text x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${height - 6}" text-anchor="middle">${escapeHtml(xName)}</text>`,
    `<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${escapeHtml(yName)}</text>`
  ].join('')
  return { width, height, x, y, axes }
}

/** A complete figure: `content` is trusted SVG, the texts are escaped. `id` is unique within the page. */
export function figure(
  id: string,
  { title, description, width, height }: { title: string; description: string; width: number; height: number },
  content: string,
  below = ''
): string {
  return `<figure><svg role="img" aria-labelledby="${id}-title ${id}-text" viewBox="0 0 ${width} ${height}">
<title id="${id}-title">${escapeHtml(title)}</title><desc id="${id}-text">${escapeHtml(description)}</desc>
${content}</svg>
${below}<figcaption><strong>${escapeHtml(title)}.</strong> ${escapeHtml(description)}</figcaption></figure>`
}

/** All marks of one series as one path; eight colours in up to four shapes. */
export function marks(series: number, points: readonly Point[], radius: number): string {
  return `<path class="marks ${colourClass(series)}" d="${points.map(point => shape(series, point, radius)).join('')}"/>`
}

export function curve(series: number, points: readonly Point[]): string {
  const path = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${n(x)} ${n(y)}`).join('')
  return `<path class="curve ${colourClass(series)}" d="${path}"/>`
}

/** A vertical bar of one standard deviation or error to each side. */
export function errorBar(series: number, x: number, from: number, to: number): string {
  return `<path class="error ${colourClass(series)}" d="M${n(x)} ${n(from)}V${n(to)}M${n(x - 4)} ${n(from)}h8M${n(x - 4)} ${n(to)}h8"/>`
}

export function legend(names: readonly string[]): string {
  const item = (name: string, i: number): string =>
    `<li><svg viewBox="0 0 12 12" aria-hidden="true">${marks(i, [{ x: 6, y: 6 }], 5)}</svg>${escapeHtml(name)}</li>`
  return `<ul class="legend">${names.map(item).join('')}</ul>\n`
}

/** Two decimals are finer than a screen's resolution. */
export function n(value: number): string {
  return `${Number(value.toFixed(2))}`
}

// --- internal ---

function shape(series: number, { x, y }: Point, r: number): string {
  switch (Math.floor(series / COLOURS) % 4) {
    case 1:
      return `M${n(x - r * 0.9)} ${n(y - r * 0.9)}h${n(1.8 * r)}v${n(1.8 * r)}h${n(-1.8 * r)}z`
    case 2:
      return `M${n(x)} ${n(y - 1.2 * r)}l${n(1.15 * r)} ${n(2 * r)}h${n(-2.3 * r)}z`
    case 3:
      return `M${n(x)} ${n(y - 1.3 * r)}l${n(1.3 * r)} ${n(1.3 * r)}l${n(-1.3 * r)} ${n(1.3 * r)}l${n(-1.3 * r)} ${n(-1.3 * r)}z`
    default:
      return `M${n(x - r)} ${n(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`
  }
}
