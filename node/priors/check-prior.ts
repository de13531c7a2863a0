/**
 * What `coopt prior check` says of a prior: everything that `loadPrior` decides, with the refusals as facts instead of errors, and a
 * measured speed.
 */
import { readFile, stat } from 'node:fs/promises'
import type { CID } from 'multiformats/cid'
import {
  InferenceError,
  InvalidImageError,
  InvalidInputError,
  InvalidPriorError,
  ModelUnavailableError,
  NonFiniteFeatureError
} from '../../src/errors.ts'
import type { Preprocessing } from '../../src/optimize/preprocessing.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import { GOLDEN_IMAGES, type BundleFacts } from '../../src/publish/bundle.ts'
import type { PriorReport } from '../api/reports.ts'
import { openBundle } from './bundle/open-bundle.ts'
import { describePreprocessing } from './describe-preprocessing.ts'
import { hashFile } from '../compute/inference/external-data.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'
import { checkLabels, checkTable } from './check-rows.ts'
import type { DeviceSettings } from '../compute/inference/accelerator.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'
import { findPrior, loadOnnx, optionsOwner, withToken, type PriorFiles } from './load-prior.ts'
import { refuseOptions } from './refuse-options.ts'
import { transportText } from './server/infer-by.ts'
import { loadServerPrior, type ServerPrior } from './server/server-prior.ts'
import { isServerUrl, parseServerUrl } from './server/server-url.ts'
import { checkModelSize, type OnnxPrior } from './onnx-prior.ts'
import { syntheticPng } from './synthetic-image.ts'

/** The speed is measured for about this long, at least over one batch. */
const MEASURE_MILLISECONDS = 1000
const BATCH = 32
/** Numbers of the feature that are shown. */
const HEAD = 8
/** Side of the synthetic image for a model that takes a large input: a photograph in a collection. */
const PHOTO = { width: 500, height: 375 }

export interface CheckOptions {
  /** Image whose feature is shown, and with which the speed is measured. */
  readonly image?: string | undefined
  readonly output?: string | undefined
  /** File with the settings of the images, instead of one beside the model */
  readonly preprocessing?: string | undefined
  /** Column of a table with its keys */
  readonly key?: string | undefined
  /** Where the file names of a table or of labels lead */
  readonly images?: string | undefined
  readonly threads?: number
  /** Where the model runs, such as `cuda:0` or `auto`. @default what the settings say */
  readonly device?: string | undefined
  /** Of the home. @default the CPU */
  readonly machine?: DeviceSettings
  readonly limits?: Partial<InferenceLimits>
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string
  readonly signal?: AbortSignal
  /** Absences of a model server, for people. @default nothing */
  onWarning?(message: string): void
}

/**
 * What is wrong with the prior is in `refusals`. Throws `InvalidPriorError` when `path` is not a prior at all, `InvalidInputError` when the
 * image cannot be read or the device cannot be used.
 */
export async function checkPrior(path: string, options: CheckOptions = {}): Promise<PriorReport> {
  if (isServerUrl(path)) return await checkServer(path, options)
  const files = await findPrior(path)
  refuseOptions(path, optionsOwner(files), options)
  const file = mainFile(files)
  const { size } = await stat(file)
  // a file that nobody could load is not hashed first
  if (files.kind === 'onnx') await checkModelSize(file, Infinity)
  let head: Head = {
    id: sha256Cid(await hashFile(file)).toString(),
    name: files.name,
    kind: files.kind,
    bytes: size
  }
  const refused = (error: unknown): PriorReport => ({
    ...head,
    dimension: 0,
    preprocessing: [],
    refusals: [refusal(error)]
  })
  if (files.kind !== 'onnx') {
    try {
      const found =
        files.kind === 'table'
          ? await checkTable(files.table, options)
          : await checkLabels(files.labels, options.images)
      return { ...head, ...found, refusals: [] }
    } catch (error) {
      return refused(error)
    }
  }
  let prior: OnnxPrior
  try {
    if (files.bundle === undefined) prior = await loadOnnx(files, options)
    else {
      const { prior: checked, root, facts, deviation } = await openBundle(files.bundle, options)
      prior = checked
      head = { ...head, name: facts.name, bundle: bundleReport(root.cid, facts, deviation) }
    }
  } catch (error) {
    return refused(error)
  }
  try {
    head = { ...head, bytes: prior.model.data.reduce((sum, { bytes }) => sum + bytes, size) }
    return {
      ...head,
      ...describe(prior),
      ...(await measure(prior, prior.model.preprocessing, options.image)),
      refusals: []
    }
  } catch (error) {
    return { ...head, ...describe(prior), refusals: [refusal(error)] }
  } finally {
    await prior.close()
  }
}

// --- internal ---

function mainFile(files: PriorFiles): string {
  if (files.kind === 'table') return files.table.parts[0]?.vectors ?? ''
  return files.kind === 'onnx' ? files.model : files.labels
}

async function checkServer(url: string, options: CheckOptions): Promise<PriorReport> {
  const { name, path, server } = parseServerUrl(url)
  refuseOptions(url, 'server', options)
  const head = { name, kind: 'onnx' as const, bytes: 0, server: { url: `${server}${path}` } }
  let prior: ServerPrior
  try {
    prior = await loadServerPrior(url, withToken(options))
  } catch (error) {
    return { ...head, dimension: 0, preprocessing: [], refusals: [refusal(error)] }
  }
  try {
    const { descriptor, plan, metadata, interface: face, preprocessing } = prior
    const facts = {
      ...head,
      id: descriptor.id.toString(),
      server: {
        url: prior.url,
        transport: transportText(plan),
        ...(metadata.platform == null ? {} : { platform: metadata.platform }),
        ...(plan.version === undefined ? {} : { version: plan.version })
      },
      input: { name: face.input.name, shape: face.inputShape.map(size => size ?? '?') },
      output: { name: face.output, rule: ruleText(face.reason, { ...plan, tokens: face.tokens }) },
      dimension: plan.dimension,
      preprocessing: describePreprocessing(preprocessing, face.input)
    }
    try {
      return { ...facts, ...(await measure(prior, preprocessing, options.image)), refusals: [] }
    } catch (error) {
      return { ...facts, refusals: [refusal(error)] }
    }
  } finally {
    await prior.close()
  }
}

type Head = Pick<PriorReport, 'id' | 'name' | 'kind' | 'bytes' | 'bundle'>

function bundleReport(cid: CID, { license }: BundleFacts, deviation: number): NonNullable<PriorReport['bundle']> {
  return {
    cid: cid.toString(),
    trust: 'reexecutable',
    golden: GOLDEN_IMAGES,
    deviation,
    ...(license === undefined ? {} : { license })
  }
}

type Facts = Pick<PriorReport, 'input' | 'output' | 'dimension' | 'preprocessing' | 'device'>

function describe({ model, descriptor, loaded, device }: OnnxPrior): Facts {
  const { facts, choice, preprocessing } = model
  const shape = facts.inputs.find(i => i.name === facts.image.name)?.shape ?? []
  return {
    input: { name: facts.image.name, shape: shape.map(d => d ?? '?') },
    output: { name: choice.tensor, rule: ruleText(choice.reason, { ...loaded, tokens: choice.tokens }) },
    dimension: descriptor.dimension,
    ...(device.asked === 'cpu' ? {} : { device: { ...device, passedOver: [...device.passedOver] } }),
    preprocessing: describePreprocessing(preprocessing, facts.image)
  }
}

function ruleText(
  reason: string,
  { shape, alone, tokens }: { shape: readonly number[]; alone?: string | undefined; tokens: 'mean' | 'first' }
): string {
  const pooled = shape.length === 1 ? '' : `; [${shape.join(', ')}] per image, ${pooling(shape, tokens)}`
  return `${reason}${pooled}${alone === undefined ? '' : `; one image at a time: ${alone}`}`
}

function pooling(shape: readonly number[], tokens: 'mean' | 'first'): string {
  if (shape.length === 3) return 'averaged over space'
  return tokens === 'first' ? 'the first token taken' : 'averaged over tokens'
}

async function measure(
  prior: PriorModel,
  p: Preprocessing,
  path: string | undefined
): Promise<Pick<PriorReport, 'imagesPerSecond' | 'feature'>> {
  const small = p.width * p.height <= 64 * 64 || p.resize === undefined
  const bytes = path === undefined ? syntheticPng(...sizeOf(small ? p : PHOTO)) : await readImage(path)
  const id = path ?? 'a synthetic image'
  const { features } = await prior.embed([{ id, bytes }])
  const batch = Array.from({ length: BATCH }, () => ({ id, bytes }))
  const started = performance.now()
  let images = 0
  let milliseconds = 0
  while (milliseconds < MEASURE_MILLISECONDS) {
    await prior.embed(batch)
    images += BATCH
    milliseconds = performance.now() - started
  }
  const imagesPerSecond = Math.round((images * 1000) / milliseconds)
  if (path === undefined) return { imagesPerSecond }
  const norm = Math.sqrt(features.data.reduce((s, v) => s + v * v, 0))
  return { imagesPerSecond, feature: { norm, head: [...features.data.subarray(0, HEAD)] } }
}

async function readImage(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new InvalidInputError(
      `image ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause }
    )
  }
}

const sizeOf = ({ width, height }: { width: number; height: number }): [number, number] => [width, height]

function refusal(error: unknown): string {
  const ours = [InvalidPriorError, InvalidImageError, NonFiniteFeatureError, InferenceError, ModelUnavailableError]
  if (ours.some(type => error instanceof type)) return (error as Error).message
  throw error
}
