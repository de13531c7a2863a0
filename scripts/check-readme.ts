/**
 * Checks that the README's commands exist: every `npm run X` is a script, every `coopt X --option` is a command with that option, and
 * the table of exit codes is that of node/api/exit-codes.ts. Usage: node scripts/check-readme.ts
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createProgram } from '../node/cli/program.ts'
import { EXIT } from '../node/api/exit-codes.ts'

const ROOT = join(import.meta.dirname, '..')

/** Problems as text; empty if the README is right. */
export function checkReadme(readme: string, scripts: ReadonlySet<string>): string[] {
  const blocks = [...readme.matchAll(/^```sh\n([^]*?)^```/gm)].map(match => match[1] ?? '')
  const program = createProgram(async () => {}, { stdout: () => {}, stderr: () => {} })
  const lines = blocks
    .flatMap(block => block.replaceAll('\\\n', ' ').split('\n'))
    .map(line => line.replace(/\s#\s.*$/, '').trim())
    .filter(line => line !== '' && !line.startsWith('#'))
  return [
    ...(blocks.length === 0 ? ['no ```sh block'] : []),
    ...lines.flatMap(line => lineFaults(line, program, scripts)),
    ...exitCodeFaults(readme)
  ]
}

// --- internal ---

function lineFaults(line: string, program: Command, scripts: ReadonlySet<string>): string[] {
  return line.split(/&&|\|/).flatMap(part => {
    const words = part
      .trim()
      .split(/\s+/)
      .filter(word => !/^[A-Z_]+=/.test(word))
    const [tool, ...rest] = words[0] === 'npx' ? words.slice(1) : words
    if (tool === 'npm') return npmFaults(part.trim(), rest, scripts)
    if (tool === 'coopt') return cooptFaults(part.trim(), rest, program)
    return [`${part.trim()}: neither npm nor coopt, so it is not checked`]
  })
}

const NPM_COMMANDS = new Set(['ci', 'install', 'link', 'pack', 'test'])

function npmFaults(part: string, [command = '', script = '']: string[], scripts: ReadonlySet<string>): string[] {
  if (command === 'run') return scripts.has(script) ? [] : [`${part}: package.json has no script "${script}"`]
  return NPM_COMMANDS.has(command) ? [] : [`${part}: "npm ${command}" is not used here`]
}

function cooptFaults(part: string, words: string[], program: Command): string[] {
  let command = program
  for (const word of words) {
    const next = command.commands.find(candidate => candidate.name() === word)
    if (next === undefined) break
    command = next
  }
  const options = words.filter(word => word.startsWith('--')).map(word => word.replace(/=.*/, ''))
  const known = new Set([...program.options, ...command.options].map(option => option.long).concat('--help'))
  return [
    ...(command === program && !words.every(word => word.startsWith('-')) ? [`${part}: no such command`] : []),
    ...options.filter(option => !known.has(option)).map(option => `${part}: ${command.name()} has no option ${option}`)
  ]
}

function exitCodeFaults(readme: string): string[] {
  return Object.values(EXIT)
    .filter(({ code, meaning }) => !readme.includes(`| ${code} | ${meaning} |`))
    .map(({ code, meaning }) => `the table of exit codes lacks "| ${code} | ${meaning} |"`)
}

if (import.meta.main) {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const faults = checkReadme(await readFile(join(ROOT, 'README.md'), 'utf8'), new Set(Object.keys(scripts)))
  for (const fault of faults) console.error(`README.md: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
}
