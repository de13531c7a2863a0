/** `GET v2` and `GET v2/models/M` (Open Inference protocol, inference_rest.md) -> what the model takes and gives. */
import { z } from 'zod'
import { cborCid, encodeCbor } from '../../../src/codec.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { tokensOf } from '../../../src/optimize/feature-choice.ts'
import { imageInputOf } from '../../../src/optimize/image-input.ts'
import { ELEMENT, type ImageInput } from '../../../src/optimize/onnx-facts.ts'
import type { CID } from 'multiformats/cid'
import type { ServerModel } from './server-url.ts'

/** Metadata of a model with thousands of tensors is smaller. */
export const MAX_METADATA_BYTES = 1024 * 1024
const MAX_TENSORS = 256
/** Of the names in a message. */
const MAX_LISTED = 12

const name = z.string().min(1).max(1024)
const tensorSchema = z.object({
  name,
  datatype: z.string().max(16),
  shape: z
    .array(
      z
        .number()
        .int()
        .min(-1)
        .max(2 ** 31)
    )
    .max(16)
})
const tensors = z.array(tensorSchema).max(MAX_TENSORS).nullish()

export const serverSchema = z.object({ extensions: z.array(z.string().max(256)).max(1024).nullish() })
export const modelSchema = z.object({
  name,
  platform: z.string().max(256).nullish(),
  inputs: tensors,
  outputs: tensors
})
export type ModelMetadata = z.infer<typeof modelSchema>
type Tensor = z.infer<typeof tensorSchema>

/** By the name of the protocol. */
const INPUT_TYPES: ReadonlyMap<string, number> = new Map([
  ['FP32', ELEMENT.float],
  ['FP16', ELEMENT.float16],
  ['UINT8', ELEMENT.uint8]
])
export const DATATYPES: Readonly<Record<ImageInput['elementType'], string>> = {
  float32: 'FP32',
  float16: 'FP16',
  uint8: 'UINT8'
}
export const OUTPUT_TYPES = ['FP32', 'FP16', 'FP64'] as const

export interface ServerInterface {
  readonly input: ImageInput
  /** As declared; undefined where any size is taken */
  readonly inputShape: readonly (number | undefined)[]
  readonly output: string
  /** For people: why this output */
  readonly reason: string
  readonly tokens: 'mean' | 'first'
  /** What the metadata leaves open and is taken for granted */
  readonly notes: readonly string[]
}

/** Throws `InvalidPriorError` saying what was declared. `output`: as asked by a person. */
export function interfaceOf({ inputs, outputs }: ModelMetadata, output: string | undefined): ServerInterface {
  const [first, ...others] = inputs ?? []
  if (first === undefined)
    throw new InvalidPriorError(
      `its metadata declares no input: state name, datatype and shape of inputs and outputs in the model's settings on the server (model-settings.json, config.pbtxt)`
    )
  if (others.length > 0)
    throw new InvalidPriorError(
      `it has ${others.length + 1} inputs (${listed(inputs ?? [])}); exactly one, the image, is supported: serve the image tower alone`
    )
  const elementType = INPUT_TYPES.get(first.datatype)
  if (elementType === undefined)
    throw new InvalidPriorError(
      `input "${first.name}" holds ${first.datatype}; FP32, FP16 and UINT8 are supported: serve the network without its own decoding of images`
    )
  const shape = first.shape.map(size => (size === -1 ? undefined : size))
  const input = imageInputOf({ name: first.name, elementType, shape })
  const isOpen = shape[1] === undefined && shape[3] === undefined
  return {
    input,
    inputShape: shape,
    ...chosenOutput(outputs ?? [], output),
    notes: isOpen ? [`the metadata says nothing of the order of the input's dimensions: N x 3 x H x W is taken`] : []
  }
}

/** Stands for the hash of a model file: what the server says of the model. Its weights are unknown to everybody but the server. */
export function serverModelId({ name: model }: ServerModel, version: string | undefined, metadata: ModelMetadata): CID {
  return cborCid(
    encodeCbor({ protocol: 'open-inference-v2', model, version: version ?? null, metadata: statement(metadata) })
  )
}

/** The same model as before, as far as its metadata tells. */
export function sameMetadata(a: ModelMetadata, b: ModelMetadata): boolean {
  return cborCid(encodeCbor(statement(a))).equals(cborCid(encodeCbor(statement(b))))
}

// --- internal ---

function chosenOutput(
  outputs: readonly Tensor[],
  asked: string | undefined
): Pick<ServerInterface, 'output' | 'reason' | 'tokens'> {
  const found = asked === undefined ? outputs[0] : outputs.find(one => one.name === asked)
  if (found === undefined)
    throw new InvalidPriorError(
      asked === undefined || outputs.length === 0
        ? `its metadata declares no output: state name, datatype and shape of inputs and outputs in the model's settings on the server`
        : `it has no output "${asked}"; its outputs are ${listed(outputs)}`
    )
  if (asked === undefined && outputs.length > 1)
    throw new InvalidPriorError(`it has ${outputs.length} outputs, choose one with --output: ${listed(outputs)}`)
  if (!OUTPUT_TYPES.some(type => type === found.datatype))
    throw new InvalidPriorError(
      `output "${found.name}" holds ${found.datatype}; FP32, FP16 and FP64 are supported${outputs.length > 1 ? `: choose another with --output (${listed(outputs)})` : ''}`
    )
  const reason = asked === undefined ? `output "${found.name}", the only one` : `output "${found.name}", as asked`
  return { output: found.name, reason, tokens: tokensOf(found.name) }
}

function listed(all: readonly Tensor[]): string {
  const rest = all.length > MAX_LISTED ? ` and ${all.length - MAX_LISTED} more` : ''
  return `${all
    .slice(0, MAX_LISTED)
    .map(one => `"${one.name}" ${one.datatype} [${one.shape.join(', ')}]`)
    .join(', ')}${rest}`
}

const statement = ({ platform, inputs, outputs }: ModelMetadata): object => ({
  platform: platform ?? null,
  inputs: inputs ?? [],
  outputs: outputs ?? []
})
