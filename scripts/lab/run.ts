/**
 * Runs the cheap scenarios of the network lab, which lies beside the checkout (`../shared/lab`): whole nodes in network namespaces over an emulated
 * wide-area network. Exit code 1 where a threshold is not met that is not known to be out of reach (scenarios.ts).
 *
 *     node scripts/lab/run.ts [SCENARIO …]
 *
 * Needs Linux, root and some Debian packages; where anything is missing it says so and ends with 0: nothing was measured.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { textTable } from '../../node/cli/text-table.ts'
import { NOT_YET, SCENARIOS, type Finding, type Scenario } from './scenarios.ts'

const root = resolve(import.meta.dirname, '../..')
const lab = resolve(root, '../shared/lab')
const TOOLS = ['python3', 'ip', 'ss', 'gcc', 'ethtool', 'nft', 'conntrack', 'ping']
/** The scenarios end by themselves; this is for one that does not. */
const TIMEOUT_MS = 400_000

const { positionals } = parseArgs({ allowPositionals: true })
const why = missing()
if (why === undefined) process.exitCode = await run()
else console.log(`network lab: SKIPPED, nothing was measured: ${why}`)

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

async function run(): Promise<number> {
  const chosen = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  if (chosen.length < positionals.length) throw new Error(`scenarios are ${SCENARIOS.map(s => s.name).join(', ')}`)
  const tree = await treeForLab()
  const rows: string[][] = []
  let failures = 0
  try {
    for (const scenario of chosen) {
      const { findings, seconds } = await measure(scenario, tree)
      for (const { wanted, measured, met } of findings) {
        const isExpected = NOT_YET.includes(`${scenario.name}: ${wanted}`)
        if (!met && !isExpected) failures++
        const verdict = met ? (isExpected ? 'met: no longer out of reach' : 'met') : isExpected ? 'not yet' : 'NOT MET'
        rows.push([scenario.name, wanted, measured, verdict, seconds])
      }
    }
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
  console.log(textTable(['scenario', 'wanted', 'measured', 'verdict', 'seconds'], rows))
  if (failures > 0) console.log(`network lab: ${failures} not met`)
  return failures === 0 ? 0 : 1
}

/** The lab looks for the program and the priors at the top of a checkout. */
async function treeForLab(): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), 'coopt-lab-tree-'))
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
  await symlink(join(root, 'node'), join(tree, 'node'))
  await symlink(join(root, 'node/cli/bin.mjs'), join(tree, 'bin.mjs'))
  await symlink(join(root, 'node/priors/bundled'), join(tree, 'priors'))
  return tree
}

async function measure(scenario: Scenario, tree: string): Promise<{ findings: Finding[]; seconds: string }> {
  const { name, args, judge } = scenario
  console.error(`network lab: ${name} ${args.join(' ')}`)
  const began = performance.now()
  let shown = ''
  let broke: string | undefined
  try {
    const argv = [join(lab, `${name}.py`), '--tree', tree, ...args]
    shown = (await promisify(execFile)('python3', argv, { timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 })).stdout
  } catch (error) {
    // it has printed what it measured before it failed
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    shown = stdout ?? ''
    broke = (stderr ?? String(error)).trim().split('\n').at(-1)
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  const line = shown.trim().split('\n').at(-1) ?? ''
  console.error(line)
  try {
    return { findings: judge(JSON.parse(line)), seconds }
  } catch (error) {
    const measured = broke ?? String(error).split('\n')[0] ?? ''
    return { findings: [{ wanted: 'the scenario runs to its end', measured, met: false }], seconds }
  }
}
