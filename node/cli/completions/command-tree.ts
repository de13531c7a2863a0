/** The commands as completions need them, read from their definitions: nothing about a command is written down twice. */
import type { Command } from 'commander'

export interface CompletedOption {
  /** `--home`, `-h` */
  readonly flags: readonly string[]
  readonly description: string
  /** A word follows */
  readonly takesValue: boolean
}

export interface CompletedCommand {
  /** Below `coopt`: [] for the program itself, ['prior', 'check'] */
  readonly path: readonly string[]
  readonly description: string
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  /** Its own, those of the program and --help */
  readonly options: readonly CompletedOption[]
}

/** The program and every command below it, in the order of `coopt --help`. */
export function commandTree(program: Command): CompletedCommand[] {
  const ofProgram = optionsOf(program)
  const walk = (command: Command, path: readonly string[]): CompletedCommand[] => [
    {
      path,
      description: command.description(),
      commands: command.commands.map(one => ({ name: one.name(), description: one.description() })),
      options: [...(command === program ? [] : optionsOf(command)), ...ofProgram, HELP]
    },
    ...command.commands.flatMap(one => walk(one, [...path, one.name()]))
  ]
  return walk(program, [])
}

// --- internal ---

const HELP: CompletedOption = { flags: ['--help', '-h'], description: 'display help for command', takesValue: false }

function optionsOf(command: Command): CompletedOption[] {
  return command.options.map(option => ({
    flags: [option.long, option.short].filter(flag => flag !== undefined),
    description: option.description,
    takesValue: option.required || option.optional
  }))
}
