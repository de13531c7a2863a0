import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import * as runtime from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deviceText, isDeviceText, parseDevice } from '../../../../node/api/device-name.ts'
import { placementOf, ranOn } from '../../../../node/compute/inference/device-probe.ts'
import { chooseDevice, createDeviceProbe } from '../../../../node/compute/inference/devices.ts'
import { InferenceHost } from '../../../../node/compute/inference/host.ts'
import type { LoadRequest } from '../../../../node/compute/inference/messages.ts'
import { listDevices } from '../../../../node/compute/inference/list-devices.ts'
import {
  libraryFault,
  linkRuntime,
  PROVIDER_LIBRARIES,
  runtimeVersion,
  takesLibraries
} from '../../../../node/compute/inference/runtime-folder.ts'
import { runsOnText } from '../../../../node/compute/inference/runs-on-text.ts'
import { loadOnnx } from '../../../../node/priors/load-prior.ts'
import { syntheticPng } from '../../../../node/priors/synthetic-image.ts'
import { InvalidInputError } from '../../../../src/errors.ts'
import { buildProbeModel, PROBE } from '../../../../src/optimize/probe-model.ts'

const PRIOR = fileURLToPath(new URL('../../../../node/priors/bundled/resnet20/model.onnx', import.meta.url))
const SESSION = new URL('../../../../node/compute/inference/runtime-session.ts', import.meta.url).href

let folder: string
/** Has libraries for CUDA by name and version, which nothing can load. */
let unloadable: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-devices-'))
  unloadable = join(folder, 'unloadable')
  await mkdir(unloadable)
  const version = await runtimeVersion()
  for (const name of PROVIDER_LIBRARIES.cuda ?? []) await writeFile(join(unloadable, name), `no library\0${version}\0`)
})
afterAll(async () => await rm(folder, { recursive: true, maxRetries: 5 }))

const empty = async (name: string): Promise<string> => {
  const path = join(folder, name)
  await mkdir(path)
  return path
}

it('is told why a probe did not end, and not to use a smaller model', async () => {
  await using probe = createDeviceProbe({}, { scratch: await empty('hasty'), limits: { loadMilliseconds: 1 } })
  expect(await probe.fault({ name: 'webgpu', index: 0 })).toBe(
    'the inference worker could not finish a device request: a device request took longer than 1 ms; raise the limit (inference.loadMilliseconds in config.json)'
  )
})

describe('the name of a device', () => {
  it('is a kind, with a number where there may be several', () => {
    expect(['auto', 'cpu', 'cuda', 'cuda:12', 'tensorrt:0', 'coreml', 'dml:1', 'webgpu'].every(isDeviceText)).toBe(true)
    expect(parseDevice('cuda:1')).toEqual({ name: 'cuda', index: 1 })
    expect(deviceText({ name: 'cuda', index: 0 })).toBe('cuda:0')
    expect(deviceText({ name: 'coreml', index: 0 })).toBe('coreml')
  })

  it.each(['', 'gpu', 'CUDA', 'cuda:', 'cuda:-1', 'cuda:1e1', 'cpu:0', 'coreml:0', 'cuda:100'])('is not %j', wrong => {
    expect(() => parseDevice(wrong)).toThrow(/is not a device: expected auto, cpu, cuda/)
  })

  it('is one: a second device is for a second node', () => {
    expect(() => parseDevice('cuda:0,cuda:1')).toThrow(/start a node for each/)
  })
})

describe('what ran a model', () => {
  it('is read from the profile of ONNX Runtime, in which the CPU shows as such', async () => {
    const session = await runtime.InferenceSession.create(buildProbeModel(), {
      enableProfiling: true,
      profileFilePrefix: join(folder, 'profile')
    })
    const x = new runtime.Tensor('float32', new Float32Array(16).fill(1), [...PROBE.dims])
    for (let i = 0; i < 2; i++) expect([...((await session.run({ x })).y?.data ?? [])]).toEqual([...PROBE.expected])
    session.endProfiling()
    const [file] = (await readdir(folder)).filter(name => name.startsWith('profile'))
    const placement = placementOf(JSON.parse(await readFile(join(folder, file ?? ''), 'utf8')))
    expect(Object.keys(placement)).toEqual(['CPUExecutionProvider'])
    expect(placement['CPUExecutionProvider']).toBeLessThanOrEqual(3) // two runs of one or two operators, perhaps reordered
    expect([ranOn('cpu', placement), ranOn('cuda', placement)]).toEqual([true, false])
    await session.release()
  })

  it('is told with what was passed over', () => {
    const passedOver = [{ device: 'coreml', reason: 'this is not macOS' }]
    expect(runsOnText({ asked: 'auto', took: 'cuda:0', passedOver, placement: { A: 3, B: 1 } })).toBe(
      'cuda:0 (auto); operators: 3 by A, 1 by B; not coreml: this is not macOS'
    )
  })
})

describe.runIf(takesLibraries)('a device whose libraries', () => {
  it('are missing is an error that names them, their version and the folder', async () => {
    const libraryFolder = await empty('missing')
    const error = await chooseDevice('cuda', { libraryFolder }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidInputError)
    const { message } = error as Error
    expect(message).toContain('libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so')
    expect(message).toContain(`of ONNX Runtime ${await runtimeVersion()} are not in ${libraryFolder}`)
    expect(message).toContain('inference.libraryFolder')
  })

  it('are of another version is refused before any of them is loaded', async () => {
    const version = await runtimeVersion()
    const other = await empty('other')
    for (const name of PROVIDER_LIBRARIES.cuda ?? []) await writeFile(join(other, name), 'no library\x001.29.0\0')
    expect(await libraryFault('cuda', other)).toContain(`is not of ONNX Runtime ${version}`)
    await writeFile(join(other, 'libonnxruntime.so.1.29.0'), '')
    expect(await libraryFault('cuda', other)).toContain(`of ONNX Runtime 1.29.0, and the runtime here is ${version}`)
    expect(await libraryFault('cuda', unloadable)).toBeUndefined()
  })

  it('cannot be loaded is an error with the words of the loader', async () => {
    await using probe = createDeviceProbe({ libraryFolder: unloadable }, { scratch: folder })
    expect(await probe.fault({ name: 'cuda', index: 0 })).toMatch(
      /^libonnxruntime_providers_shared\.so cannot be loaded: .*coopt-runtime-\w+\/libonnxruntime_providers_shared\.so: (invalid ELF header|file too short)/
    )
  })
})

describe.runIf(takesLibraries)('a folder of libraries', () => {
  it('is where ONNX Runtime itself looks', async () => {
    const links = await empty('links')
    await linkRuntime(links, unloadable)
    const script = `
      const session = await import(${JSON.stringify(SESSION)})
      session.loadRuntimeFrom(${JSON.stringify(links)})
      const { InferenceSession } = await session.loadRuntime()
      await InferenceSession.create(Buffer.alloc(1), { executionProviders: ['cuda'] }).catch(() => undefined)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script])
    expect(await text(child.stderr)).toContain(
      `Failed to load library ${join(links, 'libonnxruntime_providers_shared.so')}`
    )
  })

  it('changes no bit of what the CPU computes, and its links are gone afterwards', async () => {
    const scratch = await empty('scratch')
    const images = Array.from({ length: 5 }, (_, i) => ({ id: `s${i}`, bytes: syntheticPng(20 + i, 30) }))
    const prior = await loadOnnx({ kind: 'onnx', model: PRIOR, name: 'test' })
    const { facts, choice, preprocessing, digest } = prior.model
    const request: LoadRequest = {
      type: 'load',
      path: PRIOR,
      sha256: Buffer.from(digest).toString('hex'),
      data: [],
      suffix: new Uint8Array(),
      tensor: choice.tensor,
      tokens: choice.tokens,
      input: facts.image,
      preprocessing,
      threads: 1,
      batch: prior.loaded.rows,
      device: 'cpu'
    }
    const host = new InferenceHost({ scratch, accelerator: { libraryFolder: unloadable } })
    try {
      await host.load(request)
      const { features } = await host.request({ type: 'embed', images })
      expect((await readdir(scratch)).map(name => name.replace(/-\w+$/, '')).sort()).toEqual([
        'coopt-runtime',
        'coopt-worker'
      ])
      expect(features).toEqual((await prior.embed(images)).features.data)
      const environment = (await readFile(`/proc/${host.workerPid}/environ`, 'utf8')).split('\0')
      expect(environment).toContain('NVIDIA_TF32_OVERRIDE=0')
      const [path = ''] = environment.filter(line => line.startsWith('LD_LIBRARY_PATH='))
      expect(path).toMatch(/^LD_LIBRARY_PATH=[^:]*\/coopt-runtime-\w+:[^:]*\/unloadable(:|$)/)
    } finally {
      await host.close()
      await prior.close()
    }
    expect(await readdir(scratch)).toEqual([])
  })
})

describe.runIf(process.platform === 'linux')('without an accelerator', () => {
  it('auto takes the CPU, and says why no other', async () => {
    const libraryFolder = await empty('auto')
    const { asked, took, passedOver } = await chooseDevice('auto', { libraryFolder }, { scratch: folder })
    expect({ asked, took }).toEqual({ asked: 'auto', took: 'cpu' })
    expect(passedOver.map(({ device }) => device)).toEqual(['cuda:0', 'coreml', 'dml:0'])
    for (const { reason } of passedOver) expect(reason).toMatch(/libonnxruntime_providers_cuda\.so|has no \w+/)
  })

  it('the settings decide where nobody asks, and the CPU where there are none', async () => {
    expect((await chooseDevice(undefined, {})).took).toBe('cpu')
    await expect(chooseDevice(undefined, { device: 'dml' }, { scratch: folder })).rejects.toThrow(
      /device dml cannot be used: .* has no dml.* set inference\.device to another/
    )
  })

  it('one that is looked at alone is listed with what it needs', async () => {
    expect(await listDevices({}, 'coreml')).toMatchObject({
      configured: 'cpu',
      devices: [{ name: 'coreml', available: false, reason: expect.stringContaining('has no coreml'), needs: 'macOS' }]
    })
  })
})
