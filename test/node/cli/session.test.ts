/** Commands on a home that another process holds: one that starts, one that stops, one that never answers. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Backend } from '../../../node/cli/backend.ts'
import { runProgram } from '../../../node/cli/program.ts'
import { serveApi, type ApiServer } from '../../../node/api/http/server.ts'
import { lockHome } from '../../../node/home/lock.ts'
import { HomeLockedError } from '../../../src/errors.ts'
import { fakeApi, fakeBackend } from '../../helpers/fake-api.ts'
import { statusReport } from '../../helpers/fake-reports.ts'
import { commandContext, jsonLines, runCommand } from '../../helpers/run-command.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-session-'))
})
afterEach(async () => await rm(home, { recursive: true }))

/** A backend that finds the home held until it was asked this often; `before(n)` runs before the n-th refusal. */
function held(times: number, before: (attempt: number) => Promise<void> = async () => {}) {
  let asked = 0
  const backend = fakeBackend(fakeApi())
  const openLocal: Backend['openLocal'] = async (path, options) => {
    asked++
    if (asked > times) return await backend.openLocal(path, options)
    await before(asked)
    throw new HomeLockedError(`${path} is in use by process 17 (a coopt node)`)
  }
  return { backend: { ...backend, openLocal }, asked: () => asked }
}

test('a command waits for a daemon that is starting, says so once, and asks it', async () => {
  const api = fakeApi()
  let server: ApiServer | undefined
  const { backend } = held(Infinity, async attempt => {
    if (attempt === 2) server = await serveApi(api, { home })
  })
  const { code, out, err } = await runCommand(['status', '--json', '--home', home], {}, { backend, patienceMs: 10_000 })
  await server?.close()
  expect(code).toBe(0)
  expect(jsonLines(out)).toEqual([statusReport])
  expect(err).toBe(`coopt: waiting up to 10 s for another process: ${home} is in use by process 17 (a coopt node)\n`)
  expect(api.calls.map(({ name }) => name)).toEqual(['status'])
})

test.each([['status'], ['gc']])('%s waits for a daemon that is stopping, then opens the home', async command => {
  const { backend, asked } = held(3)
  const { code } = await runCommand([command, '--home', home], {}, { backend, patienceMs: 10_000 })
  expect({ code, asked: asked() }).toEqual({ code: 0, asked: 4 })
})

test('a command gives up with the code for a held home, naming the process', async () => {
  const { backend } = held(Infinity)
  const { code, err } = await runCommand(['status', '--home', home], {}, { backend, patienceMs: 150 })
  expect(code).toBe(3)
  expect(err.trimEnd().split('\n').at(-1)).toBe(`coopt: ${home} is in use by process 17 (a coopt node)`)
})

test('it waits from the first refusal on, however long that took to come', async () => {
  const patienceMs = 150
  const { backend, asked } = held(1, async () => {
    const refused = performance.now() + 2 * patienceMs
    while (performance.now() < refused); // a machine that is busy with something else
  })
  const { code } = await runCommand(['gc', '--home', home], {}, { backend, patienceMs })
  expect({ code, asked: asked() }).toEqual({ code: 0, asked: 2 })
})

test('Ctrl-C ends the waiting', async () => {
  const interrupt = new AbortController()
  const { backend } = held(Infinity, async attempt => {
    if (attempt === 2) interrupt.abort(new DOMException('interrupted', 'AbortError'))
  })
  const { code } = await runCommand(
    ['status', '--home', home],
    {},
    { backend, patienceMs: 60_000, signal: interrupt.signal }
  )
  expect(code).toBe(9)
})

test('a wrong argument is told at once, whoever holds the home', async () => {
  const { backend, asked } = held(Infinity)
  const { code } = await runCommand(['verify', 'hello', '--home', home], {}, { backend, patienceMs: 60_000 })
  expect({ code, asked: asked() }).toEqual({ code: 4, asked: 0 })
})

test('up waits for a daemon that is stopping, but not for one that answers', async () => {
  const interrupt = new AbortController()
  const { backend } = held(2)
  const { context, printed } = commandContext(backend, { patienceMs: 10_000, signal: interrupt.signal })
  const running = runProgram(['up', '--json', '--home', home], {
    ...context,
    stdout: text => {
      context.stdout(text)
      interrupt.abort()
    }
  })
  expect(await running).toBe(0)
  expect(jsonLines(printed.out)).toMatchObject([{ type: 'listening' }])

  const server = await serveApi(fakeApi(), { home })
  const second = await runCommand(['up', '--home', home], {}, { patienceMs: 60_000 })
  await server.close()
  expect(second).toMatchObject({ code: 3, out: '' })
  expect(second.err).toContain(`process ${process.pid} already runs on ${home}`)
})

test('down waits for a daemon that is starting', async () => {
  const api = fakeApi()
  const lock = await lockHome(home, { what: 'a coopt node' })
  let server: ApiServer | undefined
  const { context, printed } = commandContext(fakeBackend(fakeApi()), { patienceMs: 10_000 })
  const code = await runProgram(['down', '--home', home], {
    ...context,
    stderr: text => {
      context.stderr(text)
      void serveApi(api, { home }).then(started => (server = started))
    }
  })
  await server?.close()
  await lock.release()
  expect(code).toBe(0)
  expect(printed.err).toContain('a coopt node')
  expect(api.calls.map(({ name }) => name)).toEqual(['stop'])
})
