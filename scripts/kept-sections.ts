/** Sections at the end of RESULTS.md that programs of their own write, each between two markers. Whoever writes another part keeps them as they are. */

export interface KeptSection {
  readonly name: string
  readonly begin: string
  readonly end: string
}

export const BENCHMARKS: KeptSection = {
  name: 'the benchmarks',
  begin: '<!-- benchmarks: written by scripts/bench/record.ts -->',
  end: '<!-- end of benchmarks -->'
}

export const NETWORK_LAB: KeptSection = {
  name: 'the network lab',
  begin: '<!-- network lab: written by scripts/lab/run.ts --page -->',
  end: '<!-- end of network lab -->'
}

/** In the order of the page */
const KEPT = [BENCHMARKS, NETWORK_LAB] as const

/** The page without its kept sections, and what is between the markers of each that it has. Throws `RangeError` when one of two markers is missing. */
export function splitKept(page: string): { rest: string; kept: ReadonlyMap<KeptSection, string> } {
  const kept = new Map<KeptSection, string>()
  let rest = page
  for (const section of KEPT) {
    const [from, to] = [rest.indexOf(section.begin), rest.indexOf(section.end)]
    if (from < 0 && to < 0) continue
    if (from < 0 || to < from) throw new RangeError(`the markers of ${section.name} are broken`)
    kept.set(section, rest.slice(from + section.begin.length, to).trim())
    const parts = [rest.slice(0, from), rest.slice(to + section.end.length)]
    rest = `${parts
      .map(part => part.trim())
      .filter(part => part !== '')
      .join('\n\n')}\n`
  }
  return { rest, kept }
}

/** The page with these sections at its end. */
export function joinKept(rest: string, kept: ReadonlyMap<KeptSection, string>): string {
  const parts = KEPT.flatMap(section => {
    const text = kept.get(section)
    return text === undefined ? [] : [[section.begin, text, section.end].join('\n\n')]
  })
  return parts.length === 0 ? rest : `${[rest.trimEnd(), ...parts].join('\n\n')}\n`
}

/** The page with `text` as this section, in the place of what it had. */
export function updateKept(page: string, section: KeptSection, text: string): string {
  const { rest, kept } = splitKept(page)
  return joinKept(rest, new Map([...kept, [section, text]]))
}
