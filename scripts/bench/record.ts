/**
 * Runs a benchmark of this folder and keeps what it printed in RESULTS.md, with the machine, its load and the date.
 *
 *     node scripts/bench/record.ts [--page RESULTS.md] NAME [ARGUMENT …]
 *
 * What another run of NAME with the same arguments left there is replaced; paths of --python are shown as PATH. Ends with the benchmark's exit code,
 * and keeps nothing unless that is 0.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { BENCHMARKS, splitKept, updateKept } from '../kept-sections.ts'
import { updateBenchmarks } from './bench-page.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const [first, second, ...others] = process.argv.slice(2)
const [page, name, args] =
  first === '--page'
    ? [resolve(second ?? ''), others[0], others.slice(1)]
    : [join(ROOT, 'RESULTS.md'), first, process.argv.slice(3)]
if (name === undefined || !/^[\w-]+$/.test(name)) {
  console.error('usage: node scripts/bench/record.ts [--page RESULTS.md] NAME [ARGUMENT …]')
  process.exit(2)
}

const [load = 0] = loadavg()
const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...args], {
  stdio: ['ignore', 'pipe', 'inherit']
})
const exited = once(child, 'close') as Promise<[number | null]>
let printed = ''
for await (const text of child.stdout.setEncoding('utf8')) {
  printed += text
  process.stdout.write(text)
}
const [code] = await exited
if (code !== 0) process.exit(code ?? 1)

const text = await readFile(page, 'utf8')
const shown = args.map((arg, i) => (args[i - 1] === '--python' ? 'PATH' : arg))
const section = updateBenchmarks(splitKept(text).kept.get(BENCHMARKS), {
  command: ['node', `scripts/bench/${name}.ts`, ...shown].join(' '),
  printed,
  made: `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}, load ${load.toFixed(1)} before`
})
await writeFile(page, updateKept(text, BENCHMARKS, section))
