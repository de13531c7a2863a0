/** Models behind a server: a real HTTP server on loopback, right and wrong. Triton's and MLServer's forms of the protocol alike. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { priorIdentity } from '../../../src/optimize/prior.ts'
import { priorLocation } from '../../../node/api/prior-location.ts'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { loadServerPrior, type ServerPrior, type ServerPriorOptions } from '../../../node/priors/server/server-prior.ts'
import { isOpenToOthers, parseServerUrl } from '../../../node/priors/server/server-url.ts'
import { syntheticPng } from '../../../node/priors/synthetic-image.ts'
import { classifier, model, node, value } from '../../helpers/onnx.ts'
import {
  answerWith,
  json,
  METADATA,
  startModelServer,
  type ModelServer,
  type ModelServerOptions
} from '../../helpers/model-server.ts'

/** Absences end soon where a test is about something else. */
const LIMITS = { serverWaitMilliseconds: 300, requestMilliseconds: 20_000 }
const IMAGES = Array.from({ length: 70 }, (_, i) => ({ id: `image ${i}`, bytes: syntheticPng(8 + (i % 5), 9) }))

async function withPrior<T>(
  server: ModelServerOptions,
  use: (prior: ServerPrior, server: ModelServer) => Promise<T>,
  options: ServerPriorOptions & { path?: string } = {}
): Promise<T> {
  await using running = await startModelServer(server)
  const { path = '', ...rest } = options
  const prior = await loadServerPrior(running.url + path, { limits: LIMITS, ...rest })
  try {
    return await use(prior, running)
  } finally {
    await prior.close()
  }
}

const loading = async (server: ModelServerOptions, options: ServerPriorOptions = {}): Promise<unknown> =>
  await withPrior(server, async () => 'loaded', options)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-server-prior-'))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

describe('a model behind a server', () => {
  it('gives the features of the same model in a file: bytes and JSON, float32, float16 and uint8', async () => {
    const path = join(folder, 'model.onnx')
    await writeFile(
      path,
      model({
        nodes: [node('GlobalAveragePool', ['image'], ['pooled']), node('Flatten', ['pooled'], ['feature'])],
        inputs: [value('image', ['N', 3, 8, 8])],
        outputs: [value('feature', ['N', 3])]
      })
    )
    const local = await loadPrior(path)
    try {
      const wanted = (await local.embed(IMAGES)).features.data
      for (const binary of [true, false])
        await withPrior({ binary, extensions: [] }, async (prior, { calls }) => {
          expect(prior.plan).toMatchObject({ encoding: binary ? 'binary' : 'json', rows: 32, dimension: 3 })
          const { features, absent } = await prior.embed(IMAGES)
          expect(features).toMatchObject({ rows: 70, columns: 3 })
          expect(absent).toEqual(IMAGES.map(() => false))
          for (const [i, number] of wanted.entries()) expect(features.data[i]).toBeCloseTo(number, 5)
          expect(calls.at(-1)?.binary).toBe(binary)
        })
      for (const datatype of ['FP16', 'UINT8']) {
        const metadata = { ...METADATA, inputs: [{ name: 'pixels', datatype, shape: [-1, 3, 8, 8] }] }
        const preprocessing = join(folder, `${datatype}.json`)
        const steps = { do_resize: true, size: { height: 8, width: 8 }, do_normalize: false }
        await writeFile(preprocessing, JSON.stringify({ ...steps, do_rescale: datatype === 'FP16' }))
        const [bytes, text] = await Promise.all(
          [true, false].map(
            async binary =>
              await withPrior(
                { binary, metadata, extensions: [] },
                async prior => (await prior.embed(IMAGES)).features.data,
                { preprocessing }
              )
          )
        )
        expect(bytes).toEqual(text)
        const level = (bytes?.[0] ?? 0) * (datatype === 'FP16' ? 255 : 1)
        expect(level).toBeCloseTo(((wanted[0] ?? 0) * 0.229 + 0.485) * 255, 0)
      }
    } finally {
      await local.close()
    }
  })

  it('has several requests in flight, a bounded number, and rows in the order of the images', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>(resolve => (release = resolve))
    let arrived = 0
    const metadata = { ...METADATA, inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 3, 8, 8] }] }
    let loaded = false
    await withPrior(
      {
        metadata,
        onInfer: async () => {
          if (!loaded) return false
          if (++arrived === 4) release()
          await gate // nobody is answered before four are here
          return false
        }
      },
      async (prior, server) => {
        const alone = await withPrior({ metadata }, async one => (await one.embed(IMAGES)).features.data)
        loaded = true
        expect((await prior.embed(IMAGES)).features.data).toEqual(alone)
        expect(server.most).toBe(4)
      }
    )
  })

  it('is asked for fewer images at once where the server takes fewer', async () => {
    await withPrior(
      {
        onInfer: ({ features }, response) =>
          features.length > 5 && json(response, { error: `batch-size must be <= 5` }, 400)
      },
      async prior => {
        expect(prior.plan.rows).toBe(4)
        expect((await prior.embed(IMAGES)).features.rows).toBe(70)
      }
    )
  })

  it('has an identity of name, version, metadata and settings, and says that nobody else can run it', async () => {
    const identity = async (server: ModelServerOptions, options: Parameters<typeof withPrior>[2] = {}) =>
      await withPrior(
        server,
        async ({ descriptor }) => {
          expect(descriptor.server).toEqual({ protocol: 'open-inference-v2' })
          return priorIdentity(descriptor).toString()
        },
        options
      )
    const settings = join(folder, 'half.json')
    await writeFile(
      settings,
      JSON.stringify({ do_resize: true, size: 8, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] })
    )
    const ids = [
      await identity({}),
      await identity({}, { path: '/versions/2' }),
      await identity({ metadata: { ...METADATA, platform: 'other' } }),
      await identity({}, { preprocessing: settings })
    ]
    expect(new Set(ids).size).toBe(4)
    expect(await identity({}, { name: 'other', path: '/' })).toBe(ids[0])
    const versioned: ModelServerOptions = {
      onInfer: (call, response) => answerWith(call, response, { model_version: '2' })
    }
    expect(await identity(versioned)).toBe(ids[1])
  })

  it('is described by prior check: what is assumed, how tensors travel, and what is wrong', async () => {
    await using server = await startModelServer({ binary: false, extensions: [] })
    const report = await checkPrior(server.url, { limits: LIMITS })
    expect(report).toMatchObject({
      name: 'mean',
      dimension: 3,
      refusals: [],
      server: { url: server.url, platform: 'test', transport: expect.stringContaining('JSON') },
      input: { name: 'pixels', shape: ['?', 3, 8, 8] },
      output: { name: 'feature' }
    })
    expect(report.preprocessing[0]).toMatch(/^assumed, no settings were found/)
    expect(report.imagesPerSecond).toBeGreaterThan(0)
    const missing = await checkPrior(`http://127.0.0.1:${server.port}/v2/models/other`, { limits: LIMITS })
    expect(missing.refusals.join()).toMatch(/models\/other answered 404: no such model/)
  })

  it('sends a token that no message repeats', async () => {
    const token = 'secret-token-1'
    await withPrior({}, async (_, { calls }) => expect(calls[0]?.headers.authorization).toBe(`Bearer ${token}`), {
      token
    })
    const echo: ModelServerOptions = {
      onRequest: (request, response) => json(response, { error: `no ${request.headers.authorization}` }, 400)
    }
    const error = await loading(echo, { token }).catch((e: unknown) => e as Error)
    expect(String(error)).toMatch(/answered 400: no Bearer …/)
    const refused = await loading({ onRequest: (_, response) => json(response, {}, 401) }).catch(
      (e: unknown) => e as Error
    )
    expect(String(refused)).toContain('COOPT_PRIOR_TOKEN')
  })
})

describe('the metadata of a model', () => {
  const tensor = (name: string, datatype = 'FP32', shape = [-1, 3, 8, 8]) => ({ name, datatype, shape })
  it.each([
    ['two inputs', { inputs: [tensor('a'), tensor('b')] }, /2 inputs \("a" FP32.*"b"/],
    ['no input', { inputs: [] }, /declares no input/],
    ['another type', { inputs: [tensor('a', 'INT64')] }, /"a" holds INT64/],
    ['encoded images', { inputs: [tensor('a', 'BYTES', [-1])] }, /"a" holds BYTES.*decoding/],
    ['another rank', { inputs: [tensor('a', 'FP32', [-1, 10])] }, /"a" is not a batch of images: it has 2 dimensions/],
    ['another shape', { inputs: [tensor('a', 'FP32', [-1, 4, 8, 8])] }, /4 channels/],
    ['two outputs', { outputs: [tensor('x'), tensor('y')] }, /2 outputs, choose one with --output: "x".*"y"/],
    ['no output', { outputs: [] }, /declares no output/],
    ['an output of bytes', { outputs: [tensor('x', 'BYTES')] }, /"x" holds BYTES/],
    ['a name that is none', { name: 5 }, /does not follow the Open Inference protocol/]
  ])('with %s is refused in words', async (_, change, message) => {
    await expect(loading({ metadata: { ...METADATA, ...change } })).rejects.toThrow(message)
  })

  it('with several outputs is used with --output, which has to be one of them', async () => {
    const metadata = { ...METADATA, outputs: [...METADATA.outputs, tensor('logits')] }
    expect(await loading({ metadata }, { output: 'feature' })).toBe('loaded')
    await expect(loading({ metadata }, { output: 'x' })).rejects.toThrow(/no output "x"; its outputs are "feature"/)
  })

  it('is too large, not JSON, or a redirect: refused before it is used', async () => {
    const huge = { ...METADATA, more: 'x'.repeat(2_000_000) }
    await expect(loading({ metadata: huge })).rejects.toThrow(/more than 1048576 bytes/)
    const page: ModelServerOptions = { onRequest: (_, response) => Boolean(response.end('<html>')) }
    await expect(loading(page)).rejects.toThrow(/is not JSON/)
    await using other = await startModelServer()
    const redirect: ModelServerOptions = {
      onRequest: (_, response) => Boolean(response.writeHead(307, { location: other.url }).end())
    }
    await expect(loading(redirect)).rejects.toThrow(
      /redirects to http:\/\/127\.0\.0\.1:\d+, and redirects are not followed/
    )
    expect(other.calls).toEqual([])
  })

  it('is asked of a server that is not there: the message says so', async () => {
    const server = await startModelServer()
    await server[Symbol.asyncDispose]()
    await expect(loadServerPrior(server.url, { limits: LIMITS })).rejects.toMatchObject({
      name: 'ModelUnavailableError',
      message: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/)
    })
  })
})

describe('a wrong answer', () => {
  const output = { name: 'feature', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }
  const answers = (change: object): ModelServerOptions => ({
    onInfer: (_, response) => json(response, { model_name: 'mean', outputs: [{ ...output, ...change }] })
  })
  it.each([
    ['the shape of another batch', answers({ shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }), /shape \[2, 3\] for 1 images/],
    ['fewer numbers than its shape', answers({ data: [1, 2] }), /2 numbers for the shape \[1, 3\]/],
    ['another type', answers({ datatype: 'INT64' }), /holds INT64/],
    ['another output', answers({ name: 'logits' }), /lacks the output "feature" \(it has "logits"\)/],
    ['text', answers({ data: ['1', '2', '3'] }), /holds "1" among its numbers/],
    ['null', answers({ data: [1, null, 3] }), /sample probe image 1: feature 1 of the prior is NaN/],
    [
      'a longer body than it says',
      {
        onInfer: (call, response) => {
          const head = JSON.stringify({
            outputs: [{ ...output, data: undefined, parameters: { binary_data_size: 12 } }]
          })
          response
            .writeHead(200, { 'Inference-Header-Content-Length': head.length })
            .end(head + 'x'.repeat(16 * call.number))
          return true
        }
      },
      /binary data is longer/
    ],
    [
      'a head longer than the body',
      {
        onInfer: (_, response) => Boolean(response.writeHead(200, { 'Inference-Header-Content-Length': 999 }).end('{}'))
      },
      /Inference-Header-Content-Length is "999"/
    ],
    [
      'no end',
      { onInfer: (_, response) => Boolean(response.end('x'.repeat(65 * 1024 * 1024))) },
      /more than 67108864 bytes/
    ]
  ] satisfies Array<[string, ModelServerOptions, RegExp]>)('with %s is refused', async (_, server, message) => {
    await expect(loading(server)).rejects.toThrow(message)
  })

  it('that changes from one time to the next is found when the model is loaded', async () => {
    const dropout: ModelServerOptions = {
      onInfer: (call, response) =>
        answerWith(
          { ...call, features: call.features.map((row, i) => (i === 2 ? row.map(v => v + call.number) : row)) },
          response
        )
    }
    await expect(loading(dropout)).rejects.toThrow(/sample probe image 3: asked twice, the server gave two features/)
  })

  it('in the middle names the sample: not finite (as Python writes it), another size, another version', async () => {
    let wrong: ModelServerOptions['onInfer']
    const server: ModelServerOptions = {
      extensions: [],
      binary: false,
      onInfer: (call, response) => wrong?.(call, response) ?? answerWith(call, response, { model_version: '1' })
    }
    await withPrior(server, async prior => {
      wrong = (_, response) =>
        Boolean(
          response.end(
            `{"model_version": "1", "outputs": [{"name": "feature", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, NaN, -Infinity]}]}`
          )
        )
      await expect(prior.embed(IMAGES.slice(0, 2))).rejects.toThrow(/sample image 1: feature 1 of the prior is NaN/)
      wrong = (call, response) => answerWith({ ...call, features: call.features.map(row => row.slice(1)) }, response)
      await expect(prior.embed(IMAGES.slice(0, 2))).rejects.toThrow(
        /samples image 0 to image 1: .* changed from 3 to 2/
      )
      wrong = (call, response) => answerWith(call, response, { model_version: '2' })
      await expect(prior.embed(IMAGES.slice(3, 4))).rejects.toThrow(/sample image 3: .*version 2 of the model answered/)
      wrong = (_, response) => json(response, { error: 'out of memory' }, 500)
      await expect(prior.embed(IMAGES.slice(3, 4))).rejects.toThrow(/sample image 3: .*500: out of memory/)
      wrong = undefined
      await expect(prior.embed([{ id: 'broken', bytes: new Uint8Array(9) }])).rejects.toThrow(
        /sample broken: not an image/
      )
      expect((await prior.embed(IMAGES)).features.rows).toBe(70)
    })
  })
})

describe('a server that goes away', () => {
  it('is waited for with a word, and work goes on where the same model answers', async () => {
    const first = await startModelServer()
    const said: string[] = []
    let second: Promise<ModelServer> | undefined
    const prior = await loadServerPrior(first.url, {
      limits: { ...LIMITS, serverWaitMilliseconds: 60_000 },
      onWarning: message => {
        said.push(message)
        second ??= startModelServer({ port: first.port })
      }
    })
    try {
      const before = (await prior.embed(IMAGES)).features.data
      await first[Symbol.asyncDispose]()
      expect((await prior.embed(IMAGES)).features.data).toEqual(before)
      expect(said).toEqual([
        expect.stringMatching(/cannot be reached.*waiting up to 60 s/),
        'the model server answers again: work goes on'
      ])
    } finally {
      await prior.close()
      await (await second)?.[Symbol.asyncDispose]()
    }
  })

  it('and comes back with another model: work ends with a word', async () => {
    for (const [change, message] of [
      [{ metadata: { ...METADATA, platform: 'other' } }, /other metadata/],
      [
        {
          onInfer: (call, response) =>
            answerWith({ ...call, features: call.features.map(row => row.map(v => -v)) }, response)
        },
        /asked twice, the server gave two features/
      ]
    ] satisfies Array<[ModelServerOptions, RegExp]>) {
      const first = await startModelServer()
      let second: Promise<ModelServer> | undefined
      const prior = await loadServerPrior(first.url, {
        limits: { ...LIMITS, serverWaitMilliseconds: 60_000 },
        onWarning: () => void (second ??= startModelServer({ ...change, port: first.port }))
      })
      try {
        await first[Symbol.asyncDispose]()
        await expect(prior.embed(IMAGES)).rejects.toThrow(message)
      } finally {
        await prior.close()
        await (await second)?.[Symbol.asyncDispose]()
      }
    }
  })

  it('for too long ends the work, and a signal ends the waiting at once', async () => {
    const server = await startModelServer()
    const stop = new AbortController()
    const load = async (serverWaitMilliseconds: number, onWarning?: () => void) =>
      await loadServerPrior(server.url, {
        limits: { ...LIMITS, serverWaitMilliseconds },
        ...(onWarning && { onWarning })
      })
    const short = await load(300)
    const long = await load(600_000, () => stop.abort(new Error('enough')))
    await server[Symbol.asyncDispose]()
    try {
      await expect(short.embed(IMAGES)).rejects.toMatchObject({ name: 'ModelUnavailableError' })
      await expect(long.embed(IMAGES, { signal: stop.signal })).rejects.toThrow('enough')
    } finally {
      await short.close()
      await long.close()
    }
  })

  it('for a moment, or fails by chance, is asked again', async () => {
    let failures = 0
    let loaded = false
    await withPrior(
      {
        onInfer: (_, response) => {
          if (!loaded || failures >= 2) return false
          failures++
          return json(response, { error: 'busy' }, failures === 1 ? 503 : 500)
        }
      },
      async prior => {
        loaded = true
        expect((await prior.embed(IMAGES)).features.rows).toBe(70)
        expect(failures).toBe(2)
      }
    )
  })
})

describe('the URL of a model', () => {
  it('has a name, perhaps a version, perhaps a path before', () => {
    expect(parseServerUrl('http://gpu:8000/v2/models/vit%20b/versions/3')).toEqual({
      server: 'http://gpu:8000',
      name: 'vit b',
      version: '3',
      path: '/v2/models/vit%20b/versions/3'
    })
    expect(parseServerUrl('https://lab.example/serving/v2/models/vit/')).toMatchObject({
      server: 'https://lab.example/serving',
      path: '/v2/models/vit'
    })
  })

  it.each([
    ['http://gpu:8000', /not a model of the Open Inference protocol.*v2\/models\/NAME/],
    ['http://gpu:8000/v2/models/a/b', /not a model/],
    ['http://gpu:8000/v2/models/a?x=1', /query/],
    ['http://gpu:8000/v2/models/%ff', /percent-encoded/],
    ['http://', /cannot be parsed/]
  ])('%s is refused', (url, message) => {
    expect(() => parseServerUrl(url)).toThrow(message)
  })

  it('is not taken for a path, and a path is made absolute', () => {
    expect(priorLocation('HTTP://gpu/v2/models/a', '/here')).toBe('HTTP://gpu/v2/models/a')
    expect(priorLocation('models/a.onnx', '/here')).toBe('/here/models/a.onnx')
  })

  it('says whether a token would cross a network unencrypted', () => {
    const open = ['http://gpu:8000', 'http://10.0.0.1', 'https://gpu', 'http://localhost:1', 'http://[::1]:8000']
    expect(open.map(isOpenToOthers)).toEqual([true, true, false, false, false])
  })

  it('with a password is refused without repeating it', () => {
    const parse = (): unknown => parseServerUrl('http://me:hidden@gpu:8000/v2/models/a')
    expect(parse).toThrow(/COOPT_PRIOR_TOKEN/)
    expect(parse).not.toThrow(/hidden/)
  })
})

describe('--preprocessing', () => {
  it('takes the place of the settings beside a model in a file, and must be about images', async () => {
    const path = join(folder, 'small.onnx')
    const settings = join(folder, 'named.json')
    await writeFile(path, classifier())
    await writeFile(settings, JSON.stringify({ size: { height: 4, width: 4 }, do_resize: true, do_normalize: false }))
    expect((await checkPrior(path)).preprocessing[0]).toMatch(/^assumed/)
    expect((await checkPrior(path, { preprocessing: settings })).preprocessing.join()).not.toMatch(
      /assumed, no settings/
    )
    await writeFile(settings, '{"hidden_size": 5}')
    expect((await checkPrior(path, { preprocessing: settings })).refusals.join()).toMatch(/no settings for images/)
  })
})
