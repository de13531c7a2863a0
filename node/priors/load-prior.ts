/**
 * PRIOR as a person gives it -> `PriorModel`: an `.onnx` file, a folder with `model.onnx` (or `onnx/model.onnx`), either with the settings
 * of its images beside it (find-config.ts), a label file (`.csv`), a table of vectors (table/find-table.ts), or the URL of a model behind a
 * server (server/server-prior.ts).
 *
 * A folder with `bundle.json` is a bundle (src/publish/bundle.ts) and must be exactly what it says.
 */
import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { InvalidPriorError } from '../../src/errors.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import { isBundle, openBundle } from './bundle/open-bundle.ts'
import { findConfig, readConfig } from './find-config.ts'
import { refuseOptions, type OptionsOwner } from './refuse-options.ts'
import { tableOfFile, tableOfFolder, type TableFiles } from './table/find-table.ts'
import { openTable } from './table/open-table.ts'
import { createTablePrior } from './table/table-prior.ts'
import { createHumanPrior, readLabelFile } from './human-prior.ts'
import { machineShare, type MachineShare } from '../compute/inference/machine.ts'
import { DEFAULT_LIMITS, type InferenceLimits } from '../compute/inference/limits.ts'
import { createOnnxPrior, scanModelFile, type OnnxPrior } from './onnx-prior.ts'
import { loadServerPrior } from './server/server-prior.ts'
import { isServerUrl, parseServerUrl } from './server/server-url.ts'

/** Of the .onnx files in a folder as many are named in an error. */
const MAX_LISTED = 12
/** A score record carries at most this. */
const MAX_NAME_CHARACTERS = 64

export interface LoadPriorOptions extends MachineShare {
  /** Tensor to take as the feature; column or tensor of a table's vectors. */
  readonly output?: string | undefined
  /** File with the settings of the images, instead of one beside the model */
  readonly preprocessing?: string | undefined
  /** Column of a table with its keys. */
  readonly key?: string | undefined
  /** Folder of the images, or CSV `name,sha256`, where the file names of labels or of a table lead. */
  readonly images?: string | undefined
  /** Called while a table is read, with the vectors so far. What it throws ends the reading. */
  readonly onRows?: (rows: number) => void
  /** Told to the other peers; the file's (or folder's) name without its ending otherwise. */
  readonly name?: string
  readonly license?: string
  readonly limits?: Partial<InferenceLimits>
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string
  /** Ends the loading of a model behind a server */
  readonly signal?: AbortSignal
  /** Absences of a model server, for people. @default nothing */
  onWarning?(message: string): void
}

export type PriorFiles =
  | {
      readonly kind: 'onnx'
      readonly model: string
      /** The folder that was given; absent where the file was. */
      readonly folder?: string
      readonly name: string
      /** The folder, when it is a bundle (node/bundle/open-bundle.ts) */
      readonly bundle?: string
    }
  | { readonly kind: 'human'; readonly labels: string; readonly name: string }
  | { readonly kind: 'table'; readonly table: TableFiles; readonly name: string }

/** Which files a path means. Throws `InvalidPriorError` saying what is missing. */
export async function findPrior(path: string): Promise<PriorFiles> {
  if (isServerUrl(path))
    throw new InvalidPriorError('a model behind a server has no files: give an .onnx file or a folder with model.onnx')
  const what = await kindOf(path)
  if (what === undefined)
    throw new InvalidPriorError(
      `${path} does not exist; give an .onnx file, a folder with model.onnx, labels.csv, or a table of vectors`
    )
  const name = basename(path, extname(path)).slice(0, MAX_NAME_CHARACTERS) || 'prior'
  if (what === 'file') {
    const end = extname(path).toLowerCase()
    if (end === '.csv') return { kind: 'human', labels: path, name }
    if (end === '.onnx') return { kind: 'onnx', model: path, name }
    const table = await tableOfFile(path)
    if (table !== undefined) return { kind: 'table', table, name }
    if (end === '.car')
      throw new InvalidPriorError(
        `${path} is an archive: take it into the home with "coopt import ${path}", then give the CID that it has`
      )
    throw new InvalidPriorError(
      `${path} is not a prior: an .onnx file, a folder with model.onnx, labels.csv, or a table of vectors (.npy, .parquet, .safetensors) is needed`
    )
  }
  for (const file of ['model.onnx', join('onnx', 'model.onnx')]) {
    const model = await existing(join(path, file))
    if (model === undefined) continue
    const bundle = (await isBundle(path)) ? { bundle: path } : {}
    return {
      kind: 'onnx',
      model,
      folder: path,
      name: basename(path).slice(0, MAX_NAME_CHARACTERS) || 'prior',
      ...bundle
    }
  }
  const labels = await existing(join(path, 'labels.csv'))
  if (labels !== undefined) return { kind: 'human', labels, name }
  const table = await tableOfFolder(path)
  if (table !== undefined) return { kind: 'table', table, name }
  throw new InvalidPriorError(
    `folder ${path} has neither model.onnx nor onnx/model.onnx nor labels.csv nor a table of vectors${await otherModels(path)}`
  )
}

/**
 * Load a prior, ready to embed. Close it after use. Throws `InvalidPriorError` when it is refused, `InferenceError` when the worker
 * could not run it within its limits.
 */
export async function loadPrior(path: string, options: LoadPriorOptions = {}): Promise<PriorModel> {
  if (isServerUrl(path)) {
    parseServerUrl(path) // refuses a password without repeating it
    refuseOptions(path, 'server', options)
    return await loadServerPrior(path, withToken(options))
  }
  const files = await findPrior(path)
  if (files.kind === 'onnx') return loadOnnx(files, options)
  refuseOptions(path, optionsOwner(files), options)
  if (files.kind === 'table')
    return createTablePrior(await openTable(files.table, options), nameAndLicense(files, options))
  return createHumanPrior(await readLabelFile(files.labels, options.images), nameAndLicense(files, options))
}

/** As `loadPrior`, for models only; gives the scan's facts too. A bundle is checked against what it says of itself. */
export async function loadOnnx(
  files: PriorFiles & { kind: 'onnx' },
  options: LoadPriorOptions = {}
): Promise<OnnxPrior> {
  refuseOptions(files.bundle ?? files.model, optionsOwner(files), options)
  if (files.bundle !== undefined) return (await openBundle(files.bundle, options)).prior
  const maxBytes = options.limits?.modelBytes ?? DEFAULT_LIMITS.modelBytes
  const named = options.preprocessing
  const config = named === undefined ? await findConfig(files.model, files.folder) : await readConfig(named)
  const model = await scanModelFile(files.model, config, {
    maxBytes,
    ...(options.output === undefined ? {} : { output: options.output })
  })
  return createOnnxPrior(model, {
    ...nameAndLicense(files, options),
    ...machineShare(options),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.scratch === undefined ? {} : { scratch: options.scratch })
  })
}

/** What a path turned out to be, as `refuseOptions` tells priors apart. */
export function optionsOwner(files: PriorFiles): OptionsOwner {
  if (files.kind === 'human') return 'labels'
  return files.kind === 'table' ? 'table' : files.bundle === undefined ? 'model' : 'bundle'
}

/** The token for model servers comes from the environment: arguments are seen by everybody on the machine. */
export function withToken<T extends object>(options: T): T & { token?: string } {
  const token = process.env['COOPT_PRIOR_TOKEN']?.trim()
  return token === undefined || token === '' ? options : { ...options, token }
}

// --- internal ---

function nameAndLicense(files: PriorFiles, options: LoadPriorOptions): { name: string; license?: string } {
  return { name: options.name ?? files.name, ...(options.license === undefined ? {} : { license: options.license }) }
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  return facts === undefined ? undefined : facts.isDirectory() ? 'folder' : facts.isFile() ? 'file' : undefined
}

const existing = async (path: string): Promise<string | undefined> =>
  (await kindOf(path)) === 'file' ? path : undefined

/** What a folder without the usual names holds instead, and how to give it. */
async function otherModels(folder: string): Promise<string> {
  const found = []
  for (const below of ['', 'onnx', 'model', 'models']) {
    const names = await readdir(join(folder, below)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
      throw error
    })
    found.push(...names.filter(name => extname(name).toLowerCase() === '.onnx').map(name => join(folder, below, name)))
  }
  if (found.length > 0) {
    const rest = found.length > MAX_LISTED ? ` and ${found.length - MAX_LISTED} more` : ''
    return `; give one of its models: ${found.toSorted().slice(0, MAX_LISTED).join(', ')}${rest}`
  }
  const names = await readdir(folder)
  const weights = names.find(name => /\.(safetensors|bin|pt|pth|h5|ckpt|msgpack)$/i.test(name))
  return weights === undefined
    ? ''
    : `; ${weights} has weights for another framework: export the model, for example with "optimum-cli export onnx --model ${folder} --task feature-extraction OUT"`
}
