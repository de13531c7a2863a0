/** The frame around every page: head, header, sections and footer, and the headers that go with it. */
import { html, type Html } from '../process/html.ts'
import { shortId } from './words.ts'

/** A part of a page. Those that are `live` are sent again when they change (live.ts); ids are unique in a page. */
export interface Section {
  readonly id: string
  readonly live: boolean
  readonly body: Html
}

export interface Page {
  readonly title: string
  /** Of the swarm or dataset; left out on the first page */
  readonly heading: Html
  readonly sections: readonly Section[]
}

export interface Frame {
  /** This node's peer id and version */
  readonly peer: string
  readonly version: string
  /** Where the live parts of this page come from; left out for a page without */
  readonly events?: string
  /** Of this answer alone */
  readonly nonce: string
}

/**
 * Only the two files below /assets run or style anything: content of swarms, which the same port serves, never does. Nothing is loaded from elsewhere,
 * framed, submitted or based on another address.
 */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join('; ')
}

export function pageHtml({ title, heading, sections }: Page, { peer, version, events, nonce }: Frame): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/page.css" nonce="${nonce}">
<script src="/assets/page.js" nonce="${nonce}" defer></script>
</head>
<body${events !== undefined && html` data-events="${events}"`}>
<a class="skip" href="#main">Skip to content</a>
${SYMBOLS}
<header class="top"><div class="wide">
<a class="brand" href="/"><svg viewBox="0 0 20 20" aria-hidden="true"><use href="#mark"/></svg>CoOpt</a>
<p class="me"><span>node</span> <code title="${peer}">${shortId(peer)}</code></p>
${events !== undefined && html`<p class="live" id="live" role="status">not live: reload to see changes</p>`}
</div></header>
<main id="main" class="wide" tabindex="-1">
${heading}
${sections.map(sectionHtml)}
</main>
<footer class="wide"><p>CoOpt ${version}. This page shows and changes nothing; commands do: <code>coopt --help</code>.</p></footer>
</body>
</html>
`.toString()
}

export function sectionHtml({ id, body }: Section): Html {
  return html`<section id="${id}">${body}</section> `
}

// --- internal ---

/** Every state has a shape, so that none is told by colour alone. */
const SYMBOLS = html`<svg class="symbols" aria-hidden="true" focusable="false">
  <defs>
    <symbol id="mark" viewBox="0 0 20 20">
      <path d="M2 2h7v7H2zM11 2h7v7h-7zM2 11h7v7H2z" />
      <path d="M11.75 11.75h5.5v5.5h-5.5z" fill="none" stroke="currentColor" stroke-width="1.5" />
    </symbol>
    <symbol id="s-missing" viewBox="0 0 20 20">
      <rect class="hollow" x="1.75" y="1.75" width="16.5" height="16.5" rx="3" />
    </symbol>
    <symbol id="s-refuted" viewBox="0 0 20 20">
      <rect class="hollow" x="1.75" y="1.75" width="16.5" height="16.5" rx="3" />
      <path class="stroke" d="M6 6l8 8M14 6l-8 8" />
    </symbol>
    <symbol id="s-working" viewBox="0 0 20 20">
      <rect class="hollow" x="1.75" y="1.75" width="16.5" height="16.5" rx="3" />
      <path class="fill" d="M8 6l6 4-6 4z" />
    </symbol>
    <symbol id="s-waiting" viewBox="0 0 20 20">
      <rect class="hollow" x="1.75" y="1.75" width="16.5" height="16.5" rx="3" />
      <path class="fill" d="M3 17V5l12 12z" />
    </symbol>
    <symbol id="s-done" viewBox="0 0 20 20"><rect class="fill" x="1" y="1" width="18" height="18" rx="3" /></symbol>
    <symbol id="s-disputed" viewBox="0 0 20 20">
      <rect class="fill" x="1" y="1" width="18" height="18" rx="3" />
      <path class="cut" d="M10 5v6M10 14v1.2" />
    </symbol>
    <symbol id="s-confirmed" viewBox="0 0 20 20">
      <rect class="fill" x="1" y="1" width="18" height="18" rx="3" />
      <path class="cut" d="M5.5 10.5l3 3 6-7" />
    </symbol>
  </defs>
</svg>`
