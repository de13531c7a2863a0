/**
 * A stock Kubo daemon for one test: own repository, own swarm, loopback only, nothing public. It is driven by its command line, as
 * people do, and closed when the test is over.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { findKubo } from '../../scripts/interop/kubo.ts'
import { temporaryFolder } from './test-node.ts'

const run = promisify(execFile)

/** Dataset files of a test are some MiB, listings some KiB. */
const MAX_OUTPUT = 256 * 1024 * 1024

export const kubo = await findKubo()

if (kubo === undefined) {
  process.stderr.write(
    'SKIPPED: there is no Kubo; "node scripts/interop/kubo.ts" builds it, or name one in COOPT_KUBO\n'
  )
}

/** What the documentation tells people to give to `ipfs add`, so that they get our CIDs. */
export const ADD_SETTINGS = [
  '--cid-version=1',
  '--raw-leaves',
  '--chunker=size-1048576',
  '--max-file-links=1024'
] as const

export interface KuboDaemon {
  readonly peer: string
  readonly repository: string
  /** `http://127.0.0.1:PORT` of its own gateway */
  readonly gateway: string
  /** On loopback, each with /p2p/PEER */
  addresses(): Promise<string[]>
  /** `ipfs ARGS`: stdout without the last line break. Rejects with what it said. */
  ipfs(...args: string[]): Promise<string>
}

export interface KuboInit {
  /** Contents of its swarm.key */
  swarmKey?: string
  /** Its configuration, key by key, in JSON */
  config?: Readonly<Record<string, unknown>>
}

export async function startKubo({ swarmKey, config = {} }: KuboInit = {}): Promise<KuboDaemon> {
  if (kubo === undefined) throw new Error('there is no Kubo')
  const program = kubo
  const repository = await temporaryFolder()
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    IPFS_PATH: repository,
    IPFS_TELEMETRY: 'off',
    ...(swarmKey === undefined ? {} : { LIBP2P_FORCE_PNET: '1' })
  }
  const ipfs = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(program, args, { env, maxBuffer: MAX_OUTPUT })
    return stdout.replace(/\n$/, '')
  }

  // the profile "test": every address on loopback and a free port, no bootstrappers, mDNS, AutoTLS, AutoConf
  await ipfs('init', '--profile=test', '--empty-repo')
  const settings = {
    'Routing.Type': 'none',
    'HTTPRetrieval.Enabled': false,
    'Provide.Enabled': false,
    'Swarm.RelayClient.Enabled': false,
    'Swarm.RelayService.Enabled': false,
    // the stack that both have
    'Swarm.Transports.Network.QUIC': false,
    'Swarm.Transports.Network.Websocket': false,
    'Swarm.Transports.Network.WebTransport': false,
    'Swarm.Transports.Network.WebRTCDirect': false,
    ...config
  }
  for (const [key, value] of Object.entries(settings)) await ipfs('config', '--json', key, JSON.stringify(value))
  if (swarmKey !== undefined) await writeFile(join(repository, 'swarm.key'), swarmKey, { mode: 0o600 })

  const daemon = spawn(program, ['daemon', '--migrate=false'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(daemon, 'exit')
  onTestFinished(async () => {
    daemon.kill('SIGKILL')
    await exited
  })
  const said: string[] = []
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
  const ready = (async () => {
    for await (const line of createInterface({ input: daemon.stdout })) {
      said.push(`${line}\n`)
      if (line.startsWith('Daemon is ready')) return true
    }
    return false
  })()
  if (!(await ready)) throw new Error(`Kubo did not start: ${said.join('')}`)
  daemon.stdout.resume()

  const { ID: peer } = JSON.parse(await ipfs('id')) as { ID: string }
  return {
    peer,
    repository,
    gateway: (await readFile(join(repository, 'gateway'), 'utf8')).trim(),
    addresses: async () => {
      const { Addresses } = JSON.parse(await ipfs('id')) as { Addresses: string[] | null }
      return (Addresses ?? []).filter(address => address.startsWith('/ip4/127.0.0.1/tcp/'))
    },
    ipfs
  }
}
