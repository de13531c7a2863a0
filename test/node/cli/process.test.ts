import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiFilePath } from '../../../node/api/http/api-file.ts'
import { startCoOpt, type CoOptProcess, type CoOptProcessInit } from '../../../scripts/coopt-process.ts'

let root: string
let home: string
const daemons: CoOptProcess[] = []

/** A process of the command line as a user starts it. */
const start = (args: string[], init: CoOptProcessInit = {}) =>
  startCoOpt(args, { ...init, env: { COOPT_HOME: home, ...init.env } })

const run = async (...args: string[]) => await start(args).ended

/** The daemon, once it answers commands. */
async function up(): Promise<CoOptProcess> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up'], { home, onEvent: ({ type }) => type === 'listening' && resolve() })
  daemons.push(daemon)
  daemon.ended.then(({ said }) => reject(new Error(`the daemon did not come up: ${said}`)), reject)
  await promise
  return daemon
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-process-'))
  home = join(root, 'home')
  const { code, said } = await run('init', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns')
  if (code !== 0) throw new Error(`no home to test with: ${said}`)
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
    const { pid, kill, ended } = await up()
    const status = await run('status', '--json')
    expect(status.code).toBe(0)
    expect((JSON.parse(status.out) as { addresses: string[] }).addresses).toHaveLength(1)
    const second = await run('up')
    expect(second).toMatchObject({ code: 3, out: '' })
    expect(second.said).toContain(String(pid))
    kill('SIGINT')
    expect(await ended).toMatchObject({ code: 0, signal: null })
    expect(existsSync(apiFilePath(home))).toBe(false)
    const offline = await run('status', '--json')
    expect((JSON.parse(offline.out) as { addresses: string[] }).addresses).toEqual([])
  })

  it('takes commands while the daemon starts and while it stops', async () => {
    const starting = up()
    const during = await Promise.all([run('status', '--json'), run('gc', '--json')])
    // on a machine that is busy the daemon may take longer than commands wait, and they say that they did
    for (const { code, said } of during)
      expect(code === 0 || (code === 3 && said.startsWith('coopt: waiting up to 10 s')), said).toBe(true)
    const { kill, ended } = await starting
    kill('SIGTERM')
    const { code, said } = await run('status', '--json')
    expect(code === 0 || (code === 3 && said.startsWith('coopt: waiting up to 10 s')), said).toBe(true)
    expect(await ended).toMatchObject({ code: 0 })
  })

  it('works on after kill -9 of the daemon, although its token file is still there', async () => {
    const { kill, ended } = await up()
    kill('SIGKILL')
    expect(await ended).toMatchObject({ code: null, signal: 'SIGKILL' })
    expect(existsSync(apiFilePath(home))).toBe(true)
    expect(await run('status', '--json')).toMatchObject({ code: 0, said: '' })
  })

  it('leaves when asked with coopt down, and says when there is nobody to ask', async () => {
    const { ended } = await up()
    expect((await run('down')).code).toBe(0)
    expect(await ended).toMatchObject({ code: 0 })
    expect((await run('down')).code).toBe(6)
  })

  it('says what is wrong without a stack', async () => {
    const missing = join(root, 'missing')
    const { code, out, said } = await start(['status', '--home', missing]).ended
    expect({ code, out }).toEqual({ code: 4, out: '' })
    expect(said).toMatch(/^coopt: .*coopt init.*\n$/)
    expect(await readdir(root), 'a question makes no home').toEqual(['home'])
  })

  it('does not mind that nobody reads its results', async () => {
    // `head -c 0` closes the pipe at once; the shell's status is that of coopt
    const within = ['bash', '-c', 'set -o pipefail; "$@" | head -c 0', 'coopt']
    expect((await start(['--help'], { within }).ended).code).toBe(0)
  })
})
