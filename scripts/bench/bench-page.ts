/** The section of RESULTS.md about benchmarks: what each printed last, by its command. */

const HEAD = `## Benchmarks

Both sides of each are measured in one run, so ratios say more than rates. Load: processes that wanted a core in the minute before; above the number of
cores others worked on the machine, and rates are pessimistic. What each measures is in [scripts/bench](scripts/bench/README.md).`

export interface BenchmarkRun {
  readonly command: string
  /** Its stdout */
  readonly printed: string
  /** When and where, for people */
  readonly made: string
}

/** The section with this run in the place of an earlier one of the same command; commands are in alphabetical order. */
export function updateBenchmarks(section: string | undefined, { command, printed, made }: BenchmarkRun): string {
  const [, ...old] = (section ?? HEAD).split(/^(?=### )/m).map(part => part.trim())
  const title = `### \`${command}\``
  const fresh = `${title}\n\n\`\`\`text\n${printed.trim().replaceAll('```', "'''")}\n\`\`\`\n\nMade ${made}.`
  const parts = [...old.filter(part => !part.startsWith(`${title}\n`)), fresh].sort()
  return [HEAD, ...parts].join('\n\n')
}
