/** Files and rows that do not become samples, counted by the reason: every file of a source is used, or left out and why. */
import { LINK_REMEDY } from './text-links.ts'
import { LEFT_OUT_REASONS, type LeftOutReason } from '../api/reports.ts'

/** For one, and for several */
const TEXTS: Readonly<Record<LeftOutReason, readonly [string, string]>> = {
  hidden: ['hidden file or file of the system', 'hidden files and files of the system'],
  other: ['file of another kind', 'files of other kinds'],
  metadata: ['Parquet file without an image column', 'Parquet files without an image column'],
  kind: ['file of a kind that was not asked for', 'files of kinds that were not asked for'],
  component: ['image of another component', 'images of other components'],
  link: [
    'link that leads nowhere, back, or to what was read already',
    'links that lead nowhere, back, or to what was read already'
  ],
  'text-link': [
    `link that Git checked out as a text file: ${LINK_REMEDY}`,
    `links that Git checked out as text files: ${LINK_REMEDY}`
  ],
  duplicate: ['image that occurred before', 'images that occurred before'],
  broken: ['image or archive that cannot be used', 'images and archives that cannot be used']
}

export interface LeftOut {
  readonly reason: LeftOutReason
  readonly count: number
  /** The first names */
  readonly examples: string[]
}

/** Names that are kept for each reason. */
const EXAMPLES = 3

export interface Tally {
  add(reason: LeftOutReason, names: readonly string[], count: number): void
  /** Everything that another one counted */
  merge(other: Tally): void
  /** In the order of `LEFT_OUT_REASONS`, reasons that occurred only */
  readonly entries: readonly LeftOut[]
}

export function createTally(): Tally {
  const found = new Map<LeftOutReason, { count: number; examples: string[] }>()
  const add: Tally['add'] = (reason, names, count) => {
    const entry = found.get(reason) ?? { count: 0, examples: [] }
    found.set(reason, entry)
    entry.count += count
    entry.examples.push(...names.slice(0, EXAMPLES - entry.examples.length))
  }
  return {
    add,
    merge: other => {
      for (const { reason, count, examples } of other.entries) add(reason, examples, count)
    },
    get entries() {
      return LEFT_OUT_REASONS.flatMap(reason => {
        const entry = found.get(reason)
        return entry === undefined ? [] : [{ reason, ...entry }]
      })
    }
  }
}

/** `24 hidden files and files of the system (._0.png, ._1.png, …)` */
export function leftOutText({ reason, count, examples }: LeftOut): string {
  const more = count > examples.length ? ', …' : ''
  return `${count} ${TEXTS[reason][count === 1 ? 0 : 1]}${examples.length === 0 ? '' : ` (${examples.join(', ')}${more})`}`
}
