/** The files by which a node runs as a service: what each tool that is here says of them, and the entry point in a namespace of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SERVICE = join(ROOT, 'node/service')
const read = async (name: string): Promise<string> => await readFile(join(SERVICE, name), 'utf8')

const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-service-'))
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }))
  return folder
}

test('the unit is one that systemd accepts, and leaves a service little to do harm with', async ({ skip }) => {
  skip(!runs('systemd-analyze', '--version'), 'systemd-analyze is not installed')
  const unit = join(await scratch(), 'coopt.service')
  // the program of the unit is not installed where tests run
  await writeFile(unit, (await read('coopt.service')).replaceAll('/usr/local/bin/coopt', '/bin/true'))
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
  const ours = verified.stderr.split('\n').filter(line => line.includes('coopt.service'))
  expect(ours).toEqual([])
  // exposure times ten: a unit without any hardening has 96
  const rated = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', unit], {
    encoding: 'utf8'
  })
  expect({
    status: rated.status,
    said: rated.stdout.split('\n').findLast(line => line.includes('exposure'))
  }).toMatchObject({
    status: 0
  })
})

test('the image has its own user, a probe and a volume, and copies only what is there', async () => {
  const file = await read('Dockerfile')
  expect(file).toMatch(/^USER \d+:\d+$/m)
  expect(file).toMatch(/^HEALTHCHECK /m)
  expect(file).toMatch(/^VOLUME \/data$/m)
  const ignored = (await read('Dockerfile.dockerignore')).split('\n')
  for (const [, sources = ''] of file.matchAll(/^COPY (?!--from)(?:--\S+ )?(.+) \S+$/gm))
    for (const source of sources.split(' ')) {
      await stat(join(ROOT, source))
      if (source !== '.')
        expect(ignored.some(line => line.startsWith('!') && source.startsWith(line.slice(1)))).toBe(true)
    }
})

test('compose mounts files that are there, with a root that is read only and no capabilities', async () => {
  const file = await read('compose.yml')
  for (const [, path = ''] of file.matchAll(/- (\.\S+?):\//g)) await stat(join(SERVICE, path))
  const node = file.slice(file.indexOf('  node:'), file.indexOf('  prometheus:'))
  for (const line of ['read_only: true', 'cap_drop: [ALL]', 'no-new-privileges:true']) expect(node).toContain(line)
  const [, target = ''] = /targets: \['(.+)'\]/.exec(await read('prometheus.yml')) ?? []
  expect(file).toContain(`  ${target.split(':')[0]}:\n`)
})

test('docker, where its daemon runs, takes the compose file', async ({ skip }) => {
  skip(!runs('docker', 'compose', 'version'), 'docker compose is not installed')
  expect(runs('docker', 'compose', '-f', join(SERVICE, 'compose.yml'), 'config', '--quiet')).toBe(true)
})

test('the entry point makes a home once and serves it, in a namespace with a root that is read only', async ({
  skip
}) => {
  const namespace = ['--user', '--map-root-user', '--mount', '--pid', '--fork', '--kill-child']
  skip(!runs('unshare', ...namespace, 'mount', '-o', 'remount,bind,ro', '/'), 'no namespaces can be made here')
  const folder = await scratch()
  const [bin, home] = [join(folder, 'bin'), join(folder, 'home')]
  for (const path of [bin, home]) await mkdir(path)
  await writeFile(join(bin, 'coopt'), `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'node/cli/bin.mjs')} "$@"\n`)
  await chmod(join(bin, 'coopt'), 0o755)
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env['PATH']}`,
    COOPT_HOME: home,
    COOPT_LISTEN: '/ip4/127.0.0.1/tcp/0',
    COOPT_GATEWAY_HOST: '127.0.0.1'
  }
  // the home is a mount of its own, as a volume is; everything else cannot be written to
  const inside = `mount --bind '${home}' '${home}' && mount -t tmpfs tmpfs /var/tmp && mount -o remount,bind,ro / && exec '${join(SERVICE, 'entry.sh')}' "$@"`
  const start = (...args: string[]) =>
    spawn('unshare', [...namespace, 'sh', '-c', inside, 'sh', ...args], { env: { ...env, TMPDIR: '/var/tmp' } })
  const node = start('up', '--json')
  let said = ''
  node.stderr.on('data', (part: Buffer) => (said += part.toString()))
  const url = await new Promise<string>((found, lost) => {
    let out = ''
    node.stdout.on('data', (part: Buffer) => {
      out += part.toString()
      const [, gateway] = /"type":"listening".*"gateway":"([^"]+)"/.exec(out) ?? []
      if (gateway !== undefined) found(gateway)
    })
    node.once('exit', code => lost(new Error(`it ended with ${code}: ${said}`)))
  })
  expect((await fetch(`${url}/livez`)).status).toBe(200)
  const key = await readFile(join(home, 'identity.key'))
  const ended = new Promise(done => node.once('exit', done))
  node.kill('SIGKILL')
  await ended
  expect(await readFile(join(home, 'identity.key'))).toEqual(key)
})
