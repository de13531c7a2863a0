import fc from 'fast-check'
import { expect, test } from 'vitest'
import { html, preformatted } from '../../../node/process/html.ts'

test('what html did not make itself is escaped, in elements and in attributes', () => {
  const hostile = '"><script>alert(1)</script>\u202e'
  expect(html`<p title="${hostile}">${hostile}</p>`.toString()).toBe(
    '<p title="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd">&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd</p>'
  )
  const list = ['<i>', 'x'].map(one => html`<b>${one}</b>`)
  expect(html`${list}${undefined}${false}${7}`.toString()).toBe('<b>&lt;i&gt;</b><b>x</b>7')
})

test('no text brings markup in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      for (const made of [html`${text}`, html`${[text, [text]]}`, preformatted(text)])
        expect(made.toString()).not.toMatch(/[<>"']|&(?!(amp|lt|gt|quot|#39);)/)
    })
  )
})

test('something that looks like markup but was not made by html is text', () => {
  const disguised = { toString: () => '<script>' } as unknown as string
  expect(() => html`${disguised}`.toString()).toThrow(TypeError)
})

test('a preformatted text keeps its lines and tabs', () => {
  expect(preformatted('a\n\t<b>\u0000').toString()).toBe('a\n\t&lt;b&gt;\ufffd')
})
