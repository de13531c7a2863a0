/**
 * ONNX Runtime with the libraries of an accelerator that are not in its package. It looks for them in the folder that it was loaded from, so a worker
 * gets a folder of its own: links to the package's files and to the operator's (`inference.libraryFolder`), removed when the worker has ended.
 *
 * Linux x64 alone: on Windows and macOS the package holds all that it can use. What is linked runs as native code in the worker, so the folder comes from the
 * configuration of the home and never from a request.
 */
import { createReadStream } from 'node:fs'
import { readdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { DeviceName } from '../../api/device-name.ts'
import { InvalidInputError } from '../../../src/errors.ts'

export const BINDING = 'onnxruntime_binding.node'
const SHARED = 'libonnxruntime_providers_shared.so'
const CUDA = 'libonnxruntime_providers_cuda.so'

/** Libraries that the runtime loads for a device, in the order of loading; absent where it has them inside. */
export const PROVIDER_LIBRARIES: Readonly<Partial<Record<DeviceName, readonly string[]>>> = {
  cuda: [SHARED, CUDA],
  tensorrt: [SHARED, CUDA, 'libonnxruntime_providers_tensorrt.so']
}

/** What the package says of itself */
const packageSchema = z.object({ version: z.string() })

const { resolve } = createRequire(import.meta.url)

/** Folder of the package with the binding and the runtime for this machine. */
export function packageFolder(): string {
  return join(dirname(resolve('onnxruntime-node')), '../bin/napi-v6', process.platform, process.arch)
}

/** Of ONNX Runtime, such as 1.30.0 */
export async function runtimeVersion(): Promise<string> {
  const path = resolve('onnxruntime-node/package.json')
  return packageSchema.parse(JSON.parse(await readFile(path, 'utf8'))).version
}

/** Does the runtime of this machine load libraries from the operator's folder? */
export const takesLibraries = process.platform === 'linux' && process.arch === 'x64'

/** Link everything into an empty folder. Throws `InvalidInputError` when the operator's folder cannot be read. */
export async function linkRuntime(folder: string, libraryFolder: string): Promise<void> {
  const given = await readdir(libraryFolder).catch((cause: unknown) => {
    throw new InvalidInputError(unreadable(libraryFolder, cause), { cause })
  })
  const own = given.filter(name => /^libonnxruntime_providers_\w+\.so$/.test(name))
  const shipped = (await readdir(packageFolder())).filter(name => !own.includes(name))
  for (const name of shipped) await symlink(join(packageFolder(), name), join(folder, name))
  for (const name of own) await symlink(join(libraryFolder, name), join(folder, name))
}

/**
 * Why the libraries of a device cannot be used, found without loading them: a file is missing, or is of another version than the runtime. Undefined where
 * nothing is wrong so far, or the device needs none.
 */
export async function libraryFault(device: DeviceName, libraryFolder: string | undefined): Promise<string | undefined> {
  const needed = PROVIDER_LIBRARIES[device]
  if (needed === undefined || !takesLibraries) return undefined
  const version = await runtimeVersion()
  const folder = libraryFolder ?? packageFolder()
  let present: readonly string[]
  try {
    present = await readdir(folder)
  } catch (error) {
    return unreadable(folder, error)
  }
  const missing = needed.filter(name => !present.includes(name))
  if (missing.length > 0)
    return `${missing.join(' and ')} of ONNX Runtime ${version} ${missing.length === 1 ? 'is' : 'are'} not in ${folder}`
  return await otherVersion(folder, present, version)
}

/** Does the file hold this text? Read in pieces: a library has hundreds of megabytes. */
export async function fileHolds(path: string, text: string): Promise<boolean> {
  const wanted = Buffer.from(text, 'latin1')
  let tail = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
    const piece = Buffer.concat([tail, chunk])
    if (piece.includes(wanted)) return true
    tail = piece.subarray(Math.max(0, piece.length - wanted.length + 1))
  }
  return false
}

// --- internal ---

const unreadable = (folder: string, error: unknown): string =>
  `folder ${folder} (inference.libraryFolder) cannot be read: ${error instanceof Error ? error.message : String(error)}`

/** One read of a file of 270 MB takes a tenth of a second so. */
const PIECE_BYTES = 4 * 1024 * 1024

/**
 * Libraries of another version may crash the process, or compute something else, and the runtime does not look. The provider for CUDA has its version as a
 * text that ends with a zero byte (1.30: seen in the library itself); a runtime beside it, as in the wheel and the archive, has it in its name.
 */
async function otherVersion(folder: string, present: readonly string[], version: string): Promise<string | undefined> {
  const named = present.flatMap(name => /^libonnxruntime\.so\.(\d+\.\d+\.\d+)$/.exec(name)?.[1] ?? [])
  const other = named.includes(version) ? undefined : named[0]
  if (other !== undefined)
    return `the libraries in ${folder} are of ONNX Runtime ${other}, and the runtime here is ${version}`
  return (await fileHolds(join(folder, CUDA), `\0${version}\0`))
    ? undefined
    : `${join(folder, CUDA)} is not of ONNX Runtime ${version}, which is the runtime here`
}
