/** Finds a Python with PyTorch: the one that is named, or a virtual environment created for it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pythonEnvironment } from '../interop/python-environment.ts'

export type Torch = { readonly python: string; readonly version: string } | { readonly missing: string }

const IMPORT_MS = 120_000

/** `python`, otherwise COOPT_PYTHON, otherwise an environment that is created if `install` allows it. */
export async function findTorch({ python, install }: { python: string | undefined; install: boolean }): Promise<Torch> {
  const named = python ?? process.env.COOPT_PYTHON
  if (named !== undefined) return await versionOf(named)
  if (!install) return { missing: 'no Python with PyTorch was named by --python or COOPT_PYTHON' }
  const environment = await pythonEnvironment({ train: true })
  return 'missing' in environment ? environment : await versionOf(environment.python)
}

// --- internal ---

async function versionOf(python: string): Promise<Torch> {
  try {
    const program = 'import numpy, torch; print(torch.__version__)'
    const { stdout } = await promisify(execFile)(python, ['-c', program], { timeout: IMPORT_MS })
    return { python, version: stdout.trim() }
  } catch (error) {
    const said =
      error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : undefined
    return { missing: `${python} cannot import torch and numpy${said === undefined || said === '' ? '' : `: ${said}`}` }
  }
}
