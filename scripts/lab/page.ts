/** The section of RESULTS.md about the network lab: what is kept, as a table between two markers. Other sections stay as they are. */
import { cpus } from 'node:os'
import { SCENARIOS } from './scenarios.ts'
import type { Kept } from './kept.ts'

const BEGIN = '<!-- network lab: written by scripts/lab/run.ts --page -->'
const END = '<!-- end of network lab -->'

export function machineName(): string {
  const all = cpus()
  return `${all.length} cores, ${all[0]?.model.trim() ?? 'unknown'}`
}

/** The page without the section, and the section with its markers if it has one. Throws `RangeError` when one of the two markers is missing. */
export function splitLabSection(page: string): { rest: string; section: string | undefined } {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 && end < 0) return { rest: page, section: undefined }
  if (begin < 0 || end < begin) throw new RangeError('the markers of the network lab are broken')
  const rest = [page.slice(0, begin), page.slice(end + END.length)].map(part => part.trim()).filter(part => part !== '')
  return { rest: `${rest.join('\n\n')}\n`, section: page.slice(begin, end + END.length) }
}

/** The page with this section at its end, if there is one. */
export function joinLabSection(rest: string, section: string | undefined): string {
  return section === undefined ? rest : `${rest.trimEnd()}\n\n${section}\n`
}

/** The page with a section about `kept` at its end, in the place of the one that it has. */
export function updateLabSection(page: string, kept: readonly Kept[]): string {
  return joinLabSection(splitLabSection(page).rest, `${BEGIN}\n\n${sectionOf(kept)}\n\n${END}`)
}

// --- internal ---

function sectionOf(kept: readonly Kept[]): string {
  const order = SCENARIOS.map(({ name }) => name)
  const known = kept
    .filter(({ scenario }) => order.includes(scenario))
    .toSorted((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario))
  const rows = known.flatMap(({ scenario, date, load, findings }) =>
    findings.map(({ before, wanted, measured, met }, i) =>
      [
        i === 0 ? scenario : '',
        before,
        wanted,
        measured,
        met ? 'met' : '**not met**',
        i === 0 ? `${date.slice(0, 10)}, ${load.toFixed(1)}` : ''
      ].map(text => text.replaceAll('|', '\\|').replaceAll('\n', ' '))
    )
  )
  const met = known.flatMap(({ findings }) => findings).filter(one => one.met).length
  return [
    '## Between labs: the network lab',
    '',
    `Whole nodes in network namespaces over an emulated wide-area network: \`node scripts/lab/run.ts --all --page RESULTS.md\`. ${met} of ${rows.length} thresholds are met.`,
    'Load: processes that wanted a core in the minute before the run. Where it is above the number of cores, others worked on the machine, and seconds',
    'and rates are pessimistic; bytes are exact. A line of 100 Mbit/s needs half a core at each end, and a node that works needs more.',
    '',
    `Machine: ${[...new Set(known.map(({ machine }) => machine))].join('; ')}.`,
    '',
    '| scenario | before | wanted | measured | verdict | date, load |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(row => `| ${row.join(' | ')} |`)
  ].join('\n')
}
