/**
 * A directory as one self-contained HTML page: no script, no image, nothing fetched. Names come from strangers and are escaped.
 */
import type { CID } from 'multiformats/cid'
import type { ListedEntry, Listing } from './listing.ts'

/** The page may use its own style and nothing else. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

const STYLE = `
:root{color-scheme:light dark;--line:#8883;--soft:#8889}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:64rem}
h1{font-size:1.15rem;font-weight:600;overflow-wrap:anywhere;margin:0}
p{color:GrayText;margin:.25rem 0 1.25rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;font-size:.85rem;color:GrayText}
td,th{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere}
td.size,th.size{text-align:right;padding-right:0;white-space:nowrap;font-variant-numeric:tabular-nums}
.ipfs-hash{font:13px ui-monospace,monospace;color:GrayText;text-decoration:none}
.ipfs-hash:hover{text-decoration:underline}
`

/** `segments` are the decoded names below `root` that lead to `directory`. */
export function directoryPage(root: CID, segments: readonly string[], directory: CID, listing: Listing): string {
  const base = `/ipfs/${root}`
  const here = [base, ...segments.map(encodeURIComponent)].join('/')
  const crumbs = segments.map((name, i) => {
    const href = [base, ...segments.slice(0, i + 1).map(encodeURIComponent)].join('/')
    return `/<a href="${href}">${escape(name)}</a>`
  })
  const up = segments.length === 0 ? '' : `<tr><td><a href="${here}/..">..</a></td><td></td><td></td></tr>\n`
  const itself = segments.length === 0 ? '' : `· ${directory} `
  const rows = listing.entries.map(entry => row(here, entry)).join('\n')
  const count = `${listing.entries.length}${listing.cut ? ' first' : ''} ${listing.entries.length === 1 ? 'entry' : 'entries'}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Index of ${escape(`/ipfs/${[root.toString(), ...segments].join('/')}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Index of /ipfs/<a href="${base}">${root}</a>${crumbs.join('')}</h1>
<p>${count} ${itself}· <a href="${here}?format=car">CAR</a> · <a href="${here}?format=json">JSON</a></p>
<table>
<thead><tr><th>Name</th><th>CID</th><th class="size">Size</th></tr></thead>
<tbody>
${up}${rows}
</tbody>
</table>
</body>
</html>
`
}

/** 1536 -> "1.5 KiB" */
function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

// --- internal ---

function row(here: string, { name, cid, type, bytes }: ListedEntry): string {
  const slash = type === 'directory' ? '/' : ''
  const encoded = encodeURIComponent(name.toWellFormed())
  const text = cid.toString()
  return (
    `<tr><td><a href="${here}/${encoded}${slash}">${escape(name)}</a>${slash}</td>` +
    `<td><a class="ipfs-hash" translate="no" href="/ipfs/${text}?filename=${encoded}">${text.slice(0, 8)}…${text.slice(-6)}</a></td>` +
    `<td class="size">${sizeText(bytes)}</td></tr>`
  )
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`)
}
