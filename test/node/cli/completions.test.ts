import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { commandTree } from '../../../node/cli/completions/command-tree.ts'
import { completionScript, SHELLS } from '../../../node/cli/completions/shells.ts'
import { createProgram } from '../../../node/cli/program.ts'
import { runCommand } from '../../helpers/run-command.ts'

const program = createProgram(async () => {}, { stdout: () => {}, stderr: () => {} })
const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const script = `${completionScript('bash', program)}
COMP_WORDS=(coopt "$@"); COMP_CWORD=$#; COMPREPLY=(); _coopt; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return stdout.split('\n').filter(line => line !== '')
}

describe.skipIf(!has('bash'))('completion in bash', () => {
  test('offers every command, and those that begin as typed', () => {
    expect(offered('').toSorted()).toEqual(program.commands.map(one => one.name()).toSorted())
    expect(offered('ver').toSorted()).toEqual(['verify', 'version'])
  })

  test('offers the commands below a command, behind options of the program', () => {
    expect(offered('config', '')).toEqual(expect.arrayContaining(['show', 'get', 'set', 'unset']))
    expect(offered('--home', 'join', 'config', 'un')).toEqual(['unset'])
  })

  test('offers the options of the command and those of all commands', () => {
    expect(offered('join', 'coopt1abc', '--pr')).toContain('--prior')
    expect(offered('gc', '--')).toEqual(expect.arrayContaining(['--dry-run', '--home', '--json', '--help']))
    expect(offered('gc', '--')).not.toContain('--prior')
  })

  test('leaves the value of an option to the completion of files', () => {
    expect(offered('join', 'coopt1abc', '--prior', '')).toEqual([])
  })
})

test.each(SHELLS)('the script for %s names every command and long option', shell => {
  const script = completionScript(shell, program)
  for (const { path, options } of commandTree(program)) {
    if (path.length > 0) expect(script).toContain(path.at(-1))
    for (const { flags } of options)
      for (const flag of flags.filter(one => one.startsWith('--')))
        expect(script).toContain(shell === 'fish' ? `-l ${flag.slice(2)}` : flag)
  }
})

test.for([
  ['bash', ['-n']],
  ['zsh', ['-n']],
  ['fish', ['--no-execute', '/dev/stdin']]
] as const)('%s can parse its script', ([shell, args], { skip }) => {
  skip(!has(shell), `${shell} is not installed`)
  const { status, stderr } = spawnSync(shell, args, { input: completionScript(shell, program), encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

test('coopt completions prints the script, and refuses a shell that it does not know', async () => {
  expect((await runCommand(['completions', 'fish'])).out).toBe(completionScript('fish', program))
  const { code, err } = await runCommand(['completions', 'tcsh'])
  expect(code).toBe(2)
  expect(err).toMatch(/bash, zsh, fish/)
})

test('coopt help explains commands and topics, and names the topics when there is neither', async () => {
  expect((await runCommand(['help', 'exit-codes'])).out).toMatch(/75 +the disk is full/)
  expect((await runCommand(['help', 'prior', 'check'])).out).toContain('Usage: coopt prior check')
  expect((await runCommand(['help'])).out).toMatch(/Topics.*exit-codes/s)
  const { code, err } = await runCommand(['help', 'weather'])
  expect(code).toBe(2)
  expect(err).toMatch(/neither.*"weather".*exit-codes/)
})
