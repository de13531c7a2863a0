import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { InferenceHost } from '../../../../node/compute/inference/host.ts'
import { loadOnnx } from '../../../../node/priors/load-prior.ts'
import type { OnnxPrior } from '../../../../node/priors/onnx-prior.ts'
import { createOrtGemm } from '../../../../node/compute/inference/ort-gemm.ts'
import { png, syntheticPng } from '../../../../node/priors/synthetic-image.ts'
import { plainGemm } from '../../../../src/gemm.ts'
import { InferenceError, NumericError } from '../../../../src/errors.ts'
import { matrix, type Matrix64 } from '../../../../src/matrix.ts'
import { intAttribute, integers, model, node, value } from '../../../helpers/onnx.ts'
import { seeded } from '../../../helpers/seeded.ts'

const PRIOR = fileURLToPath(new URL('../../../../node/priors/bundled/superclass2/model.onnx', import.meta.url))
const onLinux = process.platform === 'linux'
const images = Array.from({ length: 100 }, (_, i) => ({
  id: `s${i}`,
  bytes: syntheticPng(20 + (i % 13), 20 + (i % 7))
}))

const load = (limits = {}, path = PRIOR): Promise<OnnxPrior> =>
  loadOnnx({ kind: 'onnx', model: path, name: 'test' }, { limits })
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const pidOf = (host: InferenceHost): number => host.workerPid as number

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-test-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

describe('a worker that dies', () => {
  it('is replaced, and its batch is done again with the same result', async () => {
    const prior = await load()
    try {
      const wanted = (await prior.embed(images)).features
      const first = pidOf(prior.host)
      process.kill(first, 'SIGSTOP') // the request is under way and cannot finish before the kill
      const again = prior.embed(images)
      process.kill(first, 'SIGKILL')
      expect((await again).features).toEqual(wanted)
      expect(prior.host.starts).toBe(2)
      expect(pidOf(prior.host)).not.toBe(first)
      expect(isRunning(first)).toBe(false)
    } finally {
      await prior.close()
    }
  })

  it('costs none of the requests that overlapped: each is done again, and they stay in order', async () => {
    const prior = await load({ retries: 0 })
    try {
      const parts = [images.slice(0, 30), images.slice(30, 60), images.slice(60, 90)]
      const wanted = []
      for (const part of parts) wanted.push((await prior.embed(part)).features)
      const first = pidOf(prior.host)
      process.kill(first, 'SIGSTOP')
      const again = parts.map(async part => (await prior.embed(part)).features)
      await new Promise(resolve => setImmediate(resolve)) // all are on their way
      process.kill(first, 'SIGKILL')
      expect(await Promise.all(again)).toEqual(wanted)
      expect(prior.host.starts).toBe(2)
    } finally {
      await prior.close()
    }
  })

  it('is replaced twice and no more', async () => {
    const prior = await load()
    let killed = 0
    const killer = setInterval(() => {
      const pid = prior.host.workerPid
      if (pid !== undefined && pid !== killed) process.kill((killed = pid), 'SIGKILL')
    }, 1)
    try {
      await expect(prior.embed(images)).rejects.toThrow(InferenceError)
      expect(prior.host.starts).toBe(3)
    } finally {
      clearInterval(killer)
      await prior.close()
    }
  })

  it('is killed when it hangs, and the request fails with the limit named', async () => {
    const prior = await load({ requestMilliseconds: 300, retries: 0 })
    try {
      const pid = pidOf(prior.host)
      process.kill(pid, 'SIGSTOP')
      await expect(prior.embed(images.slice(0, 1))).rejects.toThrow(/embed request took longer than 300 ms/)
      expect(isRunning(pid)).toBe(false)
      expect((await prior.embed(images.slice(0, 1))).features.rows).toBe(1)
    } finally {
      await prior.close()
    }
  })

  it.runIf(onLinux)('is killed when a model takes too much memory', async () => {
    // the shape is computed, so that no scan sees it: 20000 x 30000 x 3 floats are 7.2 GB
    const bomb = model({
      nodes: [
        node('GlobalAveragePool', ['image'], ['pooled']),
        node('Flatten', ['pooled'], ['flat']),
        node('Shape', ['flat'], ['small']),
        node('Mul', ['small', 'k'], ['large']),
        node('Concat', ['large', 'small'], ['shape'], { attributes: [intAttribute('axis', 0)] }),
        node('Expand', ['flat', 'shape'], ['wide']),
        node('ReduceMax', ['wide'], ['feature'])
      ],
      initializers: [integers('k', [20_000, 10_000])],
      outputs: [value('feature', undefined)]
    })
    const path = join(home, 'bomb.onnx')
    await writeFile(path, bomb)
    const attempt = load({ memoryBytes: 700 * 2 ** 20, loadMilliseconds: 30_000 }, path)
    await expect(attempt).rejects.toThrow(/MiB of memory, at most 700 MiB/)
  })

  it('is not started again for a model that breaks a limit while it loads', async () => {
    const host = new InferenceHost({ limits: { memoryBytes: 2 ** 20 } })
    const prior = load({ memoryBytes: 2 ** 20 })
    await expect(prior).rejects.toThrow(onLinux ? /MiB of memory, at most 1 MiB/ : InferenceError)
    await host.close()
  })
})

describe('a request', () => {
  it('is cancelled by its signal, and the next one is served', async () => {
    const prior = await load()
    try {
      process.kill(pidOf(prior.host), 'SIGSTOP')
      const stop = new AbortController()
      const asked = prior.embed(images, { signal: stop.signal })
      await new Promise(resolve => setImmediate(resolve)) // the request is on its way
      stop.abort(new Error('enough'))
      await expect(asked).rejects.toThrow('enough')
      await expect(prior.embed(images, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
      const loading = new AbortController()
      const interrupted = prior.embed(images, { signal: loading.signal })
      await vi.waitFor(() => expect(prior.host.starts).toBe(2), { interval: 1 })
      loading.abort(new Error('while a new worker loads the model'))
      await expect(interrupted).rejects.toThrow('while a new worker')
      expect((await prior.embed(images.slice(0, 2))).features.rows).toBe(2)
    } finally {
      await prior.close()
    }
  })

  it('leaves the event loop of the node free', async () => {
    const prior = await load()
    try {
      let turns = 0
      const ticking = setInterval(() => turns++, 1)
      await prior.embed(images)
      clearInterval(ticking)
      expect(turns).toBeGreaterThan(3)
    } finally {
      await prior.close()
    }
  })

  it('gets a fresh worker after the limit of requests', async () => {
    const host = new InferenceHost({ limits: { recycleAfter: 2 } })
    try {
      for (let i = 0; i < 5; i++) expect(await host.inspectImages([syntheticPng(3, 3)])).toHaveLength(1)
      expect(host.starts).toBe(3)
    } finally {
      await host.close()
    }
  })
})

describe('the worker process', () => {
  it('is gone after close, with its directory, and nothing can be asked any more', async () => {
    const host = new InferenceHost()
    await host.inspectImages([images[0]?.bytes as Uint8Array])
    const pid = pidOf(host)
    const directory = onLinux ? await readlink(`/proc/${pid}/cwd`) : undefined
    const asked = host.inspectImages(images.map(i => i.bytes))
    asked.catch(() => undefined) // expected below; `close` may come first
    await host.close()
    await expect(asked).rejects.toThrow(/closed/)
    expect(isRunning(pid)).toBe(false)
    if (directory !== undefined) expect(existsSync(directory)).toBe(false)
    await expect(host.inspectImages([new Uint8Array(1)])).rejects.toThrow(/closed/)
    await host.close()
  })

  it.runIf(onLinux)('has an empty directory, none of the environment and no right to write', async () => {
    vi.stubEnv('COOPT_TEST_SECRET', 'hidden')
    const host = new InferenceHost()
    try {
      await host.inspectImages([images[0]?.bytes as Uint8Array])
      const proc = `/proc/${pidOf(host)}`
      expect(await readdir(await readlink(`${proc}/cwd`))).toEqual([])
      expect(await readFile(`${proc}/environ`, 'utf8')).not.toMatch(/hidden|HOME=/)
      const line = await readFile(`${proc}/cmdline`, 'utf8')
      expect(line).toMatch(/--permission/)
      expect(line).not.toMatch(/allow-fs-write|allow-child-process/)
    } finally {
      await host.close()
      vi.unstubAllEnvs()
    }
  })

  it('ends when its parent is killed, even while it is busy', async () => {
    const script = join(home, 'parent.ts')
    const host = new URL('../../../../node/compute/inference/host.ts', import.meta.url).href
    await writeFile(
      script,
      `import { InferenceHost } from '${host}'
       const host = new InferenceHost()
       await host.inspectImages([new Uint8Array(1)])
       const side = 2000
       const m = { rows: side, columns: side, data: new Float64Array(side * side).fill(1) }
       void host.request({ type: 'gemm', a: m, b: m, transposeA: false, transposeB: false, threads: 1 })
       process.send(host.workerPid)`
    )
    const parent = fork(script, [], { stdio: 'ignore', execArgv: [], env: { ...process.env, TMPDIR: home } })
    const [pid] = (await once(parent, 'message')) as [number]
    expect(isRunning(pid)).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 20_000, interval: 50 })
  })
})

describe('inspectImages', () => {
  it('tells size and format, or why not', async () => {
    const host = new InferenceHost({ limits: { imagePixels: 1000 } })
    try {
      const bomb = png(30_000, 30_000, deflateSync(new Uint8Array(9)))
      expect(await host.inspectImages([syntheticPng(20, 10), bomb, syntheticPng(40, 40), new Uint8Array(5)])).toEqual([
        { width: 20, height: 10, format: 'png' },
        { error: '30000 x 30000 = 900000000 pixels, at most 1000 by --max-pixels of publish' },
        { error: '40 x 40 = 1600 pixels, at most 1000 by --max-pixels of publish' },
        { error: expect.stringMatching(/known format/) as string }
      ])
    } finally {
      await host.close()
    }
  })

  it('names the image that no worker survives, and goes on with the others', async () => {
    const host = new InferenceHost({ limits: { memoryBytes: 250 * 2 ** 20 } })
    try {
      // 300 MB of pixels from a file of a few hundred kilobytes
      const large = png(10_000, 10_000, deflateSync(new Uint8Array(10_000 * 30_001), { level: 1 }))
      const small = syntheticPng(20, 10)
      const facts = await host.inspectImages([small, large, small])
      expect(facts).toEqual([
        { width: 20, height: 10, format: 'png' },
        { error: expect.stringMatching(/memory/) as string },
        { width: 20, height: 10, format: 'png' }
      ])
    } finally {
      await host.close()
    }
  })
})

describe('createOrtGemm', () => {
  it('equals the plain product to 1e-12, transposed or not', async () => {
    const host = new InferenceHost()
    const random = seeded(1)
    const filled = (rows: number, columns: number): Matrix64 =>
      matrix(
        rows,
        columns,
        Float64Array.from({ length: rows * columns }, () => random.below(2 ** 20) / 2 ** 19 - 1)
      )
    try {
      const gemm = createOrtGemm(host)
      for (const [m, k, n] of [
        [1, 1, 1],
        [7, 33, 5],
        [64, 300, 129]
      ] as const) {
        for (const transposeA of [false, true]) {
          for (const transposeB of [false, true]) {
            const a = transposeA ? filled(k, m) : filled(m, k)
            const b = transposeB ? filled(n, k) : filled(k, n)
            const fast = await gemm.multiply(a, b, { transposeA, transposeB })
            const plain = await plainGemm.multiply(a, b, { transposeA, transposeB })
            const scale = Math.max(...plain.data.map(Math.abs))
            expect([fast.rows, fast.columns]).toEqual([m, n])
            plain.data.forEach((v, i) => expect(Math.abs((fast.data[i] as number) - v) / scale).toBeLessThan(1e-12))
          }
        }
      }
      expect(await gemm.multiply(filled(3, 0), filled(0, 2))).toEqual(matrix(3, 2, new Float64Array(6)))
      await expect(gemm.multiply(filled(2, 3), filled(2, 3))).rejects.toThrow(NumericError)
    } finally {
      await host.close()
    }
  })
})
