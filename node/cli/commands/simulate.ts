/** coopt simulate: runs the swarms of a plan in this process. Prints JSON lines with or without --json. */
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { someText, wholeNumber } from '../option-values.ts'

interface Options {
  out?: string
  only?: string[]
  cache?: string
  threads?: number
}

export function simulateCommand(invoke: Invoke): Command {
  return new Command('simulate')
    .description('simulate the swarms of a plan, one JSON line per configuration')
    .argument('<plan>', 'PLAN.json: images, priors, participants, rules (see node/lab/simulate/simulate.md)', someText)
    .option('--out <dir>', 'write the merged targets: NAME.npy, NAME.npy.ids.txt, NAME.provenance.csv', someText)
    .option('--only <name...>', 'run only these configurations of the plan')
    .option('--cache <dir>', 'cache features of priors here (default: coopt in the XDG cache directory)', someText)
    .option('--threads <number>', 'threads of the inference process', wholeNumber(1, 256))
    .action(async (plan: string, { out, only, cache, threads }: Options) => {
      await invoke(async ({ cwd, env, loadBackend, stdout, stderr, signal }) => {
        const backend = await loadBackend()
        await backend.simulate(resolve(cwd, plan), {
          ...(out === undefined ? {} : { out: resolve(cwd, out) }),
          ...(only === undefined ? {} : { only }),
          ...(threads === undefined ? {} : { threads }),
          cache: cache === undefined ? cacheDirectory(env) : resolve(cwd, cache),
          signal,
          onProgress: text => stderr(`${text}\n`),
          onReport: report => stdout(`${JSON.stringify(report)}\n`)
        })
      })
    })
}

// --- internal ---

/** XDG basedir-spec 0.8: relative paths are to be ignored. */
function cacheDirectory({ XDG_CACHE_HOME, HOME }: Readonly<Record<string, string | undefined>>): string {
  const home = HOME !== undefined && HOME !== '' ? HOME : homedir()
  const root = XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(home, '.cache')
  return join(root, 'coopt', 'features')
}
