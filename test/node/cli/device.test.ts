import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as localApi from '../../../node/cli/backend.ts'
import { joinOptionsSchema, priorCheckOptionsSchema } from '../../../node/api/options.ts'
import { deviceReportSchema } from '../../../node/api/reports.ts'
import { rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { takesLibraries } from '../../../node/compute/inference/runtime-folder.ts'
import { deviceReport, priorReport } from '../../helpers/fake-reports.ts'
import { jsonLines, runCommand } from '../../helpers/run-command.ts'
import { bundledPrior } from '../../helpers/test-node.ts'

const INVITE = encodeInvite({ swarm: rawCid(Uint8Array.of(1)), addresses: ['/ip4/127.0.0.1/tcp/4001'] })

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-device-'))
})
afterEach(async () => await rm(home, { recursive: true, maxRetries: 5 }))

const real = async (...args: string[]) => await runCommand([...args, '--home', home], {}, { backend: localApi })

describe('coopt device', () => {
  it('says for each device whether it works, and what is missing', async () => {
    const { code, out } = await runCommand(['device'])
    expect(code).toBe(0)
    expect(out).toMatch(/cpu +available\n/)
    expect(out).toMatch(/cuda:0 +no: libcuda\.so\.1 is missing\n +needs a GPU/)
    expect(jsonLines((await runCommand(['device', '--json'])).out)).toEqual([deviceReport])
  })

  it('ends with 4 when the one that was asked about cannot be used', async () => {
    expect((await runCommand(['device', 'cuda'])).code).toBe(4)
    expect((await runCommand(['device', 'gpu'])).code).toBe(2)
  })

  it.runIf(takesLibraries)('looks where the home says, and needs none', async () => {
    const missing = 'libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so of ONNX Runtime'
    const without = await real('device', 'cuda', '--json')
    expect(without.code).toBe(4)
    expect(deviceReportSchema.parse(jsonLines(without.out)[0])).toMatchObject({
      configured: 'cpu',
      devices: [{ name: 'cuda:0', available: false, reason: expect.stringContaining(missing) }]
    })
    await writeFile(
      join(home, 'config.json'),
      JSON.stringify({ inference: { device: 'cuda:1', libraryFolder: join(home, 'none') } })
    )
    expect(jsonLines((await real('device', 'cuda', '--json')).out)).toMatchObject([
      {
        configured: 'cuda:1',
        libraryFolder: join(home, 'none'),
        devices: [{ reason: expect.stringMatching(/none \(inference\.libraryFolder\) cannot be read: ENOENT/) }]
      }
    ])
  })
})

describe('--device', () => {
  it('goes with the prior, and is checked before anything is opened', async () => {
    const joined = await runCommand(['join', INVITE, '--prior', '/p', '--device', 'cuda:1', '--home', home])
    expect(joined.api.calls[0]?.args[1]).toEqual({ prior: '/p', once: false, device: 'cuda:1' })
    const checked = await runCommand(['prior', 'check', '/p', '--device', 'auto'])
    expect(checked.api.calls[0]?.args).toEqual(['/p', { device: 'auto' }])
    const wrong = await runCommand(['join', INVITE, '--prior', '/p', '--device', 'cuda:0,cuda:1'])
    expect({ code: wrong.code, opened: wrong.backend.opened }).toEqual({ code: 2, opened: [] })
    expect(wrong.err).toContain('start a node for each')
  })

  it('is all that a request may say: libraries to load are named by the configuration alone', () => {
    for (const schema of [joinOptionsSchema, priorCheckOptionsSchema])
      for (const more of [{ libraryFolder: '/x' }, { machine: { libraryFolder: '/x' } }])
        expect(schema.safeParse({ prior: '/p', once: false, device: 'cuda', ...more }).error?.issues).toContainEqual(
          expect.objectContaining({ code: 'unrecognized_keys', keys: expect.arrayContaining(Object.keys(more)) })
        )
  })

  it('is told in the report, with what was passed over', async () => {
    const device = { asked: 'auto', took: 'cpu', passedOver: [{ device: 'cuda:0', reason: 'no driver' }] }
    const { out } = await runCommand(['prior', 'check', '/p'], { priorCheck: async () => ({ ...priorReport, device }) })
    expect(out).toMatch(/runs on +cpu \(auto\); not cuda:0: no driver\n/)
  })

  it.runIf(takesLibraries)('that cannot be used ends with 4, and never falls back', async () => {
    const asked = await real('prior', 'check', bundledPrior('resnet20'), '--device', 'cuda', '--json')
    expect(asked.code).toBe(4)
    expect(asked.err).toMatch(/device cuda cannot be used: libonnxruntime_providers_shared\.so and .*--device/)
    await writeFile(join(home, 'config.json'), JSON.stringify({ inference: { device: 'coreml' } }))
    const configured = await real('prior', 'check', bundledPrior('resnet20'))
    expect(configured.code).toBe(4)
    expect(configured.err).toMatch(/device coreml cannot be used: .*has no coreml.*set inference\.device/)
    const instead = await real('prior', 'check', bundledPrior('resnet20'), '--device', 'cpu', '--json')
    expect(instead.code).toBe(0)
    expect(jsonLines(instead.out)[0]).not.toHaveProperty('device')
  })
})
