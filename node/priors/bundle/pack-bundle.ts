/**
 * `coopt prior pack PRIOR --out FILE.car|FOLDER`: packs a model with everything that is needed to run it again. The same model, options and images
 * give the same bundle; only the golden features are measured, and those may differ in their last digits between machines.
 */
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { compareBytes, rawCid } from '../../../src/codec.ts'
import type { ContentFile, PutBlock } from '../../../src/distribute/unixfs-import.ts'
import { InvalidInputError, InvalidPriorError } from '../../../src/errors.ts'
import { parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import { preprocessorConfig } from '../../../src/optimize/preprocess-config.ts'
import { priorIdentity } from '../../../src/optimize/prior.ts'
import {
  BUNDLE_LIMITS,
  bundleFactsSchema,
  bundleJson,
  FACTS_FILE,
  GOLDEN_FILE,
  GOLDEN_FOLDER,
  GOLDEN_IMAGES,
  goldenOf,
  isGoldenKind,
  LICENSE_FILE,
  MODEL_FILE,
  parseBundleJson,
  PREPROCESSOR_FILE
} from '../../../src/publish/bundle.ts'
import { carHeader, carSection } from '../../content/dag/car.ts'
import { sourceCandidates } from '../../image-sources/source-candidates.ts'
import { writeAll, writeNewFile } from '../../store/new-file.ts'
import { findPrior, loadOnnx } from '../load-prior.ts'
import type { OnnxPrior } from '../onnx-prior.ts'
import { storeBundle, type BundleFiles } from './bundle-files.ts'
import type { PackOptions, PackReport } from './pack-report.ts'
import { goldenImages } from './golden-images.ts'

/** Throws `InvalidPriorError` for a prior that cannot be packed, `InvalidInputError` for wrong options or when `out` exists. */
export async function packBundle(path: string, options: PackOptions): Promise<PackReport> {
  const found = await findPrior(path)
  if (found.kind !== 'onnx')
    throw new InvalidInputError(
      `${path} holds ${found.kind === 'human' ? 'labels' : 'vectors'}: a bundle needs a model that others can run again`
    )
  if (found.bundle !== undefined) throw new InvalidInputError(`${path} is a bundle already`)
  const license = await licenseOf(dirname(found.model), options.license)
  const prior = await loadOnnx(found, {
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(options.limits === undefined ? {} : { limits: options.limits })
  })
  if (prior.model.data.length > 0) {
    await prior.close()
    throw new InvalidInputError(
      `${found.model} has its weights in other files, and a bundle has one model file: save it as one, onnx.save_model(onnx.load("${basename(found.model)}"), "one-file.onnx")`
    )
  }
  let files: BundleFiles
  const name = options.name ?? found.name
  const identity = priorIdentity(prior.descriptor)
  try {
    const images = await imagesOf(prior, options.images)
    const small = await smallFiles(prior, {
      name,
      images,
      ...(options.license === undefined ? {} : { license: options.license })
    })
    if (license !== undefined) small.set(LICENSE_FILE, license)
    files = { model: { path: found.model, cid: prior.descriptor.id }, small }
  } finally {
    await prior.close()
  }
  const root = await writeBundle(files, options.out)
  return {
    cid: root.cid.toString(),
    name,
    prior: identity.toString(),
    ...(options.license === undefined ? {} : { license: options.license }),
    bytes: root.dagBytes,
    out: options.out
  }
}

// --- internal ---

async function smallFiles(
  prior: OnnxPrior,
  { name, license, images }: { name: string; license?: string; images: readonly Uint8Array[] }
): Promise<Map<string, Uint8Array>> {
  const { descriptor, model } = prior
  const config = preprocessorConfig(model.preprocessing)
  const identity = priorIdentity(descriptor)
  const preprocessing = parsePreprocessor(config, model.facts.image)
  if (!priorIdentity({ ...descriptor, preprocessing }).equals(identity))
    throw new InvalidPriorError(`the preprocessing of ${name} cannot be written down as ${PREPROCESSOR_FILE}`)
  const { features } = await prior.embed(images.map((bytes, i) => ({ id: `golden image ${i}`, bytes })))
  const golden = goldenOf(images, features)
  const facts = bundleJson({
    format: 'coopt-prior',
    version: 1,
    name,
    prior: identity.toString(),
    model: descriptor.id.toString(),
    feature: { tensor: model.choice.tensor, rule: model.choice.reason },
    dimension: descriptor.dimension,
    ...(license === undefined ? {} : { license })
  })
  parseBundleJson(facts, bundleFactsSchema, FACTS_FILE) // refuses a name or licence that no reader of the bundle would accept
  const goldenJson = bundleJson(golden)
  if (goldenJson.byteLength > BUNDLE_LIMITS.golden)
    throw new InvalidPriorError(`features of ${descriptor.dimension} dimensions are too long for a bundle`)
  return new Map([
    [FACTS_FILE, facts],
    [PREPROCESSOR_FILE, bundleJson(config)],
    [`${GOLDEN_FOLDER}/${GOLDEN_FILE}`, goldenJson],
    ...golden.images.map(({ file }, i) => [`${GOLDEN_FOLDER}/${file}`, images[i] as Uint8Array] as const)
  ])
}

/** The text beside the model, else one SPDX line; undefined when nothing is known. */
async function licenseOf(folder: string, spdx: string | undefined): Promise<Uint8Array | undefined> {
  const path = join(folder, LICENSE_FILE)
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (facts?.isFile() === true) {
    if (facts.size > BUNDLE_LIMITS.license)
      throw new InvalidInputError(`${path} has ${facts.size} bytes, at most ${BUNDLE_LIMITS.license} go into a bundle`)
    return await readFile(path)
  }
  return spdx === undefined ? undefined : new TextEncoder().encode(`SPDX-License-Identifier: ${spdx}\n`)
}

/** Those with the lowest hashes: which ones follows from the images alone, not from names or their order. */
async function imagesOf(prior: OnnxPrior, source: string | undefined): Promise<Uint8Array[]> {
  const { resize, width, height } = prior.model.preprocessing
  if (source === undefined) return goldenImages(resize === undefined ? { width, height } : undefined)
  let chosen: { digest: Uint8Array; bytes: Uint8Array }[] = []
  for await (const { bytes } of sourceCandidates([source], {})) {
    if (bytes === undefined || bytes.byteLength > BUNDLE_LIMITS.image || !isGoldenKind(bytes)) continue
    const { digest } = rawCid(bytes).multihash
    if (chosen.some(one => compareBytes(one.digest, digest) === 0)) continue
    chosen.push({ digest, bytes: Uint8Array.from(bytes) })
    chosen = chosen.sort((a, b) => compareBytes(a.digest, b.digest)).slice(0, GOLDEN_IMAGES)
  }
  if (chosen.length < GOLDEN_IMAGES)
    throw new InvalidInputError(
      `${source} has ${chosen.length} different JPEG, PNG or WebP images of at most ${BUNDLE_LIMITS.image} bytes, a bundle needs ${GOLDEN_IMAGES}`
    )
  return chosen.map(({ bytes }) => bytes)
}

async function writeBundle(files: BundleFiles, out: string): Promise<ContentFile> {
  const root = await storeBundle(files, async () => {})
  if (extname(out).toLowerCase() === '.car') await writeCar(files, root, out)
  else await writeFolder(files, out)
  return root
}

/** The header names the root, so the blocks are made a second time. Children come before their parents. */
async function writeCar(files: BundleFiles, root: ContentFile, path: string): Promise<void> {
  await writeNewFile(path, async file => {
    const write = async (part: Uint8Array): Promise<void> => await writeAll(file, part)
    const seen = new Set<string>()
    const put: PutBlock = async (cid, block) => {
      if (seen.has(cid.toString())) return
      seen.add(cid.toString())
      for (const part of carSection(cid, block)) await write(part)
    }
    await write(carHeader([root.cid]))
    await storeBundle(files, put)
  })
}

async function writeFolder({ model, small }: BundleFiles, out: string): Promise<void> {
  await mkdir(out, { recursive: true }).catch((cause: unknown) => {
    throw new InvalidInputError(`${out} cannot be created as a folder: give another name, or one that ends in .car`, {
      cause
    })
  })
  // a bundle with surplus files is refused when it is opened
  if ((await readdir(out)).length > 0)
    throw new InvalidInputError(`folder ${out} is not empty: a bundle needs one of its own`)
  await mkdir(join(out, GOLDEN_FOLDER))
  await writeNewFile(join(out, MODEL_FILE), async file => {
    for await (const chunk of createReadStream(model.path) as AsyncIterable<Buffer>) await writeAll(file, chunk)
  })
  for (const [path, bytes] of small) await writeNewFile(join(out, path), async file => await writeAll(file, bytes))
}
