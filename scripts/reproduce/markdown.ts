/** Formats computed sections as RESULTS.md and results.json. */
import type { Figure, Row, Section } from './figure.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly torch: string
  readonly device: string
}

export interface Document {
  readonly machine: Machine
  /** YYYY-MM-DD */
  readonly date: string
  readonly command: string
  readonly seeds: number
  readonly quick: boolean
  /** Of the last run, without results that were cached already */
  readonly seconds: number
  /** Training time of all students together, on one core */
  readonly trainingSeconds: number
  readonly students: number
  readonly sections: ReadonlyArray<{ key: Figure['key']; section: Section }>
  /** Only some figures were made: each section says how */
  readonly partial: boolean
  /** From the page to the folder of pictures */
  readonly pictures: string
}

const INTRO = `The tables of arXiv 2505.14117 in miniature: a few thousand CIFAR-10 images, eight small priors, students that
train for half a minute on one core. Orderings can be compared with the papers, accuracies cannot. Figures are means over the seeds, with the
standard deviation (n - 1); a seed changes the draw of the images, the partitions, the shared set, and the student.

A claim that compares accuracies **holds** when each mean is above the next by more than two standard errors of the difference, **holds within
the spread** when it is above by less, and **does not hold** otherwise. With three seeds that is a rule of thumb: of pairs that are equal in
truth 6 % pass it in a given direction (t distribution, 4 degrees of freedom), and all students are judged on the same test images. Claims about
counts and thresholds hold or do not. Claims that do not hold stay in the table;
reasons given for them are guesses.`

export function markdown(document: Document): string {
  const { machine, command, seeds, seconds, trainingSeconds, students, sections, quick, date } = document
  const parts = [
    '# Results',
    ...(quick
      ? ['Of `--quick`: fewer rows, epochs and seeds. Good for seeing that everything runs, not for conclusions.']
      : []),
    INTRO,
    claimsText(sections.flatMap(({ section }) => section.verdicts)),
    '## How these were made',
    ['```sh', command, '```'].join('\n'),
    table(
      ['', ''],
      [
        ['seeds', `${seeds}`],
        [
          'students trained',
          `${students}, ${(trainingSeconds / 60).toFixed(0)} min of training on ${machine.device === 'cpu' ? 'one core' : machine.device}`
        ],
        ['last run', `${date}, ${(seconds / 60).toFixed(0)} min of wall clock; what the cache had is not in it`],
        ['machine', `${machine.cores} cores, ${machine.cpu}`],
        ['programs', `Node ${machine.node}, PyTorch ${machine.torch}, device ${machine.device}`]
      ]
    ),
    'Swarms run in `coopt simulate` (the same code as a node, without the network), except where real processes are named. Students: four 3 x 3 convolutions and a linear head, 1 - cosine over two views (crop, flip, colour) of each image, AdamW; score: ridge classifier on frozen features, fitted on 5,000 labelled images, accuracy on 2,000 test images (standard error of one figure about one point).',
    ...sections.map(({ section }) => sectionText(section, document))
  ]
  return `${parts.join('\n\n')}\n`
}

/** A table as results.json has it. */
export interface ResultsTable {
  readonly title: string
  readonly verdicts: ReadonlyArray<{ readonly outcome: string }>
  readonly [field: string]: unknown
}

export interface ResultsJson {
  readonly tables: Readonly<Record<string, ResultsTable>>
  readonly [field: string]: unknown
}

/** The schema that `coopt evaluate --report --results` reads, and every other table's rows. */
export function resultsJson({ machine, command, seeds, sections, partial, date }: Document): ResultsJson {
  return {
    command,
    machine,
    seeds,
    tables: Object.fromEntries(
      sections.map(({ key, section: { title, rows, verdicts, curves } }) => [
        key,
        {
          title,
          rows: rows.map(withoutNothing),
          verdicts,
          ...(curves === undefined ? {} : { curves }),
          ...(partial ? { made: { date, command, machine } } : {})
        }
      ])
    )
  }
}

/** How many claims hold. */
export function claimsText(claims: ReadonlyArray<{ readonly outcome: string }>): string {
  const count = (outcome: string): number => claims.filter(v => v.outcome === outcome).length
  return `Of ${claims.length} claims ${count('holds')} hold, ${count('holds within the spread')} hold within the spread, ${count('does not hold')} do not.`
}

/** A Markdown table; cells may hold anything but line ends. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(c => c.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

// --- internal ---

function sectionText(
  { title, paper, columns, rows, verdicts, notes = [], pictures = [] }: Section,
  document: Document
): string {
  return [
    `## ${title}`,
    `Papers: ${paper}.`,
    table(
      columns.map(c => c.title),
      rows.map(row => columns.map(c => c.text(row)))
    ),
    verdicts
      .map(({ claim, outcome, why }) => {
        const reason = outcome === 'does not hold' && why !== undefined ? `. Perhaps: ${why}` : ''
        return `- ${claim} — **${outcome}**${reason}`
      })
      .join('\n'),
    ...pictures.map(({ name, alt }) => `![${alt}](${document.pictures}/${name}.svg)`),
    ...notes,
    ...(document.partial ? [madeText(document)] : [])
  ].join('\n\n')
}

function madeText({ date, command, machine, students, trainingSeconds }: Document): string {
  const trained =
    students === 0
      ? ''
      : `, PyTorch ${machine.torch}, ${students} students in ${(trainingSeconds / 60).toFixed(0)} min of training`
  return `Made ${date} by \`${command}\`: ${machine.cores} cores, ${machine.cpu}, Node ${machine.node}${trained}.`
}

function withoutNothing(row: Row): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined && !Number.isNaN(value)))
}
