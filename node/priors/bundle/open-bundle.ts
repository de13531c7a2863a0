/**
 * A folder with `bundle.json` -> a prior that was checked against what the bundle says: the files are those of a bundle and no others, the model
 * passes the scan, model, tensor and preprocessing have the stated identity, and the golden features come out again.
 *
 * The folder may be anyone's. Sizes are checked before anything is read, links are not followed, and the model runs in a child process, as
 * every model does.
 */
import { lstat, opendir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { rawCid } from '../../../src/codec.ts'
import type { ContentFile } from '../../../src/distribute/unixfs-import.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { priorIdentity } from '../../../src/optimize/prior.ts'
import {
  BUNDLE_LIMITS,
  bundleFactsSchema,
  checkGolden,
  FACTS_FILE,
  GOLDEN_FILE,
  GOLDEN_FOLDER,
  goldenSchema,
  LICENSE_FILE,
  MODEL_FILE,
  parseBundleJson,
  PREPROCESSOR_FILE,
  sameCid,
  type BundleFacts,
  type Golden
} from '../../../src/publish/bundle.ts'
import { machineShare, type MachineShare } from '../../compute/inference/machine.ts'
import { DEFAULT_LIMITS, type InferenceLimits } from '../../compute/inference/limits.ts'
import { createOnnxPrior, scanModelFile, type OnnxPrior } from '../onnx-prior.ts'
import { storeBundle, type BundleFiles } from './bundle-files.ts'

export interface OpenBundleOptions extends MachineShare {
  readonly name?: string
  readonly license?: string
  /** Must be the bundle's own tensor */
  readonly output?: string | undefined
  readonly limits?: Partial<InferenceLimits>
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string
}

export interface OpenedBundle {
  /** Its descriptor names the bundle */
  readonly prior: OnnxPrior
  readonly facts: BundleFacts
  readonly files: BundleFiles
  readonly root: ContentFile
  /** Largest distance of a golden feature, see `GOLDEN_TOLERANCE` */
  readonly deviation: number
}

/** Does this folder say that it is a bundle? */
export async function isBundle(folder: string): Promise<boolean> {
  return (await sizeOf(join(folder, FACTS_FILE))) !== undefined
}

/** Close its prior after use. Throws `InvalidPriorError` saying what is wrong, `InferenceError` when the model does not run. */
export async function openBundle(folder: string, options: OpenBundleOptions = {}): Promise<OpenedBundle> {
  const names = await listFiles(folder)
  const small = new Map<string, Uint8Array>()
  const read = async (path: string, maxBytes: number): Promise<Uint8Array> => {
    if (!names.has(path)) throw new InvalidPriorError(`bundle ${folder} has no ${path}`)
    await checkSize(folder, path, maxBytes)
    const bytes = await readFile(join(folder, path))
    small.set(path, bytes)
    return bytes
  }
  const facts = parseBundleJson(await read(FACTS_FILE, BUNDLE_LIMITS.facts), bundleFactsSchema, FACTS_FILE)
  if (options.output !== undefined && options.output !== facts.feature.tensor)
    throw new InvalidPriorError(
      `the feature of bundle ${folder} is tensor "${facts.feature.tensor}", not "${options.output}": pack the model again with another --output`
    )
  const config = parseBundleJson(await read(PREPROCESSOR_FILE, BUNDLE_LIMITS.preprocessor), anyJson, PREPROCESSOR_FILE)
  const golden = parseBundleJson(
    await read(`${GOLDEN_FOLDER}/${GOLDEN_FILE}`, BUNDLE_LIMITS.golden),
    goldenSchema,
    GOLDEN_FILE
  )
  const images = await readGolden(golden, read)
  if (names.has(LICENSE_FILE)) await read(LICENSE_FILE, BUNDLE_LIMITS.license)
  const extra = [...names].find(name => !small.has(name) && name !== MODEL_FILE)
  if (extra !== undefined)
    throw new InvalidPriorError(`bundle ${folder} has a file that does not belong to it: ${JSON.stringify(extra)}`)
  if (!names.has(MODEL_FILE)) throw new InvalidPriorError(`bundle ${folder} has no ${MODEL_FILE}`)

  const maxBytes = options.limits?.modelBytes ?? DEFAULT_LIMITS.modelBytes
  await checkSize(folder, MODEL_FILE, maxBytes)
  const path = join(folder, MODEL_FILE)
  const model = await scanModelFile(
    path,
    { path: join(folder, PREPROCESSOR_FILE), value: config, notes: [] },
    { output: facts.feature.tensor, maxBytes }
  )
  const license = options.license ?? facts.license
  const prior = await createOnnxPrior(model, {
    name: options.name ?? facts.name,
    ...machineShare(options),
    ...(license === undefined ? {} : { license }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.scratch === undefined ? {} : { scratch: options.scratch })
  })
  try {
    const { descriptor } = prior
    if (!sameCid(facts.model, descriptor.id))
      throw new InvalidPriorError(`bundle ${folder} says that its model is ${facts.model}, it is ${descriptor.id}`)
    const identity = priorIdentity(descriptor)
    if (!sameCid(facts.prior, identity))
      throw new InvalidPriorError(
        `bundle ${folder} says that it is prior ${facts.prior}, model, tensor and preprocessing are ${identity}`
      )
    if (facts.dimension !== descriptor.dimension)
      throw new InvalidPriorError(
        `bundle ${folder} says that its features have ${facts.dimension} dimensions, they have ${descriptor.dimension}`
      )
    const { features } = await prior.embed(images)
    const deviation = onDevice(prior.device.took, () => checkGolden(golden, features))
    const files = { model: { path, cid: descriptor.id }, small }
    const root = await storeBundle(files, async () => {})
    const bundle = { cid: root.cid, dagBytes: root.dagBytes }
    return { prior: { ...prior, descriptor: { ...descriptor, bundle } }, facts, files, root, deviation }
  } catch (error) {
    await prior.close()
    throw error
  }
}

// --- internal ---

/** Golden features that do not come out again mean something else on a device that rounds in its own way. */
function onDevice<T>(device: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (device === 'cpu' || !(error instanceof InvalidPriorError)) throw error
    throw new InvalidPriorError(`${error.message}, or ${device} computes with fewer digits: try --device cpu`, {
      cause: error
    })
  }
}

/** Several times what a bundle has, so that a surplus file is named; a folder with a million files is not listed to its end. */
const MAX_FILES = 64

/** Any JSON: `parsePreprocessor` says what is wrong with it. */
const anyJson = z.unknown()

async function readGolden(
  golden: Golden,
  read: (path: string, maxBytes: number) => Promise<Uint8Array>
): Promise<{ id: string; bytes: Uint8Array }[]> {
  const images = []
  for (const [i, { file, cid }] of golden.images.entries()) {
    // names are of the format, from the place in the list: `read` is never given another path
    if (!file.startsWith(`${i}.`)) throw new InvalidPriorError(`golden image ${i} is called ${file}`)
    const bytes = await read(`${GOLDEN_FOLDER}/${file}`, BUNDLE_LIMITS.image)
    if (!sameCid(cid, rawCid(bytes)))
      throw new InvalidPriorError(`golden image ${file} is not the one that ${GOLDEN_FILE} names`)
    images.push({ id: `golden/${file}`, bytes })
  }
  return images
}

/** Plain files of the folder and of `golden`, as paths. Everything else is refused: links, devices, other folders. */
async function listFiles(folder: string): Promise<Set<string>> {
  const names = new Set<string>()
  for (const below of ['', GOLDEN_FOLDER]) {
    const entries = await opendir(join(folder, below)).catch((cause: unknown) => {
      throw new InvalidPriorError(`bundle ${folder} has no folder ${below === '' ? 'that can be read' : below}`, {
        cause
      })
    })
    for await (const entry of entries) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (names.size >= MAX_FILES)
        throw new InvalidPriorError(`folder ${folder} is not a bundle: it has more than ${MAX_FILES} files`)
      if (path === GOLDEN_FOLDER && entry.isDirectory()) continue
      if (!entry.isFile())
        throw new InvalidPriorError(`${JSON.stringify(path)} in bundle ${folder} is not a plain file`)
      names.add(path)
    }
  }
  return names
}

async function checkSize(folder: string, path: string, maxBytes: number): Promise<void> {
  const size = (await sizeOf(join(folder, path))) ?? 0
  if (size > maxBytes)
    throw new InvalidPriorError(`${path} of bundle ${folder} has ${size} bytes, at most ${maxBytes} are accepted`)
}

/** Of the file itself, not of a link's target; undefined when there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).size
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
