/** The partitions of a swarm as a picture, its legend, and the same as a table. */
import type { PartitionOverview, PartitionState, SwarmOverview } from '../monitor/overview.ts'
import { html, type Html } from '../process/html.ts'
import { durationText } from '../process/quantities.ts'
import { count, idHtml, percent, scrolling, shortId, whole } from './words.ts'

/** In the order in which work goes through them. */
const WORDS: Readonly<Record<PartitionState, string>> = {
  missing: 'missing',
  refuted: 'refuted, to be done again',
  working: 'in work',
  waiting: 'waiting for alignment',
  done: 'done',
  disputed: 'disputed',
  confirmed: 'confirmed'
}
const STATES = Object.keys(WORDS) as PartitionState[]

/** Smaller cells, so that thousands fit a screen. */
const DENSE = 256
/** Rows of the table; a swarm has up to 2,048 partitions, and `coopt status --json` lists them all. */
const MAX_ROWS = 256

/** `checked`: where the manifest asks for checks, `done` alone means that nobody has confirmed it. */
export function stateWord(state: PartitionState, checked: boolean): string {
  return state === 'done' && checked ? 'done, not confirmed' : WORDS[state]
}

/** Shares of the states as one bar, where a cell for each partition would be too much. */
export function partitionShares(swarm: SwarmOverview): Html {
  const { name, partitions, checks } = swarm
  if (partitions.length <= DENSE) return partitionMap(swarm)
  const by = Map.groupBy(partitions, ({ state }) => state)
  let x = 0
  const bars = STATES.toReversed().map(state => {
    const width = (100 * (by.get(state)?.length ?? 0)) / partitions.length
    const bar = html`<rect class="${state}" x="${x.toFixed(3)}" width="${width.toFixed(3)}" height="4" />`
    x += width
    return width > 0 && bar
  })
  const text = `Partitions of ${name}: ${summary(partitions, checks !== undefined)}`
  return html`<svg class="shares" role="img" aria-label="${text}" viewBox="0 0 100 4" preserveAspectRatio="none">
    ${bars}
  </svg>`
}

/** One picture with a description; what is in a cell is told by its tooltip and by the table. */
export function partitionMap({ name, partitions, checks }: SwarmOverview): Html {
  const checked = checks !== undefined
  const dense = partitions.length > DENSE && ' dense'
  return html`<div
    class="map${dense}"
    role="img"
    aria-label="${`Partitions of ${name}: ${summary(partitions, checked)}`}"
  >
    ${partitions.map(one => html`<span title="${cellText(one, checked)}">${cell(one)}</span>`)}
  </div>`
}

export function mapLegend({ partitions, checks }: Pick<SwarmOverview, 'partitions' | 'checks'>): Html {
  const by = Map.groupBy(partitions, ({ state }) => state)
  return html`<ul class="legend">
    ${STATES.filter(state => by.has(state)).map(
      state =>
        html`<li>
          <svg class="${state}" viewBox="0 0 20 20" aria-hidden="true"><use href="#s-${state}" /></svg
          ><b>${whole(by.get(state)?.length ?? 0)}</b> ${stateWord(state, checks !== undefined)}
        </li>`
    )}
  </ul>`
}

export function partitionTable({ name, partitions, checks }: SwarmOverview): Html {
  const checked = checks !== undefined
  const rows = new Map(checks?.partitions.map(row => [row.partition, row]))
  const body = partitions.slice(0, MAX_ROWS).map(one => {
    const row = rows.get(one.index)
    return html`<tr>
      <th scope="row" class="number">${one.index}</th>
      <td>
        <span class="state ${one.state}"
          ><svg viewBox="0 0 20 20" aria-hidden="true"><use href="#s-${one.state}" /></svg
          >${stateWord(one.state, checked)}</span
        >${one.isPartial === true && html` <small>some rows lack targets</small>`}
      </td>
      <td>${one.peer === undefined ? '–' : idHtml(one.peer)}</td>
      <td>${one.prior ?? '–'}</td>
      <td class="number">${one.done === undefined ? whole(one.rows) : `${whole(one.done)} of ${whole(one.rows)}`}</td>
      <td class="number">${one.heldMs === undefined ? '–' : durationText(one.heldMs / 1000)}</td>
      ${
        checked &&
        html`<td class="number">${row?.heldBy ?? 0}</td>
          <td class="number">${row?.plausible ?? 0}</td>
          <td class="number">${row?.implausible ?? 0}</td>`
      }
    </tr> `
  })
  const table = html`<table>
    <thead>
      <tr>
        <th scope="col" class="number">No.</th>
        <th scope="col">State</th>
        <th scope="col">Peer</th>
        <th scope="col">Prior</th>
        <th scope="col" class="number">Rows</th>
        <th scope="col" class="number">In work for</th>
        ${
          checked &&
          html`<th scope="col" class="number">Held by</th>
            <th scope="col" class="number">Plausible to</th>
            <th scope="col" class="number">Implausible to</th>`
        }
      </tr>
    </thead>
    <tbody>
      ${body}
    </tbody>
  </table>`
  const rest = partitions.length - MAX_ROWS
  return html`${scrolling(`Partitions of ${name}`, table)}${rest > 0 && html`<p class="quiet">${count(rest, 'more partition')} in <code>coopt status --json</code>.</p>`}`
}

// --- internal ---

function summary(partitions: readonly PartitionOverview[], checked: boolean): string {
  const by = Map.groupBy(partitions, ({ state }) => state)
  const parts = STATES.flatMap(state => {
    const list = by.get(state)
    return list === undefined ? [] : [`${list.length} ${stateWord(state, checked)}`]
  })
  return parts.join(', ')
}

function cellText({ index, state, peer, prior, done, rows }: PartitionOverview, checked: boolean): string {
  return [
    `${index}: ${stateWord(state, checked)}`,
    ...(done === undefined ? [] : [`${percent(done / rows)} of ${count(rows, 'row')}`]),
    ...(peer === undefined ? [] : [`by ${shortId(peer)}`]),
    ...(prior === undefined ? [] : [prior])
  ].join(' · ')
}

/** What is in work fills up from below. */
function cell({ state, done, rows }: PartitionOverview): Html {
  if (state !== 'working' || done === undefined)
    return html`<svg class="${state}" viewBox="0 0 20 20"><use href="#s-${state}" /></svg>`
  const height = Math.round(14 * Math.min(1, done / Math.max(1, rows)))
  return html`<svg class="working" viewBox="0 0 20 20">
    <rect class="hollow" x="1.75" y="1.75" width="16.5" height="16.5" rx="3" />
    <rect class="fill" x="3" y="${17 - height}" width="14" height="${height}" />
  </svg>`
}
