/** The section of RESULTS.md about the network lab: what is kept, as a table between two markers. Other sections stay as they are. */
import { cpus } from 'node:os'
import { NETWORK_LAB, updateKept } from '../kept-sections.ts'
import { SCENARIOS } from './scenarios.ts'
import type { Kept } from './kept.ts'

export function machineName(): string {
  const all = cpus()
  return `${all.length} cores, ${all[0]?.model.trim() ?? 'unknown'}`
}

/** The page with a section about `kept` at its end, in the place of the one that it has. Throws `RangeError` when one of its markers is missing. */
export function updateLabSection(page: string, kept: readonly Kept[]): string {
  return updateKept(page, NETWORK_LAB, sectionOf(kept))
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
