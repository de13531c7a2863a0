#!/usr/bin/env node
/**
 * Launcher of `coopt`. Plain JavaScript that an old Node can read: it starts the built program, or the sources of a checkout, on a
 * Node that is new enough. A checkout brings its own (the development dependency `node`), an installed package uses the caller's.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

// 24 runs the sources as they are (type stripping) and has the APIs they use
const NODE_MAJOR = 24

const source = new URL('./main.ts', import.meta.url)
const built = new URL('../../dist/cli.js', import.meta.url)
// in a checkout the sources are the truth, dist/ may be old
const program = existsSync(source) ? source : built

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) {
  // compiled code is kept between runs: a start takes 0.8 instead of 1.2 s of CPU (measured)
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  await import(program.href)
} else {
  const own = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url))
  if (existsSync(own)) restart(own)
  else {
    process.stderr.write(
      `coopt: Node ${NODE_MAJOR} or newer is needed, this is ${process.versions.node}. ` +
        `Install it, or run: npx --package=node@${NODE_MAJOR} --package=coopt coopt …\n`
    )
    process.exitCode = 1
  }
}

function restart(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both processes: the child decides what it means. Signals sent to us alone are passed on.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`coopt: ${node} does not start: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}
