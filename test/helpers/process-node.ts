/**
 * Nodes as processes of their own, driven through the command line as a user does: JSON lines in, signals out.
 *
 * Nothing here waits for a time: tests wait for events and for the end of a process.
 */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCid } from '../../src/codec.ts'
import { openManifest } from '../../src/distribute/manifest.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { openRecord, type SignedRecord } from '../../src/publish/record.ts'
import type { ApiEvent } from '../../node/api/events.ts'
import type { ConfigFile } from '../../node/home/config.ts'
import { homeAt } from '../../node/home/home.ts'
import { verify } from '../../node/process/verify-signature.ts'
import { initHome } from '../../node/home/init-home.ts'
import { openRecordLog } from '../../node/store/record-log.ts'
import { resultOf, startCoOpt, type Ended } from '../../scripts/coopt-process.ts'

/** Everything that a node waits for, short; loopback only. */
const TEST_CONFIG = {
  network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] },
  timing: {
    leaseMs: 3000,
    settleMs: 500,
    syncMs: 1000,
    discoveryMs: 2000,
    listenMs: 2000,
    catchUpMs: 5000,
    handoffMs: 20_000
  },
  batchSize: 16
} satisfies ConfigFile

export interface ProcessNode {
  readonly pid: number
  /** So far */
  readonly events: readonly ApiEvent[]
  /** The first event like this, past (from number `from` on) or to come. Rejects when the process ends without it. */
  until(isIt: (event: ApiEvent) => boolean, from?: number): Promise<ApiEvent>
  /** Resolves once it has said this on stderr. Rejects when the process ends without it. */
  untilSaid(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ended>
}

export interface StartOptions {
  /** COOPT_FAILPOINT */
  failpoint?: string
  /** TMPDIR */
  temporary?: string
  /** Path of a module that the process loads first */
  import?: string
}

/** Compiled sources are kept from process to process: a start takes two thirds of the time. */
const CACHE = 'compile-cache'

/** A folder of homes and the processes on them. */
export interface ProcessNodes extends AsyncDisposable {
  readonly root: string
  /** Make a home; `config` goes over what all test homes have in common. Returns its peer id and path. */
  home(name: string, config?: ConfigFile): Promise<{ path: string; peer: string }>
  start(home: string, args: readonly string[], options?: StartOptions): ProcessNode
  /** `coopt up`, once it answers. */
  up(home: string): Promise<ProcessNode>
  /** One command to its end: its last JSON line. Rejects when it fails, with what it said. */
  run<T>(home: string, schema: { parse(value: unknown): T }, ...args: string[]): Promise<T>
}

export async function createProcessNodes(): Promise<ProcessNodes> {
  const root = await mkdtemp(join(tmpdir(), 'coopt-processes-'))
  const running = new Set<ProcessNode>()

  const start: ProcessNodes['start'] = (home, args, options = {}) => {
    const node = startProcess(home, args, { ...options, cache: join(root, CACHE) })
    running.add(node)
    void node.ended.then(() => running.delete(node))
    return node
  }

  return {
    root,
    start,
    home: async (name, { network, timing, ...config } = {}) => {
      const path = join(root, name)
      const { peer } = await initHome(path, {
        ...TEST_CONFIG,
        ...config,
        network: { ...TEST_CONFIG.network, ...network },
        timing: { ...TEST_CONFIG.timing, ...timing }
      })
      return { path, peer }
    },
    up: async home => {
      const node = start(home, ['up'])
      await node.until(event => event.type === 'listening')
      return node
    },
    run: async (home, schema, ...args) => schema.parse(resultOf(await start(home, args).ended, `coopt ${args[0]}`)),
    [Symbol.asyncDispose]: async () => {
      for (const node of running) node.kill('SIGKILL')
      await Promise.all([...running].map(async node => await node.ended))
      await rm(root, { recursive: true, force: true })
    }
  }
}

/** Records in the log of a home, own and others', as the node itself would read them. The home may be in use. */
export async function loggedRecords(home: string, manifest: string): Promise<SignedRecord[]> {
  const paths = homeAt(home).swarm(parseCid(manifest))
  const swarm = openManifest(await readFile(paths.manifest), verify)
  const scratch = await mkdtemp(join(tmpdir(), 'coopt-log-'))
  try {
    const copy = join(scratch, 'records.log')
    await copyFile(paths.log, copy).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      await writeFile(copy, '')
    })
    const records: SignedRecord[] = []
    const log = await openRecordLog(copy, { replay: bytes => void records.push(openRecord(bytes, swarm, verify)) })
    await log.close()
    return records
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** A dataset is finished for now, told by `join`. */
export const isComplete = (event: ApiEvent): boolean =>
  event.type === 'log' && event.message === 'every partition has aligned targets'

export const isPublished =
  (kind: 'score' | 'result' | 'alignment') =>
  (event: ApiEvent): boolean =>
    event.type === 'published' && event.kind === kind

export const recordsOf = (records: readonly SignedRecord[], peer: string): SignedRecord[] =>
  records.filter(({ body }) => peerIdOf(body.author) === peer)

// --- internal ---

function startProcess(
  home: string,
  args: readonly string[],
  { failpoint, temporary, import: first, cache }: StartOptions & { cache: string }
): ProcessNode {
  const events: ApiEvent[] = []
  const waiting = new Set<() => void>()
  const listening = new Set<() => void>()
  let said = ''
  const { pid, ended, kill } = startCoOpt(args, {
    home,
    env: {
      NODE_COMPILE_CACHE: cache,
      ...(failpoint === undefined ? {} : { COOPT_FAILPOINT: failpoint }),
      ...(temporary === undefined ? {} : { TMPDIR: temporary }),
      ...(first === undefined ? {} : { NODE_OPTIONS: `--import ${first}` })
    },
    onEvent: event => {
      events.push(event)
      for (const look of waiting) look()
    },
    onSaid: text => {
      said += text
      for (const look of listening) look()
    }
  })

  /** `look` until it finds something: now, and whenever one of `calls` is made. Rejects when the process ends before. */
  const found = async <T>(calls: Set<() => void>, look: () => T | undefined) => {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const call = (): void => {
      const value = look()
      if (value !== undefined) resolve(value)
    }
    calls.add(call)
    call()
    ended.then(
      end => reject(new Error(`coopt ${args[0]} ended (${end.signal ?? end.code}) before that: ${end.said}`)),
      reject
    )
    return await promise.finally(() => calls.delete(call))
  }

  return {
    pid: pid ?? -1,
    events,
    ended,
    kill,
    until: async (isIt, from = 0) => await found(waiting, () => events.slice(from).find(isIt)),
    untilSaid: async text => void (await found(listening, () => said.includes(text) || undefined))
  }
}
