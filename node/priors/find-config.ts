/**
 * The file that says how images are prepared for a model: beside it, or in the folder above where the model is in one called `onnx`, as
 * transformers.js and optimum lay their repositories out.
 */
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { InvalidPriorError } from '../../src/errors.ts'
import { configKind } from '../../src/optimize/preprocess.ts'

/** Label names of ImageNet-21k, which timm writes into its file, have a megabyte. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024
/** In the order in which transformers looks (a nested processor_config.json first), then open_clip's and timm's. */
const NAMES = ['processor_config.json', 'preprocessor_config.json', 'open_clip_config.json', 'config.json'] as const

export interface ConfigFile {
  /** For messages. */
  readonly path: string
  /** Parsed JSON; undefined: no file has settings for images. */
  readonly value: unknown
  /** What a person should know about which file was taken. */
  readonly notes: readonly string[]
}

/** `root`: the folder that was given, if it was one. Throws `InvalidPriorError` when a file cannot be read. */
export async function findConfig(model: string, root?: string): Promise<ConfigFile> {
  const folder = dirname(model)
  const above = dirname(folder)
  const folders = [folder]
  if (root !== undefined && root !== folder) folders.unshift(root)
  else if (/^onnx/i.test(basename(folder))) folders.push(above)
  for (const where of folders)
    for (const name of NAMES) {
      const path = join(where, name)
      const value = await readJson(path)
      if (value === undefined) continue
      // the other names belong to files about networks and text as well
      if (name === 'preprocessor_config.json' || isAboutImages(name, value)) return { path, value, notes: [] }
    }
  return { path: join(folder, 'preprocessor_config.json'), value: undefined, notes: await unused(folders, above) }
}

/** The file that a person named for this. Throws `InvalidPriorError` when it is missing or says nothing about images. */
export async function readConfig(path: string): Promise<ConfigFile> {
  const value = await readJson(path)
  if (value === undefined) throw new InvalidPriorError(`the settings of the images, ${path}, do not exist`)
  if (configKind(value) === undefined)
    throw new InvalidPriorError(
      `${path} has no settings for images: a preprocessor_config.json, processor_config.json, open_clip_config.json or timm's config.json is needed`
    )
  return { path, value, notes: [] }
}

// --- internal ---

/** Settings that may be the model's, in a folder above that holds other things too. */
async function unused(folders: readonly string[], above: string): Promise<string[]> {
  if (folders.includes(above)) return []
  for (const name of NAMES) {
    const path = join(above, name)
    const value = await readJson(path).catch(() => undefined) // a file that nobody asked for may be anything
    if (value !== undefined && (name === 'preprocessor_config.json' || isAboutImages(name, value)))
      return [`${path} is in another folder and is not used: copy it beside the model if it belongs to it`]
  }
  return []
}

function isAboutImages(name: (typeof NAMES)[number], value: unknown): boolean {
  const kind = configKind(value)
  return name === 'config.json' ? kind === 'timm' : kind !== undefined
}

/** Undefined where there is no such file. */
async function readJson(path: string): Promise<unknown> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (facts?.isFile() !== true) return undefined
  if (facts.size > MAX_CONFIG_BYTES)
    throw new InvalidPriorError(`${path} has ${facts.size} bytes, at most ${MAX_CONFIG_BYTES} are accepted`)
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch (cause) {
    throw new InvalidPriorError(`${path} is not JSON`, { cause })
  }
}
