/** coopt export, coopt import and the gateway options of coopt up, without a node. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { type fakeApi } from '../../helpers/fake-api.ts'
import { statusReport } from '../../helpers/fake-reports.ts'
import { runCommand } from '../../helpers/run-command.ts'

const CID = rawCid(new Uint8Array([7])).toString()

async function run(args: string[], answers: Parameters<typeof fakeApi>[0] = {}, signal = new AbortController().signal) {
  const home = await mkdtemp(join(tmpdir(), 'coopt-cli-'))
  onTestFinished(async () => await rm(home, { recursive: true }))
  return await runCommand([...args, '--home', home], answers, { signal })
}

test('export asks for what is given, with absolute paths', async () => {
  const { code, api, out } = await run(['export', CID, '--car', 'a.car', '--npy', '/abs/b.npy', '--out', '../c'])
  expect(code).toBe(0)
  expect(api.calls.map(({ name, args }) => [name, ...args])).toEqual([
    ['export', CID, { car: '/work-dir/a.car', npy: '/abs/b.npy', out: '/c' }]
  ])
  expect(out).toMatch(/exported +bafk/)
})

test('export without a target is a wrong command, a wrong CID a wrong input', async () => {
  expect(await run(['export', CID])).toMatchObject({ code: 2, err: expect.stringContaining('--car FILE') as string })
  expect(await run(['export', 'nonsense', '--car', 'x'])).toMatchObject({ code: 4 })
})

test('export prints one line of JSON for each event and a result', async () => {
  const { out } = await run(['export', CID, '--webdataset', 'd', '--json'], {
    export: async (cid, _, call) => {
      call?.onEvent?.({ type: 'exporting', step: 'webdataset', done: 256, total: 320 })
      return { cid, files: 4, bytes: 10, rows: 320, withoutTarget: 3, written: ['/work-dir/d'] }
    }
  })
  expect(
    out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as unknown)
  ).toEqual([
    { type: 'exporting', step: 'webdataset', done: 256, total: 320 },
    { type: 'result', cid: CID, files: 4, bytes: 10, rows: 320, withoutTarget: 3, written: ['/work-dir/d'] }
  ])
})

test('import tells which swarm came along', async () => {
  const round = { root: CID, manifest: CID, name: 'birds', records: 12, mergedCid: CID, missing: 1 }
  const { code, api, out } = await run(['import', 'round.car'], {
    import: async () => ({ roots: [CID], blocks: 2, bytes: 6, rounds: [round] })
  })
  expect(code).toBe(0)
  expect(api.calls[0]?.args).toEqual(['/work-dir/round.car'])
  expect(out).toMatch(/swarm +birds[^]*merged +bafk[^]*missing files +1/)
})

test.each([
  [[], {}],
  [['--gateway-port', '9000', '--gateway-any'], { port: 9000, any: true }],
  [['--no-gateway'], undefined]
])('up %j starts the gateway so', async (args, expected) => {
  const gateway = expected === undefined ? {} : { gateway: 'http://127.0.0.1:18480' }
  const { code, backend, err } = await run(
    ['up', ...args],
    { status: async () => ({ ...statusReport, ...gateway }) },
    AbortSignal.abort()
  )
  expect(code).toBe(0)
  expect(backend.opened[0]?.options.gateway).toEqual(expected)
  expect(err.includes('gateway http://127.0.0.1:18480')).toBe(expected !== undefined)
})

test('up refuses a port that is none', async () => {
  expect((await run(['up', '--gateway-port', '70000'])).code).toBe(2)
})
