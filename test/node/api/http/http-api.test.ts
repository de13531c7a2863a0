import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { CoOptApi } from '../../../../node/api/api.ts'
import type { ApiEvent } from '../../../../node/api/events.ts'
import { apiFilePath, readApiFile } from '../../../../node/api/http/api-file.ts'
import { connectApi, createApiClient } from '../../../../node/api/http/client.ts'
import { serveApi } from '../../../../node/api/http/server.ts'
import { rawCid } from '../../../../src/codec.ts'
import { encodeInvite } from '../../../../src/distribute/invite.ts'
import { HomeLockedError } from '../../../../src/errors.ts'
import { batch, fakeApi, untilAborted } from '../../../helpers/fake-api.ts'
import { joinReport, priorReport, publishReport, statusReport } from '../../../helpers/fake-reports.ts'

const CID = rawCid(Uint8Array.of(2)).toString()
const INVITE = encodeInvite({ swarm: rawCid(Uint8Array.of(1)), addresses: ['/ip4/127.0.0.1/tcp/4001'] })

const teardown: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const undo of teardown.splice(0).reverse()) await undo()
})

async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'coopt-http-api-'))
  teardown.push(() => rm(home, { recursive: true }))
  return home
}

async function serve(answers: Partial<CoOptApi> = {}) {
  const home = await temporaryHome()
  const api = fakeApi(answers)
  const server = await serveApi(api, { home })
  teardown.push(() => server.close())
  const client = await connectApi(home)
  if (client === undefined) throw new Error('the server that was just started is not found')
  const endpoint = await readApiFile(home)
  if (endpoint === undefined) throw new Error('no api.json')
  return { home, api, server, client, endpoint }
}

/** One raw request, as a hostile program would send it. */
async function raw(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = ''
): Promise<{ status: number; text: string }> {
  const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
  sent.on('error', () => undefined) // the server may answer and close before the whole body is sent
  sent.end(body)
  const [response] = await once(sent, 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode, text }
}

const CALL = { 'x-coopt-call': '00000000-0000-0000-0000-000000000001' }

describe('local API', () => {
  it('carries every operation with its arguments and result', async () => {
    const { api, client } = await serve()
    const publishOptions = { name: 'sample', partitions: 16, shared: 500, dimension: 128 }
    const joinOptions = { prior: '/priors/a', once: true }
    expect(await client.publish('/images', publishOptions)).toEqual(publishReport)
    expect(await client.join(INVITE, joinOptions)).toEqual(joinReport)
    expect(await client.status()).toEqual(statusReport)
    expect(await client.priorCheck('/priors/a', { image: '/x.png' })).toEqual(priorReport)
    expect(await client.peers()).toHaveLength(1)
    expect((await client.merge(INVITE, { out: '/out' })).rows).toBe(2000)
    expect((await client.verify(CID, { rerun: 4 })).ok).toBe(true)
    await client.stop()
    expect(api.calls.map(({ name, args }) => [name, ...args])).toEqual([
      ['publish', '/images', publishOptions],
      ['join', INVITE, joinOptions],
      ['status', undefined],
      ['priorCheck', '/priors/a', { image: '/x.png' }],
      ['peers'],
      ['merge', INVITE, { out: '/out' }],
      ['verify', CID, { rerun: 4 }],
      ['stop']
    ])
  })

  it('streams events in order before the result', async () => {
    const { client } = await serve({
      join: async (_, __, call) => {
        for (let done = 1; done <= 50; done++) call?.onEvent?.(batch(done))
        return joinReport
      }
    })
    const events: ApiEvent[] = []
    await client.join(INVITE, { prior: '/p', once: true }, { onEvent: event => events.push(event) })
    expect(events).toEqual(Array.from({ length: 50 }, (_, i) => batch(i + 1)))
  })

  it('hands over errors by name and message', async () => {
    const { client } = await serve({
      status: async () => {
        throw new HomeLockedError('process 17 holds the home')
      }
    })
    await expect(client.status()).rejects.toMatchObject({
      name: 'HomeLockedError',
      message: 'process 17 holds the home'
    })
  })

  it('refuses arguments that do not fit the schema, without calling the node', async () => {
    const { api, endpoint } = await serve()
    const authorization = `Bearer ${endpoint.token}`
    for (const body of [
      '',
      '{}',
      '[1]',
      '["/x", {"prior": "/p"}]',
      '["/x", {"prior": "/p", "once": true, "extra": 1}]'
    ]) {
      const answer = await raw(endpoint.port, 'POST', '/v1/join', { ...CALL, authorization }, body)
      expect(JSON.parse(answer.text), body).toMatchObject({ error: { name: 'InvalidInputError', exitCode: 4 } })
    }
    expect(api.calls).toEqual([])
  })

  it('ends an operation gracefully on the signal and still delivers its result', async () => {
    const { client } = await serve({
      join: async (_, __, call) => {
        call?.onEvent?.(batch(1))
        await untilAborted(call?.signal).catch(() => undefined)
        return { ...joinReport, complete: false }
      }
    })
    const graceful = new AbortController()
    const report = await client.join(
      INVITE,
      { prior: '/p', once: true },
      { signal: graceful.signal, onEvent: () => graceful.abort() }
    )
    expect(report.complete).toBe(false)
  })

  it('kills the operation in the daemon when the command goes away', async () => {
    const killed = Promise.withResolvers<void>()
    const { client } = await serve({
      join: async (_, __, call) => {
        call?.onEvent?.(batch(1))
        call?.kill?.addEventListener('abort', () => killed.resolve())
        return await untilAborted(call?.kill)
      }
    })
    const kill = new AbortController()
    const running = client.join(INVITE, { prior: '/p', once: true }, { kill: kill.signal, onEvent: () => kill.abort() })
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    await killed.promise
  })

  it('answers nobody without the token', async () => {
    const { api, endpoint } = await serve()
    const wrong = [
      undefined,
      'Bearer ',
      `Bearer ${'x'.repeat(43)}`,
      endpoint.token,
      `Bearer ${endpoint.token} `,
      `bearer ${endpoint.token}`.toUpperCase()
    ]
    for (const authorization of wrong) {
      const headers = authorization === undefined ? CALL : { ...CALL, authorization }
      // HTTP strips white space around a header value, so a trailing blank is the right token
      const expected = authorization === `Bearer ${endpoint.token} ` ? 200 : 401
      expect((await raw(endpoint.port, 'POST', '/v1/peers', headers, '[]')).status, authorization).toBe(expected)
    }
    expect(api.calls).toHaveLength(1)
  })

  it('refuses other hosts and browsers even with the token', async () => {
    const { api, endpoint } = await serve()
    const authorization = `Bearer ${endpoint.token}`
    for (const host of [
      'evil.example',
      'evil.example:80',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '0.0.0.0'
    ]) {
      expect((await raw(endpoint.port, 'POST', '/v1/peers', { ...CALL, authorization, host }, '[]')).status, host).toBe(
        403
      )
    }
    expect(
      (await raw(endpoint.port, 'POST', '/v1/peers', { ...CALL, authorization, origin: 'http://localhost' }, '[]'))
        .status
    ).toBe(403)
    expect(
      (await raw(endpoint.port, 'POST', '/v1/peers', { ...CALL, authorization, host: 'localhost:1' }, '[]')).status
    ).toBe(200)
    expect(api.calls).toHaveLength(1)
  })

  it('refuses unknown paths, methods, call ids and bodies that are too large', async () => {
    const { api, endpoint } = await serve()
    const headers = { ...CALL, authorization: `Bearer ${endpoint.token}` }
    const cases: [string, string, Record<string, string>, string, number][] = [
      ['POST', '/v1/constructor', headers, '[]', 404],
      ['POST', '/v2/peers', headers, '[]', 404],
      ['GET', '/v1/peers', headers, '', 405],
      ['POST', '/v1/peers', { authorization: headers.authorization }, '[]', 400],
      ['POST', '/v1/peers', { ...headers, 'x-coopt-call': '../../x' }, '[]', 400],
      ['DELETE', '/v1/calls/unknown', headers, '', 404],
      ['POST', '/v1/peers', headers, `[${' '.repeat(1024 * 1024)}]`, 413]
    ]
    for (const [method, path, given, body, status] of cases) {
      expect((await raw(endpoint.port, method, path, given, body)).status, `${method} ${path}`).toBe(status)
    }
    expect(api.calls).toEqual([])
  })

  it('keeps the token file to its owner and removes it at the end', async () => {
    const { home, server, endpoint } = await serve()
    expect((await stat(apiFilePath(home))).mode & 0o777).toBe(0o600)
    expect(endpoint.pid).toBe(process.pid)
    await server.close()
    await server.close()
    await expect(readFile(apiFilePath(home))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await connectApi(home)).toBeUndefined()
  })

  it('does not take a dead process or a foreign listener for the daemon', async () => {
    const home = await temporaryHome()
    const foreign = createServer(socket => socket.end('SSH-2.0-not-http\r\n'))
    foreign.listen({ host: '127.0.0.1', port: 0 })
    await once(foreign, 'listening')
    teardown.push(async () => void foreign.close())
    const address = foreign.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const token = 'x'.repeat(43)
    await writeFile(apiFilePath(home), JSON.stringify({ pid: process.pid, port, token }))
    expect(await connectApi(home)).toBeUndefined()
    // 2^22 is the largest process id Linux gives, so this one never runs
    await writeFile(apiFilePath(home), JSON.stringify({ pid: 4_194_305, port, token }))
    expect(await readApiFile(home)).toBeUndefined()
  })

  it('does not take the daemon of a home for that of its copy', async () => {
    const { home } = await serve()
    const copy = await temporaryHome()
    await copyFile(apiFilePath(home), apiFilePath(copy))
    expect(await readApiFile(home)).toBeDefined()
    expect(await readApiFile(copy)).toBeUndefined()
    expect(await connectApi(copy)).toBeUndefined()
  })

  it('says that the daemon went away when the connection breaks', async () => {
    const dying = createServer(socket => {
      socket.once('data', () => socket.destroy())
    })
    dying.listen({ host: '127.0.0.1', port: 0 })
    await once(dying, 'listening')
    teardown.push(async () => void dying.close())
    const address = dying.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const client = createApiClient({ pid: 1, port, token: 'x'.repeat(43) })
    await expect(client.status()).rejects.toMatchObject({ name: 'DaemonUnavailableError' })
  })

  it('waits for running operations when it closes, after asking them to end', async () => {
    const order: string[] = []
    const { client, server } = await serve({
      join: async (_, __, call) => {
        call?.onEvent?.(batch(1))
        await untilAborted(call?.signal).catch(() => undefined)
        order.push('operation')
        return joinReport
      }
    })
    const started = Promise.withResolvers<void>()
    const running = client.join(INVITE, { prior: '/p', once: false }, { onEvent: () => started.resolve() })
    await started.promise
    await server.close()
    order.push('server')
    expect(await running).toEqual(joinReport)
    expect(order).toEqual(['operation', 'server'])
  })
})
