/**
 * Runs scenarios of the network lab, which lies beside the checkout (`../shared/lab`): whole nodes in network namespaces over an emulated wide-area
 * network. Exit code 1 where a threshold is not met that is not known to be out of reach (scenarios.ts).
 *
 *     node scripts/lab/run.ts                           the cheap ones on a small scale
 *     node scripts/lab/run.ts --all                     all of them, about an hour and a half
 *     node scripts/lab/run.ts SCENARIO …                these, on the full scale
 *     node scripts/lab/run.ts [--all | SCENARIO …] --json --page RESULTS.md
 *
 * Runs on the full scale are kept in results.json, the latest of each scenario; `--page FILE` writes all that is kept between two markers of FILE
 * (page.ts), and with neither `--all` nor a name runs nothing. `--json` prints the outcomes of this run. Each scenario runs alone. `--lab DIR`: the lab
 * is elsewhere.
 *
 * Needs Linux, root and some Debian packages; where anything is missing it says so and ends with 0: nothing was measured.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { textTable } from '../../node/cli/text-table.ts'
import { machineName, updateLabSection } from './page.ts'
import { keep, readKept, type Kept } from './kept.ts'
import { NOT_YET, SCENARIOS } from './scenarios.ts'
import type { Finding, Runs, Scenario } from './scenario.ts'

const root = resolve(import.meta.dirname, '../..')
const TOOLS = ['python3', 'ip', 'ss', 'gcc', 'ethtool', 'nft', 'conntrack', 'ping']
/** The scenarios end by themselves, the longest after 25 minutes; this is for one that does not. */
const TIMEOUT_MS = 1_800_000

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    page: { type: 'string' },
    lab: { type: 'string', default: resolve(root, '../shared/lab') }
  }
})
const { lab } = values
const isFull = values.all || positionals.length > 0
if (isFull || values.page === undefined) {
  const why = missing()
  if (why === undefined) process.exitCode = await run()
  else console.error(`network lab: SKIPPED, nothing was measured: ${why}`)
}
if (values.page !== undefined)
  await writeFile(values.page, updateLabSection(await readFile(values.page, 'utf8'), await readKept()))

// --- internal ---

function missing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  if (!existsSync(join(lab, 'lab.py'))) return `the lab is not in ${lab}`
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const absent = TOOLS.filter(tool => !succeeds('sh', '-c', `command -v ${tool}`))
  if (absent.length > 0) return `${absent.join(', ')} cannot be found`
  const name = `coopt-test-${process.pid}`
  if (!succeeds('ip', 'netns', 'add', name)) return 'no network namespace can be made here'
  execFileSync('ip', ['netns', 'del', name])
  return undefined
}

function succeeds(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false // whatever the reason: it cannot be used
  }
}

/** A name means the scenario of that name, or all that run that script. */
function chosen(): readonly Scenario[] {
  if (values.all) return SCENARIOS
  if (positionals.length === 0) return SCENARIOS.filter(({ quick }) => quick !== undefined)
  const known = new Set(SCENARIOS.flatMap(({ name, script }) => [name, script]))
  const unknown = positionals.filter(name => !known.has(name))
  if (unknown.length > 0)
    throw new Error(`no scenario ${unknown.join(', ')}; there are ${SCENARIOS.map(s => s.name).join(', ')}`)
  return SCENARIOS.filter(({ name, script }) => positionals.includes(name) || positionals.includes(script))
}

async function run(): Promise<number> {
  const tree = await treeForLab()
  const outcomes: Kept[] = []
  try {
    for (const scenario of chosen()) {
      const outcome = await measure(scenario, tree)
      outcomes.push(outcome)
      if (isFull) await keep(outcome)
    }
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
  const rows = outcomes.flatMap(({ scenario, seconds, load, findings }) =>
    findings.map(one => [
      scenario,
      one.before,
      one.wanted,
      one.measured,
      verdict(scenario, one),
      seconds.toFixed(0),
      load.toFixed(1)
    ])
  )
  const table = textTable(['scenario', 'before', 'wanted', 'measured', 'verdict', 'seconds', 'load'], rows)
  console.log(values.json ? JSON.stringify({ machine: machineName(), outcomes }, undefined, 1) : table)
  const failures = outcomes.flatMap(({ scenario, findings }) =>
    findings.filter(({ wanted, met }) => !met && !NOT_YET.includes(`${scenario}: ${wanted}`))
  ).length
  if (failures > 0) console.error(`network lab: ${failures} not met`)
  return failures === 0 ? 0 : 1
}

function verdict(scenario: string, { wanted, met }: Finding): string {
  const isExpected = NOT_YET.includes(`${scenario}: ${wanted}`)
  if (met) return isExpected ? 'met: no longer out of reach' : 'met'
  return isExpected ? 'not yet' : 'NOT MET'
}

/**
 * The lab looks for the program and the priors at the top of a checkout. Its swarms have a dozen rows in a partition and often a single prior, so no
 * member could confirm anything (src/publish/plausibility.ts), and figures of before were without checks: `publish` has `--quorum 0` here. Homes that join
 * have the patience of `COOPT_LAB_PATIENCE_MS`.
 */
async function treeForLab(): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), 'coopt-lab-tree-'))
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
  await symlink(join(root, 'node'), join(tree, 'node'))
  await symlink(join(root, 'node/priors/bundled'), join(tree, 'priors'))
  await writeFile(
    join(tree, 'bin.mjs'),
    `import { readFile, writeFile } from 'node:fs/promises'
const patience = process.env.COOPT_LAB_PATIENCE_MS
if (process.argv[2] === 'publish') process.argv.push('--quorum', '0')
if (patience !== undefined && process.argv[2] === 'join') {
  const path = process.argv[process.argv.indexOf('--home') + 1] + '/config.json'
  const config = JSON.parse(await readFile(path, 'utf8'))
  await writeFile(path, JSON.stringify({ ...config, timing: { ...config.timing, patienceMs: Number(patience) } }))
}
await import(${JSON.stringify(pathToFileURL(join(root, 'node/cli/bin.mjs')).href)})
`
  )
  return tree
}

async function measure(scenario: Scenario, tree: string): Promise<Kept> {
  const runs: Runs = isFull ? scenario.runs : (scenario.quick ?? scenario.runs)
  const began = performance.now()
  const load: number[] = []
  const figures: unknown[] = []
  let broke: string | undefined
  for (const args of runs) {
    console.error(`network lab: ${scenario.script} ${args.join(' ')}`)
    load.push(loadavg()[0] ?? 0) // before it starts: what others do
    const { line, failure } = await runScript(scenario, args, tree)
    console.error(line)
    broke ??= failure
    figures.push(line === '' ? {} : JSON.parse(line))
  }
  let findings: Finding[]
  try {
    findings = scenario.judge(figures, isFull ? 'full' : 'quick')
  } catch (error) {
    const measured = broke ?? String(error).split('\n')[0] ?? ''
    findings = [{ before: '', wanted: 'the scenario runs to its end', measured, met: false }]
  }
  return {
    scenario: scenario.name,
    date: new Date().toISOString(),
    machine: machineName(),
    load: Math.max(...load),
    seconds: (performance.now() - began) / 1000,
    findings,
    figures
  }
}

/** Its last line, and why it failed if it did: it has printed what it measured before. */
async function runScript(
  { script, patienceMs }: Scenario,
  args: readonly string[],
  tree: string
): Promise<{ line: string; failure: string | undefined }> {
  const argv = [join(lab, `${script}.py`), '--tree', tree, ...args]
  const env = patienceMs === undefined ? process.env : { ...process.env, COOPT_LAB_PATIENCE_MS: `${patienceMs}` }
  const last = (text: string | undefined): string => (text ?? '').trim().split('\n').at(-1) ?? ''
  try {
    const { stdout } = await promisify(execFile)('python3', argv, { env, timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 })
    return { line: last(stdout), failure: undefined }
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return { line: last(stdout), failure: last(stderr) === '' ? String(error) : last(stderr) }
  }
}
