/** Text for a page. All text from outside this folder (names of priors, classes, peers, data) goes through `escapeHtml`. */
import { escapeHtml } from '../../process/html.ts'

/** An HTML table of a header row and rows of texts; undefined cells become a dash. */
export function htmlTable(
  caption: string,
  header: readonly string[],
  rows: ReadonlyArray<ReadonlyArray<string | undefined>>
): string {
  const cell = (text: string | undefined, i: number): string =>
    i === 0 ? `<th scope="row">${escapeHtml(text ?? '–')}</th>` : `<td>${escapeHtml(text ?? '–')}</td>`
  return `<div class="scroll"><table><caption>${escapeHtml(caption)}</caption>
<thead><tr>${header.map(text => `<th scope="col">${escapeHtml(text)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map(row => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}
</tbody></table></div>`
}

/** The end of a peer id, enough to distinguish it: all ids begin alike. */
export function shortPeer(peer: string): string {
  return peer.length > 12 ? `…${peer.slice(-8)}` : peer
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
