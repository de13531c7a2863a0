/** Once for all files: the pinned Python programs, or a plain word about what is left out without them. */
import type { TestProject } from 'vitest/node'
import { pythonEnvironment } from '../../scripts/interop/python-environment.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the environment's python; empty where there is none */
    python: string
    /** Is PyTorch in it? */
    train: boolean
    /** Path of the python that has transformers, timm and open_clip; empty where there is none */
    models: string
    /** Path of the python that has MLServer; empty where there is none */
    server: string
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const train = process.env['COOPT_INTEROP_TRAIN'] !== 'no'
  const environment = await pythonEnvironment({ train })
  if ('missing' in environment)
    process.stderr.write(
      `skipped: ${environment.missing}; pyarrow, pandas, polars, DuckDB, datasets, mlcroissant and PyTorch are not tried\n`
    )
  else if (!train) process.stderr.write('skipped: COOPT_INTEROP_TRAIN is "no"; PyTorch is not installed or tried\n')
  const models = train ? await pythonEnvironment({ models: true }) : { missing: 'COOPT_INTEROP_TRAIN is "no"' }
  if ('missing' in models)
    process.stderr.write(`skipped: ${models.missing}; transformers, timm, open_clip and exporters are not tried\n`)
  const server = await pythonEnvironment({ server: true })
  if ('missing' in server) process.stderr.write(`skipped: ${server.missing}; MLServer is not tried\n`)
  project.provide('server', 'python' in server ? server.python : '')
  project.provide('models', 'python' in models ? models.python : '')
  project.provide('python', 'python' in environment ? environment.python : '')
  project.provide('train', 'python' in environment && train)
}
