/** How ids, figures and shares are written on the pages. */
import { html, type Html } from '../process/html.ts'

/** The end of an id, enough to tell it from others: all begin alike. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id
}

/** A short id whose whole text is there for those who point at it or copy it. */
export function idHtml(id: string): Html {
  return html`<code class="id" title="${id}">${shortId(id)}</code>`
}

/** Never rounds up to 100 %: that is said only when nothing is missing. */
export function percent(share: number): string {
  const floor = Math.floor(share * 1000) / 10
  return `${Number.isInteger(floor) ? floor : floor.toFixed(1)} %`
}

/** With its sign, by a minus of the width of a plus. */
export function signed(value: number, digits: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`
}

export function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? '–' : value.toFixed(digits).replace('-', '−')
}

/** 12,345 */
export function whole(value: number): string {
  return value.toLocaleString('en-US')
}

export function count(n: number, one: string, several = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : several}`
}

/** Rows a second: 0.04, 3.1, 250 */
export function rate(rowsPerSecond: number): string {
  if (rowsPerSecond === 0) return '0'
  return rowsPerSecond >= 100 ? whole(Math.round(rowsPerSecond)) : rowsPerSecond.toFixed(rowsPerSecond >= 1 ? 1 : 2)
}

/** A label and a value, for `<dl class="facts">`. */
export function fact(label: Html | string, value: Html | string | undefined, note?: Html | string): Html | undefined {
  if (value === undefined) return undefined
  return html`<div>
    <dt>${label}</dt>
    <dd>${value}${note !== undefined && html` <small>${note}</small>`}</dd>
  </div>`
}

/** A table that scrolls within itself where the screen is narrow: its frame takes the focus, so that keys scroll it. */
export function scrolling(label: string, table: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>`
}
