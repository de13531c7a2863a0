/**
 * A `CoOptApi` with answers given by the test, for the commands and the local API: no store, no network.
 */
import type { CallOptions, CoOptApi } from '../../node/api/api.ts'
import type { ApiEvent } from '../../node/api/events.ts'
import type { Backend, LocalApi, OpenOptions } from '../../node/cli/backend.ts'
import type { InitOptions } from '../../node/api/options.ts'
import {
  PEER,
  MANIFEST,
  MERGED,
  publishReport,
  joinReport,
  statusReport,
  mergeReport,
  priorReport,
  deviceReport,
  evaluateReport
} from './fake-reports.ts'

export interface FakeApi extends LocalApi {
  readonly calls: { name: string; args: unknown[]; call: CallOptions }[]
  closed: number
}

/** Every operation answers with the reports above, unless `answers` has another way. */
export function fakeApi(answers: Partial<CoOptApi> = {}): FakeApi {
  const calls: FakeApi['calls'] = []
  const reports: CoOptApi = {
    publish: async () => publishReport,
    join: async () => joinReport,
    status: async () => statusReport,
    invite: async () => ({ manifest: MANIFEST, invite: 'coopt1abc', addresses: [] }),
    peers: async () => [{ peer: PEER, addresses: ['/ip4/127.0.0.1/tcp/4001'], connected: true, swarms: [MANIFEST] }],
    priorCheck: async () => priorReport,
    merge: async () => mergeReport,
    verify: async () => ({ ok: true, checks: [{ name: 'manifest', ok: true, detail: 'signed by its publisher' }] }),
    export: async (cid, options) => ({
      cid,
      files: 1,
      bytes: 3,
      written: Object.values(options).filter(path => path !== undefined)
    }),
    evaluate: async () => evaluateReport,
    import: async () => ({ roots: [MERGED], blocks: 2, bytes: 6, rounds: [] }),
    gc: async ({ dryRun }) => ({ dryRun, blocks: 7, bytes: 7_000_000, left: 5_000_000 }),
    pin: async (cid, { service }) => ({
      cid,
      blocks: 3,
      bytes: 3_000_000,
      ...(service === undefined ? {} : { service: { url: service.url, request: 'r1', status: 'pinned' as const } })
    }),
    unpin: async () => true,
    provide: async cid => ({ cid, peers: 2 }),
    stop: async () => undefined,
    ...answers
  }
  const note = (name: string, args: unknown[], call: CallOptions = {}): void => void calls.push({ name, args, call })
  return {
    calls,
    closed: 0,
    publish: async (source, options, call) => (
      note('publish', [source, options], call),
      await reports.publish(source, options, call)
    ),
    join: async (invite, options, call) => (
      note('join', [invite, options], call),
      await reports.join(invite, options, call)
    ),
    status: async (invite, call) => (note('status', [invite], call), await reports.status(invite, call)),
    invite: async (swarm, call) => (note('invite', [swarm], call), await reports.invite(swarm, call)),
    peers: async call => (note('peers', [], call), await reports.peers(call)),
    priorCheck: async (prior, options, call) => (
      note('priorCheck', [prior, options], call),
      await reports.priorCheck(prior, options, call)
    ),
    merge: async (invite, options, call) => (
      note('merge', [invite, options], call),
      await reports.merge(invite, options, call)
    ),
    verify: async (cid, options, call) => (
      note('verify', [cid, options], call),
      await reports.verify(cid, options, call)
    ),
    export: async (cid, options, call) => (
      note('export', [cid, options], call),
      await reports.export(cid, options, call)
    ),
    evaluate: async (cid, options, call) => (
      note('evaluate', [cid, options], call),
      await reports.evaluate(cid, options, call)
    ),
    import: async (file, call) => (note('import', [file], call), await reports.import(file, call)),
    gc: async (options, call) => (note('gc', [options], call), await reports.gc(options, call)),
    pin: async (cid, options, call) => (note('pin', [cid, options], call), await reports.pin(cid, options, call)),
    unpin: async (cid, call) => (note('unpin', [cid], call), await reports.unpin(cid, call)),
    provide: async (cid, call) => (note('provide', [cid], call), await reports.provide(cid, call)),
    stop: async call => (note('stop', [], call), await reports.stop(call)),
    async close() {
      this.closed++
    }
  }
}

export interface FakeBackend extends Backend {
  readonly opened: { home: string; options: OpenOptions }[]
  readonly initialised: { home: string; options: InitOptions }[]
}

export function fakeBackend(api: LocalApi): FakeBackend {
  const opened: FakeBackend['opened'] = []
  const initialised: FakeBackend['initialised'] = []
  return {
    opened,
    initialised,
    initHome: async (home, options) => {
      initialised.push({ home, options })
      return { home, peer: PEER, created: true }
    },
    openLocal: async (home, options) => {
      opened.push({ home, options })
      return api
    },
    packPrior: async (prior, { out, name = prior }) => ({ cid: MERGED, name, prior: MANIFEST, bytes: 3, out }),
    checkPrior: async (prior, options) => await api.priorCheck(prior, options),
    listDevices: async () => deviceReport,
    simulate: async () => undefined
  }
}

/** A promise that rejects when the signal aborts, for operations that wait. */
export async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_, reject) => {
    if (signal?.aborted === true) reject(signal.reason)
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

export const batch = (done: number): ApiEvent => ({ type: 'batch', partition: 1, done, rows: 100 })
