import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CoOptApi } from '../../../node/api/api.ts'
import type { JoinReport } from '../../../node/api/reports.ts'
import type { Backend } from '../../../node/cli/backend.ts'
import type { CliContext } from '../../../node/cli/context.ts'
import { runProgram } from '../../../node/cli/program.ts'
import { connectApi } from '../../../node/api/http/client.ts'
import { serveApi } from '../../../node/api/http/server.ts'
import { rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import {
  AlignmentRefusedError,
  ContentUnavailableError,
  DamagedStoreError,
  HomeLockedError,
  InvalidInputError,
  PriorRefusedError,
  StoreFullError
} from '../../../src/errors.ts'
import { batch, fakeApi, fakeBackend, untilAborted } from '../../helpers/fake-api.ts'
import {
  joinReport,
  MERGED,
  mergeReport,
  PEER,
  priorReport,
  publishReport,
  statusReport
} from '../../helpers/fake-reports.ts'
import { commandContext, jsonLines, runCommand } from '../../helpers/run-command.ts'

const SWARM = rawCid(new Uint8Array([1]))
const INVITE = encodeInvite({ swarm: SWARM, addresses: ['/ip4/127.0.0.1/tcp/4001'] })

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-cli-'))
})
afterEach(async () => {
  await rm(home, { recursive: true })
})

const run = async (args: string[], answers: Partial<CoOptApi> = {}, more: Partial<CliContext> = {}) =>
  await runCommand(args[0] === '--home' ? args : [...args, '--home', home], answers, more)
const context = commandContext
const json = jsonLines

describe('coopt', () => {
  it('prints one JSON object per short command, equal to the report', async () => {
    const cases: [string[], unknown][] = [
      [['init'], { home, peer: PEER, created: true }],
      [['status'], statusReport],
      [['prior', 'check', 'p.onnx'], priorReport],
      [['merge', INVITE], mergeReport],
      [
        ['verify', SWARM.toString()],
        { ok: true, checks: [{ name: 'manifest', ok: true, detail: 'signed by its publisher' }] }
      ]
    ]
    for (const [args, report] of cases) {
      const { code, out, err } = await run([...args, '--json'])
      expect({ code, err, lines: json(out) }, args.join(' ')).toEqual({ code: 0, err: '', lines: [report] })
    }
    const { out } = await run(['peers', '--json'])
    expect(json(out)).toMatchObject([{ peers: [{ connected: true }] }])
    expect(json((await run(['version', '--json'])).out)).toMatchObject([{ node: process.versions.node }])
  })

  it('prints events as JSON lines and the result last for long commands', async () => {
    const published = await run(['publish', 'images', '--name', 'sample', '--json'], {
      publish: async (_, __, call) => {
        call?.onEvent?.({ type: 'building', step: 'hash', done: 1, total: 2 })
        return publishReport
      }
    })
    expect(json(published.out)).toEqual([
      { type: 'building', step: 'hash', done: 1, total: 2 },
      { type: 'result', ...publishReport }
    ])
    const joined = await run(['join', INVITE, '--prior', 'p', '--once', '--json'], {
      join: async (_, __, call) => {
        call?.onEvent?.(batch(5))
        return joinReport
      }
    })
    expect(json(joined.out)).toEqual([batch(5), { type: 'result', ...joinReport }])
  })

  it('keeps stdout for results when people read it', async () => {
    const { code, out, err } = await run(['join', INVITE, '--prior', 'p', '--once'], {
      join: async (_, __, call) => {
        call?.onEvent?.({ type: 'partition', partition: 3, state: 'done', rows: 125 })
        return joinReport
      }
    })
    expect(code).toBe(0)
    expect(out).toContain(MERGED)
    expect(out).not.toContain('partition 3')
    expect(err).toBe('partition 3: done (125 rows)\n')
  })

  it('prints a table of peers with the reasons of a refusal', async () => {
    const { out } = await run(['status'])
    expect(out).toMatch(/resnet20 +-2\.5000 +yes +1\.0000 +1\.0000 +12/)
    expect(out).toMatch(/noise +-3\.9000 +no +- +- +0\n/)
    expect(out).toContain('is refused  noise: R2 0.01, at least 0.1')
  })

  it('makes an invite, and marks on stderr what nobody has verified', async () => {
    const addresses = [
      { address: '/ip4/5.9.0.1/tcp/20001', verified: false },
      { address: '/ip4/10.0.0.1/tcp/20001', verified: true }
    ]
    const invite = async () => ({ manifest: 'M', invite: 'coopt1abc', addresses })
    const { out, err } = await run(['invite'], { invite })
    expect(out).toBe('coopt1abc\n')
    expect(err).toContain('/ip4/5.9.0.1/tcp/20001 (not verified: no member has tried it yet)')
    expect(err).toMatch(/10\.0\.0\.1\/tcp\/20001\n/)
  })

  it('takes several sources, of files and on IPFS, and says what became of duplicates and broken images', async () => {
    const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
    const published = await run(['publish', 'a.tar', cid, '--name', 'N', '--dedupe', '--skip-bad'], {
      publish: async () => ({
        ...publishReport,
        leftOut: [
          { reason: 'hidden', count: 5, examples: ['._a.jpg', '._b.jpg', '._c.jpg'] },
          { reason: 'broken', count: 2, examples: ['x.jpg', 'y.tar'] }
        ]
      })
    })
    expect(published.out).toContain('3 duplicates, dropped')
    expect(published.out).toContain('5 hidden files and files of the system (._a.jpg, ._b.jpg, ._c.jpg, …)')
    expect(published.out).toContain('2 images and archives that cannot be used (x.jpg, y.tar)')
    expect(published.api.calls[0]?.args).toEqual([
      '/work-dir/a.tar',
      {
        name: 'N',
        partitions: 16,
        dimension: 256,
        more: [`/ipfs/${cid}`],
        dedupe: true,
        skipBad: true
      }
    ])
  })

  it('hands the options on, with absolute paths', async () => {
    const published = await run([
      'publish',
      'images',
      '--name',
      'N',
      '--partitions',
      '4',
      '--shared',
      '100',
      '--dim',
      '64',
      '--reference-prior',
      'ref',
      '--election',
      'predictivity',
      '--centred',
      '--allow',
      'A',
      'B'
    ])
    expect(published.api.calls[0]?.args).toEqual([
      '/work-dir/images',
      {
        name: 'N',
        partitions: 4,
        shared: 100,
        dimension: 64,
        referencePrior: '/work-dir/ref',
        election: 'predictivity',
        centred: true,
        allow: ['A', 'B']
      }
    ])
    const joined = await run([
      'join',
      INVITE,
      '--prior',
      '../p.onnx',
      '--threads',
      '2',
      '--max-partitions',
      '3',
      '--output',
      'feat',
      '--name',
      'me',
      '--license',
      'MIT'
    ])
    expect(joined.api.calls[0]?.args).toEqual([
      INVITE,
      { prior: '/p.onnx', once: false, threads: 2, maxPartitions: 3, output: 'feat', name: 'me', license: 'MIT' }
    ])
    const checked = await run(['prior', 'check', '/abs/p', '--image', 'x.png'])
    expect(checked.api.calls[0]?.args).toEqual(['/abs/p', { image: '/work-dir/x.png' }])
    const merged = await run(['merge', INVITE, '--out', 'data'])
    expect(merged.api.calls[0]?.args).toEqual([INVITE, { out: '/work-dir/data' }])
    expect(joined.backend.opened).toMatchObject([{ home, options: { network: true } }])
    expect(checked.backend.opened).toEqual([]) // checking a prior needs no home
  })

  it('takes the defaults that the help names', async () => {
    const { api } = await run(['publish', 'images', '--name', 'N'])
    expect(api.calls[0]?.args[1]).toEqual({ name: 'N', partitions: 16, dimension: 256 })
  })

  it('finds the home: option, COOPT_HOME, XDG, ~/.local/share', async () => {
    const api = fakeApi()
    const backend = fakeBackend(api)
    const homeOf = async (args: string[], env: Record<string, string>): Promise<string | undefined> => {
      await runProgram(['init', ...args], context(backend, { env }).context)
      return backend.initialised.at(-1)?.home
    }
    const all = { COOPT_HOME: '/c', XDG_DATA_HOME: '/x', HOME: '/h' }
    expect(await homeOf(['--home', 'o'], all)).toBe('/work-dir/o')
    expect(await homeOf([], all)).toBe('/c')
    expect(await homeOf([], { XDG_DATA_HOME: '/x', HOME: '/h' })).toBe('/x/coopt')
    expect(await homeOf([], { XDG_DATA_HOME: 'relative', HOME: '/h' })).toBe('/h/.local/share/coopt')
  })

  it('takes the common options before and after the command', async () => {
    const { code, out, backend } = await run(['--home', '/before', '--json', 'init'])
    expect(code).toBe(0)
    expect(json(out)).toHaveLength(1)
    expect(backend.initialised[0]?.home).toBe('/before')
  })

  it('exits with 2 on a wrong command line, without opening anything', async () => {
    const wrong = [
      [],
      ['frobnicate'],
      ['join', INVITE],
      ['join', '--prior', 'p'],
      ['publish', 'images'],
      ['publish', 'images', '--name', 'N', '--partitions', '0'],
      ['publish', 'images', '--name', 'N', '--partitions', '1e3'],
      ['publish', 'images', '--name', 'N', '--partitions', '-4'],
      ['publish', 'images', '--name', 'N', '--election', 'coin'],
      ['join', INVITE, '--prior', 'p', '--threads', '257'],
      ['status', INVITE, 'extra'],
      ['status', '--unknown'],
      ['prior']
    ]
    for (const args of wrong) {
      const { code, out, err, backend } = await run(args)
      expect({ code, out, opened: backend.opened }, args.join(' ')).toEqual({ code: 2, out: '', opened: [] })
      expect(err, args.join(' ')).toMatch(/coopt: .+/)
    }
  })

  it('exits with 4 on a cut invite or a wrong CID before anything is opened', async () => {
    for (const args of [
      ['join', INVITE.slice(0, -6), '--prior', 'p'],
      ['merge', 'hello'],
      ['verify', 'hello']
    ]) {
      const { code, err, backend } = await run(args)
      expect({ code, opened: backend.opened }, args.join(' ')).toEqual({ code: 4, opened: [] })
      expect(err).toMatch(/^coopt: .+\n$/)
    }
  })

  it('gives every kind of failure its exit code and one line', async () => {
    const failures: [Error, number][] = [
      [new Error('surprise'), 1],
      [new HomeLockedError('held by process 17'), 3],
      [new InvalidInputError('not an image'), 4],
      [new PriorRefusedError('not eligible'), 5],
      [new AlignmentRefusedError('below the floor'), 5],
      [new ContentUnavailableError('nobody has it'), 6],
      [new DamagedStoreError('the key file is empty'), 8],
      [new DOMException('interrupted', 'AbortError'), 9],
      [new StoreFullError('disk full'), 75]
    ]
    for (const [error, code] of failures) {
      const fail = async (): Promise<never> => {
        throw error
      }
      const plain = await run(['status'], { status: fail })
      expect(plain, error.name).toMatchObject({ code, out: '', err: `coopt: ${error.message}\n` })
      expect(plain.api.closed, 'the home is let go').toBe(1)
      const machine = await run(['status', '--json'], { status: fail })
      expect(json(machine.out)).toEqual([{ error: { name: error.name, message: error.message, exitCode: code } }])
    }
  })

  it('tells a failed verification and a refused prior by exit code, with the whole report', async () => {
    const verified = await run(['verify', SWARM.toString(), '--json'], {
      verify: async () => ({ ok: false, checks: [{ name: 'election', ok: false, detail: 'another winner' }] })
    })
    expect(verified.code).toBe(7)
    expect(json(verified.out)).toMatchObject([{ ok: false }])
    const checked = await run(['prior', 'check', 'p'], {
      priorCheck: async () => ({ ...priorReport, refusals: ['operator Loop is not allowed'] })
    })
    expect(checked.code).toBe(4)
    expect(checked.out).toContain('operator Loop is not allowed')
  })

  it('leaves cleanly on the first Ctrl-C: 0 for join, 9 for join --once that is not complete', async () => {
    for (const [once, expected] of [
      [false, 0],
      [true, 9]
    ] as const) {
      const interrupt = new AbortController()
      const { code, api } = await run(
        ['join', INVITE, '--prior', 'p', ...(once ? ['--once'] : [])],
        {
          join: async (_, __, call) => {
            interrupt.abort()
            await untilAborted(call?.signal).catch(() => undefined)
            return { ...joinReport, complete: false }
          }
        },
        { signal: interrupt.signal }
      )
      expect(code).toBe(expected)
      expect(api.closed).toBe(1)
    }
  })

  it('exits with 11 after join --once whose own work nobody confirmed, and with 0 if it is work of others', async () => {
    for (const [own, expected] of [
      [[3], 11],
      [[], 0]
    ] as const) {
      const unconfirmed = own.length === 0 ? {} : { unconfirmed: [...own] }
      const join = async (): Promise<JoinReport> => ({ ...joinReport, complete: false, ...unconfirmed })
      const { code, out } = await run(['join', INVITE, '--prior', 'p', '--once'], { join })
      expect(code).toBe(expected)
      expect(out.includes('keep it available with "coopt up"')).toBe(expected === 11)
    }
  })

  it('exits with 9 when it is stopped at once', async () => {
    const kill = new AbortController()
    const { code } = await run(
      ['join', INVITE, '--prior', 'p'],
      {
        join: async (_, __, call) => {
          kill.abort(new DOMException('stopped', 'AbortError'))
          return await untilAborted(call?.kill)
        }
      },
      { kill: kill.signal }
    )
    expect(code).toBe(9)
  })

  it('talks to the daemon when one runs, with the same output', async () => {
    const api = fakeApi()
    const server = await serveApi(api, { home })
    try {
      const forbidden: Backend = {
        initHome: () => Promise.reject(new Error('unused')),
        openLocal: () => Promise.reject(new Error('opened beside the daemon')),
        checkPrior: () => Promise.reject(new Error('unused')),
        packPrior: () => Promise.reject(new Error('unused')),
        listDevices: () => Promise.reject(new Error('unused')),
        simulate: () => Promise.reject(new Error('unused'))
      }
      const { context: given, printed } = context(forbidden)
      expect(await runProgram(['status', '--json', '--home', home], given)).toBe(0)
      expect(json(printed.out)).toEqual([statusReport])
      expect(api.calls.map(call => call.name)).toEqual(['status'])
    } finally {
      await server.close()
    }
  })

  it('serves other commands while up, says when it is ready, and leaves on Ctrl-C', async () => {
    const interrupt = new AbortController()
    const ready = Promise.withResolvers<void>()
    const api = fakeApi()
    const { context: given, printed } = context(fakeBackend(api), { signal: interrupt.signal })
    const running = runProgram(['up', '--json', '--home', home], {
      ...given,
      stdout: text => {
        given.stdout(text)
        ready.resolve()
      }
    })
    await ready.promise
    expect(json(printed.out)).toEqual([{ type: 'listening', peer: PEER, addresses: statusReport.addresses }])
    expect((await (await connectApi(home))?.status())?.peer).toBe(PEER)
    interrupt.abort()
    expect(await running).toBe(0)
    expect(api.closed).toBe(1)
    expect(await connectApi(home)).toBeUndefined()
  })

  it('shows help for every command', async () => {
    for (const command of [
      'init',
      'publish',
      'up',
      'down',
      'join',
      'status',
      'peers',
      'prior',
      'merge',
      'verify',
      'version'
    ]) {
      const { code, out } = await run([command, '--help'])
      expect(code).toBe(0)
      expect(out).toContain('--home')
      expect(out).toContain('--json')
    }
  })
})
