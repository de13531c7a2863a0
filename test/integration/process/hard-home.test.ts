/** Homes on file systems that cannot be written to: full to the last byte, or read-only. Needs the right to mount; says so without it. */
import { execFile } from 'node:child_process'
import { chmod, cp, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { gcReportSchema } from '../../../node/api/upkeep.ts'
import { createProcessNodes, type ProcessNodes } from '../../helpers/process-node.ts'

const run = promisify(execFile)
const FIXTURE = join(import.meta.dirname, '..', '..', 'fixtures', 'home-0')

let nodes: ProcessNodes
let canMount: boolean
const mounted: string[] = []

beforeAll(async () => {
  nodes = await createProcessNodes()
  canMount = await mount('tmpfs', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs']).then(
    () => true,
    () => false
  )
})
afterAll(async () => {
  for (const path of mounted) await run('umount', [path])
  await nodes[Symbol.asyncDispose]()
})

async function mount(name: string, options: string[]): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `coopt-${name}-`))
  await run('mount', [...options, path]).catch(async (error: unknown) => {
    await rm(path, { recursive: true })
    throw error
  })
  mounted.unshift(path)
  return path
}

/** Write until not one more byte fits. */
async function fill(folder: string): Promise<void> {
  const file = await open(join(folder, 'filler'), 'w')
  try {
    for (let bytes = 65_536; bytes >= 1;) {
      try {
        const { bytesWritten } = await file.write(new Uint8Array(bytes))
        if (bytesWritten === 0) bytes = Math.floor(bytes / 2)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' })
        bytes = Math.floor(bytes / 2)
      }
    }
  } finally {
    await file.close()
  }
}

async function homeOn(folder: string, { migrated }: { migrated: boolean }): Promise<void> {
  await cp(FIXTURE, folder, { recursive: true })
  await chmod(join(folder, 'identity.key'), 0o600)
  if (migrated) await writeFile(join(folder, 'version'), '1\n')
}

test.for([true, false])('gc and status run on a full disk (home of this version: %s)', async (migrated, { skip }) => {
  skip(!canMount, 'mounting a file system is not permitted here')
  const home = await mount('full', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs'])
  await homeOn(home, { migrated })
  await fill(home)
  const report = await nodes.run(home, gcReportSchema, 'gc')
  expect(report.left).toBeGreaterThan(0)
  expect(await nodes.start(home, ['status']).ended).toMatchObject({ code: 0 })
  expect(await nodes.start(home, ['up']).ended).toMatchObject({ code: 75 })
  expect(await readdir(join(home, 'LOCK'))).toEqual([])
})

test('a home on a read-only file system is called by that, and nothing is said to be left behind', async ({ skip }) => {
  skip(!canMount, 'mounting a file system is not permitted here')
  const home = await mount('home', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs'])
  await homeOn(home, { migrated: true })
  await run('mount', ['-o', 'remount,ro', home])
  for (const [path, command] of [
    [home, 'status'],
    [home, 'gc'],
    [join(home, 'new'), 'init']
  ] as const) {
    const { code, said } = await nodes.start(path, [command]).ended
    expect({ code, said }, command).toEqual({
      code: 4,
      said: `coopt: the home ${path} is on a read-only file system: remount it writable, or use another home (--home)\n`
    })
  }
})

test('a port that is taken ends up with the code for input, naming port, key and file', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const { path } = await nodes.home('port', { network: { listen: [`/ip4/127.0.0.1/tcp/${port}`] } })
  const { code, said } = await nodes.start(path, ['up']).ended
  expect(code).toBe(4)
  expect(said).toContain(`port ${port} is taken`)
  expect(said).toContain(`"network.listen" of ${join(path, 'config.json')}`)

  const { path: other } = await nodes.home('api')
  const api = await nodes.start(other, ['up', '--api-port', `${port}`]).ended
  expect(api).toMatchObject({ code: 4 })
  expect(api.said).toContain(`port ${port} for the local API is taken`)
})
