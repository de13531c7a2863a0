import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiFilePath } from '../../../node/api/http/api-file.ts'

const LAUNCHER = join(import.meta.dirname, '..', '..', '..', 'node', 'cli', 'bin.mjs')

let root: string
let home: string
const daemons: { kill: (signal: NodeJS.Signals) => unknown }[] = []

/** A process of the command line as a user starts it. */
function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, COOPT_HOME: home, ...env }
  })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (said.err += text))
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal, ...said }))
  return { child, ended }
}

const run = async (...args: string[]) => await start(args).ended

/** The daemon, once it answers commands. */
async function up() {
  const started = start(['up', '--json'])
  daemons.push(started.child)
  for await (const line of createInterface({ input: started.child.stdout })) {
    const event = JSON.parse(line) as { type: string }
    if (event.type === 'listening') return started
  }
  throw new Error(`the daemon did not come up: ${(await started.ended).err}`)
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-process-'))
  home = join(root, 'home')
  const { code, err } = await run('init', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns')
  if (code !== 0) throw new Error(`no home to test with: ${err}`)
})

afterAll(async () => {
  for (const daemon of daemons) daemon.kill('SIGKILL')
  await rm(root, { recursive: true, force: true })
})

describe('coopt as processes', () => {
  it('inits twice without changing anything', async () => {
    const { code, out } = await run('init', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ home, created: false })
  })

  it('answers through the daemon, refuses a second daemon, and leaves on Ctrl-C', async () => {
    const { child, ended } = await up()
    const status = await run('status', '--json')
    expect(status.code).toBe(0)
    expect((JSON.parse(status.out) as { addresses: string[] }).addresses).toHaveLength(1)
    const second = await run('up')
    expect(second).toMatchObject({ code: 3, out: '' })
    expect(second.err).toContain(String(child.pid))
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 0, signal: null })
    expect(existsSync(apiFilePath(home))).toBe(false)
    const offline = await run('status', '--json')
    expect((JSON.parse(offline.out) as { addresses: string[] }).addresses).toEqual([])
  })

  it('works on after kill -9 of the daemon, although its token file is still there', async () => {
    const { child, ended } = await up()
    child.kill('SIGKILL')
    expect(await ended).toMatchObject({ code: null, signal: 'SIGKILL' })
    expect(existsSync(apiFilePath(home))).toBe(true)
    expect(await run('status', '--json')).toMatchObject({ code: 0, err: '' })
  })

  it('leaves when asked with coopt down, and says when there is nobody to ask', async () => {
    const { ended } = await up()
    expect((await run('down')).code).toBe(0)
    expect(await ended).toMatchObject({ code: 0 })
    expect((await run('down')).code).toBe(6)
  })

  it('says what is wrong without a stack', async () => {
    const missing = join(root, 'missing')
    const { code, out, err } = await start(['status', '--home', missing]).ended
    expect({ code, out }).toEqual({ code: 4, out: '' })
    expect(err).toMatch(/^coopt: .*coopt init.*\n$/)
    expect(await readdir(root), 'a question makes no home').toEqual(['home'])
  })

  it('does not mind that nobody reads its results', async () => {
    const { child, ended } = start(['--help'])
    child.stdout.destroy()
    expect((await ended).code).toBe(0)
  })
})
