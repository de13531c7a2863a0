/**
 * Colours and layout of the report. The eight colours are those of Okabe and Ito (2008), distinguishable with any colour vision, darkened on a light
 * page and lightened on a dark one where they would be faint. Further series use other mark shapes.
 */

export const LIGHT_COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#b0508c',
  '#b57700',
  '#3a94c9',
  '#8a7d00',
  '#55555e'
] as const
export const COLOURS = LIGHT_COLOURS.length

/** Class names of a series: its colour, and the shape that the marks of the next eight take. */
export function colourClass(index: number): string {
  return `c${index % COLOURS}`
}

export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1f; --quiet: #5c5c66; --line: #d5d5dc; --panel: #f7f7f9;
  ${LIGHT_COLOURS.map((colour, i) => `--c${i}: ${colour}`).join('; ')} }
@media (prefers-color-scheme: dark) {
  :root { --page: #16161a; --ink: #ececf1; --quiet: #a5a5b0; --line: #3a3a44; --panel: #1f1f25;
    --c0: #4aa3df; --c1: #ff8a3d; --c2: #2fc79b; --c3: #dd8fbf; --c4: #f0b429; --c5: #8fd0f5; --c6: #e6dc4f; --c7: #b5b5c0 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 74rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem }
p { max-width: 52rem; margin: .5rem 0 } .quiet { color: var(--quiet) } code { overflow-wrap: anywhere; font-size: .85em }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: .75rem 0; font-size: .93em; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--quiet); padding-bottom: .25rem }
th, td { text-align: right; padding: .25rem .55rem; border-bottom: 1px solid var(--line); font-weight: normal; white-space: nowrap }
thead th { font-weight: 600 } th:first-child { text-align: left }
figure { margin: 1rem 0; padding: .75rem; background: var(--panel); border-radius: .5rem }
figcaption { color: var(--quiet); font-size: .9em; margin-top: .25rem }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; align-items: start } .grid figure { margin: 0 }
@media (max-width: 30rem) { .grid { grid-template-columns: 1fr } }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--ink) } svg text.quiet { fill: var(--quiet) }
.axis { stroke: var(--line); stroke-width: 1; fill: none } .error { stroke: currentColor; stroke-width: 1.5; fill: none; opacity: .7 }
.marks { fill-opacity: .6; stroke: none } .curve { fill: none; stroke-width: 2; stroke: currentColor }
${Array.from({ length: COLOURS }, (_, i) => `.c${i} { color: var(--c${i}) } svg .c${i} { fill: var(--c${i}) }`).join('\n')}
svg .curve, svg .error { fill: none }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0 0; padding: 0; list-style: none; font-size: .85em }
.legend svg { display: inline-block; width: 12px; height: 12px; margin-right: .35rem; vertical-align: -1px }
`
