/**
 * HTML that is escaped by construction. Text from anywhere becomes part of a page through the template `html` only: what is not itself made by
 * `html` is escaped, in element content and in quoted attributes alike.
 */

/** Markup that `html` made. Nothing else is one: the constructor is not exported. */
export type Html = Markup

type Value = Html | string | number | undefined | false | readonly Value[]

/** For element content and quoted attributes. Control characters and bidirectional marks are replaced. */
export function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/**
 * html`<p title="${name}">${text}</p>`. Lists are joined, `undefined` and `false` are nothing. Attributes must be quoted; a link's target must begin
 * with a path or scheme of our own.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Markup(parts.map((part, i) => part + (i < values.length ? text(values[i]) : '')).join(''))
}

/** Text with its line breaks and tabs, for a `<pre>`. */
export function preformatted(source: string): Html {
  return new Markup(
    source
      .split('\n')
      .map(line => line.split('\t').map(escapeHtml).join('\t'))
      .join('\n')
  )
}

// --- internal ---

class Markup {
  readonly #markup: string
  constructor(markup: string) {
    this.#markup = markup
  }
  toString(): string {
    return this.#markup
  }
}

function text(value: Value): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Markup) return value.toString()
  if (typeof value === 'object') return value.map(text).join('')
  return escapeHtml(`${value}`)
}
