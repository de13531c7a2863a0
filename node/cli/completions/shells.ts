/**
 * Completion scripts for bash, zsh and fish. Each finds the longest command among the words before the cursor and offers its commands and options;
 * where neither fits, and after an option that takes a value, the shell completes file names as it always does.
 */
import type { Command } from 'commander'
import { commandTree, type CompletedCommand } from './command-tree.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export function completionScript(shell: Shell, program: Command): string {
  return WRITERS[shell](commandTree(program))
}

// --- internal ---

const WRITERS: Readonly<Record<Shell, (tree: readonly CompletedCommand[]) => string>> = { bash, zsh, fish }

const keyOf = ({ path }: CompletedCommand): string => path.join(' ')

/** For single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Shared by bash and zsh: `at` becomes the words that are commands (`path`, `commands` and `options` are special in zsh). `words` begins behind `coopt`. */
function walk(tree: readonly CompletedCommand[], words: string): string {
  const valued = [
    ...new Set(tree.flatMap(({ options }) => options.filter(one => one.takesValue).flatMap(one => one.flags)))
  ]
  const known = tree.filter(({ path }) => path.length > 0).map(keyOf)
  return `  local at='' word skip=''
  for word in ${words}; do
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      ${valued.join('|')}) skip=1; continue ;;
      -*) continue ;;
    esac
    case "\${at:+$at }$word" in
      ${known.map(quoted).join('|')}) at="\${at:+$at }$word" ;;
    esac
  done`
}

function bash(tree: readonly CompletedCommand[]): string {
  const cases = tree.map(one => {
    const commands = one.commands.map(({ name }) => name).join(' ')
    const flags = one.options.flatMap(option => option.flags.filter(flag => flag.startsWith('--'))).join(' ')
    return `    ${quoted(keyOf(one))}) names=${quoted(commands)}; flags=${quoted(flags)} ;;`
  })
  return `# bash completion for coopt: source <(coopt completions bash)
_coopt() {
  local current=\${COMP_WORDS[COMP_CWORD]} names='' flags=''
${walk(tree, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  if [[ -n $skip ]]; then return; fi
  case $at in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else COMPREPLY=($(compgen -W "$names" -- "$current")); fi
}
complete -o default -F _coopt coopt
`
}

function zsh(tree: readonly CompletedCommand[]): string {
  const described = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`)
  const cases = tree.map(one => {
    const commands = one.commands.map(({ name, description }) => described(name, description))
    const options = one.options.flatMap(({ flags, description }) => flags.map(flag => described(flag, description)))
    return `    ${quoted(keyOf(one))})
      names=(${commands.join(' ')})
      flags=(${options.join(' ')}) ;;`
  })
  return `#compdef coopt
# zsh completion for coopt: coopt completions zsh > a folder of $fpath, as _coopt
_coopt() {
  local -a names flags
${walk(tree, '"${(@)words[2,CURRENT-1]}"')}
  if [[ -n $skip ]]; then _files; return; fi
  case $at in
${cases.join('\n')}
  esac
  if [[ $words[CURRENT] == -* ]]; then _describe -t options option flags
  elif (( \${#names} )); then _describe -t commands command names
  else _files; fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _coopt "$@"; else compdef _coopt coopt; fi
`
}

function fish(tree: readonly CompletedCommand[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const known = tree.filter(({ path }) => path.length > 0).map(one => quote(keyOf(one)))
  const valued = new Set(tree.flatMap(({ options }) => options.filter(one => one.takesValue).flatMap(one => one.flags)))
  const lines = tree.flatMap(one => {
    const at = `-n ${quote(`__coopt_at ${quote(keyOf(one))}`)}`
    return [
      ...one.commands.map(({ name, description }) => `complete -c coopt ${at} -a ${name} -d ${quote(description)}`),
      ...one.options.map(({ flags, description, takesValue }) => {
        const names = flags.map(flag => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
        return `complete -c coopt ${at} ${names.join(' ')}${takesValue ? ' -r' : ''} -d ${quote(description)}`
      })
    ]
  })
  return `# fish completion for coopt: coopt completions fish > ~/.config/fish/completions/coopt.fish
function __coopt_at
    set -l path
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
        else if contains -- $word ${[...valued].join(' ')}
            set skip 1
        else if contains -- (string join ' ' $path $word) ${known.join(' ')}
            set path $path $word
        end
    end
    test (string join ' ' $path) = "$argv[1]"
end
${lines.join('\n')}
`
}
