import { once } from 'node:events'
import { chmod, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { examine } from '../../../node/doctor/doctor.ts'
import { shareable, type Finding } from '../../../node/doctor/finding.ts'
import { clock, disk, memory } from '../../../node/doctor/machine.ts'
import { DEFAULT_CONFIG } from '../../../node/home/config.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { bundledPrior } from '../../../node/priors/bundled.ts'
import { rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { runCommand } from '../../helpers/run-command.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-doctor-'))
  await initHome(home, { network: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
})
afterEach(async () => {
  await rm(home, { recursive: true })
})

const about = (findings: readonly Finding[], name: string): Finding | undefined =>
  findings.find(one => one.about === name)

async function server(answer: (server: Server) => void): Promise<number> {
  const server = createServer()
  answer(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

describe('coopt doctor', () => {
  it('has a remedy for everything that is not well', async () => {
    const { findings, level } = await examine(home, { prior: bundledPrior('resnet20') })
    expect(level).toBe('warn') // it listens on loopback only
    for (const { level, remedy, about } of findings) if (level !== 'ok') expect(remedy, about).toMatch(/\.|coopt/)
    expect(findings.map(one => one.about)).toEqual([
      'versions',
      'home',
      'config',
      'clock',
      'memory',
      'disk',
      'inodes',
      'port',
      'reachability',
      'node',
      'model'
    ])
  })

  it('tries the addresses of an invite one by one', async () => {
    const node = await server(s => s.on('connection', socket => socket.end('\u0013/multistream/1.0.0\n')))
    const other = await server(s => s.on('connection', socket => socket.end('HTTP/1.1 400\r\n')))
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as AddressInfo
    gone.close()
    await once(gone, 'close')
    const addresses = [node, other, port].map(p => `/ip4/127.0.0.1/tcp/${p}`)
    const { findings } = await examine(home, { invite: encodeInvite({ swarm: rawCid(Uint8Array.of(1)), addresses }) })
    expect(about(findings, 'address 1')).toMatchObject({
      level: 'ok',
      text: expect.stringContaining('answers after') as string
    })
    expect(about(findings, 'address 2')).toMatchObject({
      level: 'warn',
      remedy: expect.stringContaining('swarm.key') as string
    })
    expect(about(findings, 'address 3')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('nothing listens on that port') as string,
      remedy: expect.stringContaining("publisher's own machine") as string
    })
    expect((await examine(home, { invite: 'coopt1nonsense' })).findings.at(-1)).toMatchObject({
      about: 'invite',
      level: 'fail'
    })
  })

  it('names what is wrong with a home: permissions, configuration, version, port', async () => {
    await chmod(home, 0o755)
    await chmod(join(home, 'identity.key'), 0o644)
    const { findings } = await examine(home, {})
    expect(findings.filter(one => one.about === 'permissions').map(one => one.level)).toEqual(['warn', 'fail'])
    await writeFile(join(home, 'config.json'), '{"stor": {}}')
    expect(about((await examine(home, {})).findings, 'config')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('"stor"') as string
    })
    await writeFile(join(home, 'version'), '99\n')
    expect(about((await examine(home, {})).findings, 'home')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('newer coopt') as string
    })
    const port = await server(() => {})
    await writeFile(join(home, 'version'), '1\n')
    await writeFile(join(home, 'config.json'), JSON.stringify({ network: { listen: [`/ip4/127.0.0.1/tcp/${port}`] } }))
    expect(about((await examine(home, {})).findings, 'port')).toMatchObject({ level: 'fail' })
  })

  it.runIf(process.platform === 'linux')('says what the configured device lacks', async () => {
    await writeFile(
      join(home, 'config.json'),
      JSON.stringify({ inference: { device: 'coreml' }, network: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
    )
    const { level, findings } = await examine(home, {})
    expect(level).toBe('fail')
    expect(about(findings, 'device')).toMatchObject({
      level: 'fail',
      text: expect.stringMatching(/device coreml cannot be used: .*has no coreml/) as string
    })
  })

  it('compares clock, memory and disk with what they have to be', async () => {
    expect(await clock(home, Date.UTC(1970, 0, 2))).toMatchObject({ level: 'fail' })
    expect(await clock(home)).toMatchObject({ level: 'ok' })
    const later = new Date(Date.now() + 3_600_000)
    await utimes(join(home, 'version'), later, later)
    expect(await clock(home)).toMatchObject({
      level: 'warn',
      text: expect.stringContaining(later.toISOString()) as string
    })
    expect(memory(DEFAULT_CONFIG, 2e9)).toMatchObject({ level: 'warn' })
    expect(memory(DEFAULT_CONFIG).text).toContain('models run on the CPU with')
    expect(memory({ ...DEFAULT_CONFIG, inference: { device: 'cuda:1' } }).text).toContain('models run on cuda:1 with')
    const full = { ...DEFAULT_CONFIG, store: { ...DEFAULT_CONFIG.store, minFreeBytes: Number.MAX_SAFE_INTEGER } }
    expect((await disk(home, full))[0]).toMatchObject({
      level: 'fail',
      remedy: expect.stringContaining('Free space') as string
    })
  })

  it('prints a line each, and fails when something does', async () => {
    const { code, out } = await runCommand(['doctor', '--home', join(home, 'none')])
    expect({ code, out }).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^fail {2}home: there is no home .*\n {6}-> Run "coopt init"/m) as string
    })
    const json = await runCommand(['doctor', '--home', home, '--json'])
    expect({ code: json.code, report: JSON.parse(json.out) as unknown }).toMatchObject({
      code: 0,
      report: { level: 'warn' }
    })
  })

  it('can be pasted anywhere: no user name, secret or whole address', () => {
    const text = `${homedir()}/coopt listens on /ip4/203.0.113.77/tcp/4001 /ip6/2001:db8::77/tcp/1 /dns4/lab.example.org/tcp/1 Bearer abcdefghijkl`
    const { text: shown, remedy } = shareable({ level: 'warn', about: 'port', text, remedy: text })
    expect(shown).toBe(
      '~/coopt listens on /ip4/203.0.x.x/tcp/4001 /ip6/2001:x/tcp/1 /dns4/NAME/tcp/1 Bearer [redacted]'
    )
    expect(remedy).toBe(shown)
    const own = '/ip4/0.0.0.0/tcp/0 /ip6/::/tcp/0 /ip4/127.0.0.1/tcp/1'
    expect(shareable({ level: 'ok', about: 'port', text: own }).text).toBe(own)
  })
})
