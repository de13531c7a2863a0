/**
 * A virtual environment with the pinned packages of requirements.txt, created once in `.venv/<hash of the pinned versions>`.
 *
 *     node scripts/interop/python-environment.ts [--no-train | --models | --server]     creates it and prints the path of its python
 *
 * --no-train omits PyTorch, --models installs requirements-models.txt instead (PyTorch, transformers, timm), --server requirements-server.txt
 * (MLServer). Needs Python 3.11 or newer with the module venv, and pip's package index.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

const HERE = import.meta.dirname
const ENVIRONMENTS = join(HERE, '..', '..', '.venv')

/** Below this, the pinned versions of numpy and pandas do not exist. */
const OLDEST = [3, 11] as const

/** PyTorch's libraries are some 3 GB. */
const INSTALL_MS = 1_800_000

/** The end of pip's output contains the reason. */
const MAX_REASON = 500

export type PythonEnvironment = { readonly python: string } | { readonly missing: string }

/**
 * The path of the environment's python; the environment is created if necessary. `missing` explains why there is none: no Python that is new enough,
 * or the packages cannot be installed.
 */
export async function pythonEnvironment(
  options: { train: boolean } | { models: true } | { server: true }
): Promise<PythonEnvironment> {
  const base = await findPython()
  if (base === undefined) return { missing: `no Python ${OLDEST.join('.')} or newer with the module venv was found` }
  const requirements = requirementsFor(options)
  const hash = createHash('sha256').update(base.version)
  for (const name of ['requirements.txt', requirements]) hash.update(await readFile(join(HERE, name)))
  const folder = join(ENVIRONMENTS, hash.digest('hex').slice(0, 16))
  const python = join(folder, 'bin', 'python')
  const complete = join(folder, 'complete')
  if (await exists(complete)) return { python }
  await rm(folder, { recursive: true, force: true })
  await mkdir(ENVIRONMENTS, { recursive: true })
  await run(base.command, ['-m', 'venv', folder])
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  try {
    await run(python, [...pip, '--requirement', join(HERE, requirements)], { timeout: INSTALL_MS })
  } catch (error) {
    // the package index is unreachable or lacks a pinned version
    return { missing: `the pinned Python packages could not be installed (${String(error).slice(-MAX_REASON)})` }
  }
  await writeFile(complete, `${base.version}\n`)
  return { python }
}

// --- internal ---

function requirementsFor(options: Parameters<typeof pythonEnvironment>[0]): string {
  if ('models' in options) return 'requirements-models.txt'
  if ('server' in options) return 'requirements-server.txt'
  return options.train ? 'requirements-train.txt' : 'requirements.txt'
}

const run = promisify(execFile)

async function findPython(): Promise<{ command: string; version: string } | undefined> {
  for (const command of ['python3', 'python']) {
    try {
      const { stdout } = await run(command, [
        '-c',
        'import ensurepip, platform, venv; print(platform.python_version())'
      ])
      const version = stdout.trim()
      const [major = 0, minor = 0] = version.split('.').map(Number)
      if (major === OLDEST[0] && minor >= OLDEST[1]) return { command, version }
    } catch (error) {
      // missing, or without venv: try the next name
      if (!(error instanceof Error)) throw error
    }
  }
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false
  )
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      train: { type: 'boolean', default: true },
      models: { type: 'boolean', default: false },
      server: { type: 'boolean', default: false }
    },
    allowNegative: true
  })
  const environment = await pythonEnvironment(
    values.models ? { models: true } : values.server ? { server: true } : { train: values.train }
  )
  if ('missing' in environment) {
    console.error(environment.missing)
    process.exitCode = 1
  } else console.log(environment.python)
}
