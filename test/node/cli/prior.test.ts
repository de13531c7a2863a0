import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CoOptApi } from '../../../node/api/api.ts'
import type { SharedReport } from '../../../node/api/reports.ts'
import { initHome } from '../../../node/home/init-home.ts'
import * as localApi from '../../../node/cli/backend.ts'
import { pbCid, rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { MANIFEST, PEER, priorReport } from '../../helpers/fake-reports.ts'
import { runCommand } from '../../helpers/run-command.ts'
import { bundledPrior } from '../../helpers/test-node.ts'

const INVITE = encodeInvite({ swarm: rawCid(Uint8Array.of(1)), addresses: ['/ip4/127.0.0.1/tcp/4001'] })
const DATASET = pbCid(Uint8Array.of(2)).toString()

const shared: SharedReport = {
  manifest: MANIFEST,
  name: 'photos',
  rows: 500,
  present: 500,
  uniformValue: -2.75,
  gate: { z: 3.5, threshold: 5, margin: -1.5, ok: false, rowsNeeded: 720 },
  priors: 2,
  unjudged: 1,
  ranks: [
    { policy: 'uniformity', figure: -2.75, rank: 2, of: 3, elected: false },
    { policy: 'predictivity', of: 2, elected: false, reason: 'not eligible' }
  ],
  reference: { cid: MANIFEST, peer: PEER, prior: 'resnet20' },
  alignment: { looR2: 0.01, looCosine: 0.4, looZ: 6.25, minLooZ: 4 },
  imagesPerSecond: 42,
  admitted: true,
  refusals: []
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-cli-'))
  await mkdir(join(folder, 'home'))
})
afterEach(async () => await rm(folder, { recursive: true, maxRetries: 5 }))

async function run(args: string[], answers: Partial<CoOptApi> = {}, backend?: typeof localApi) {
  const { backend: fake, ...ran } = await runCommand([...args, '--home', join(folder, 'home')], answers, {
    cwd: folder,
    ...(backend === undefined ? {} : { backend })
  })
  return { ...ran, fake }
}

describe('coopt prior check --shared', () => {
  it('asks through a node with a network for an invite, without one for a merged dataset', async () => {
    for (const [text, network] of [
      [INVITE, true],
      [rawCid(Uint8Array.of(1)).toString(), true],
      [DATASET, false]
    ] as const) {
      const { code, fake, api } = await run(['prior', 'check', 'p', '--shared', text, '--output', 'feat', '--json'])
      expect(code, text).toBe(0)
      expect(fake.opened).toMatchObject([{ options: { network } }])
      expect(api.calls.map(({ name, args }) => [name, args])).toEqual([
        ['priorCheck', [join(folder, 'p'), { output: 'feat', shared: text }]]
      ])
    }
    expect((await run(['prior', 'check', 'p', '--shared', INVITE.slice(0, -6)])).code).toBe(4)
  })

  it('gives a node, and join, the paths of images and settings as this directory sees them, and URLs as they are', async () => {
    const url = 'http://127.0.0.1:8000/v2/models/m'
    const paths = ['--images', 'i', '--preprocessing', 's.json', '--key', 'k']
    const absolute = { images: join(folder, 'i'), preprocessing: join(folder, 's.json'), key: 'k' }
    for (const [prior, location] of [
      ['t.npy', join(folder, 't.npy')],
      [url, url]
    ] as const) {
      const checked = await run(['prior', 'check', prior, '--shared', INVITE, '--image', 'x.png', ...paths])
      expect(checked.api.calls[0]?.args).toEqual([
        location,
        { ...absolute, image: join(folder, 'x.png'), shared: INVITE }
      ])
      const joined = await run(['join', INVITE, '--prior', prior, ...paths])
      expect(joined.api.calls[0]?.args[1]).toEqual({ ...absolute, prior: location, once: false })
    }
  })

  it('asks a node for a bundle that is named by its CID', async () => {
    const { code, fake, api } = await run(['prior', 'check', DATASET, '--json'])
    expect(code).toBe(0)
    expect(fake.opened).toMatchObject([{ options: { network: true } }])
    expect(api.calls.map(({ name, args }) => [name, args])).toEqual([['priorCheck', [DATASET, {}]]])
  })

  it('prints every figure beside its threshold, or one JSON object, and ends with 5 when the swarm would refuse', async () => {
    const answer = (report: SharedReport) => ({ priorCheck: async () => ({ ...priorReport, shared: report }) })
    const good = await run(['prior', 'check', 'p', '--shared', INVITE], answer(shared))
    expect(good.code).toBe(0)
    expect(good.out).toMatch(/BELOW +gate: targets and reference features +3\.50 +5\.00 +-1\.50/)
    expect(good.out).toMatch(/ok +alignment: predictions of the reference +6\.25 +4\.00 +\+2\.25/)
    expect(good.out).toMatch(/rows needed +about 720 shared rows/)
    expect(good.out).toMatch(/aligned +leave-one-out R2 0\.0100, cosine 0\.4000/)
    expect(good.out).toMatch(/uniformity +-2\.7500 +2 of 3 +no/)
    expect(good.out).toContain('would be admitted; nothing was published')
    expect(good.out).toContain('42.0 images/s on them')

    const refused = { ...shared, admitted: false, refusals: ['z is 3.50 on 500 shared rows, this swarm requires 5'] }
    const bad = await run(['prior', 'check', 'p', '--shared', INVITE], answer(refused))
    expect(bad.code).toBe(5)
    expect(bad.out).toContain('would be REFUSED: z is 3.50')
    const machine = await run(['prior', 'check', 'p', '--shared', INVITE, '--json'], answer(refused))
    expect([machine.code, JSON.parse(machine.out)]).toEqual([5, { ...priorReport, shared: refused }])

    const { reference: _r, alignment: _a, ...first } = { ...shared, priors: 0, unjudged: 0 }
    const alone = await run(['prior', 'check', 'p', '--shared', INVITE], answer(first))
    expect(alone.out).toContain('none yet: this would be the first')
    expect(alone.out).not.toContain('predictions of the reference')
  })
})

describe('coopt prior pack and what takes bundles', () => {
  it('writes a bundle that prior check calls reexecutable, and refuses it when it was changed', async () => {
    const model = bundledPrior('vgg_small')
    const packed = await run(['prior', 'pack', model, '--out', 'b', '--license', 'MIT', '--json'], {}, localApi)
    expect([packed.err, packed.code]).toEqual(['', 0])
    const report = JSON.parse(packed.out) as { cid: string }
    expect(report).toMatchObject({ name: 'vgg_small', license: 'MIT', out: join(folder, 'b'), stored: false })
    const checked = await run(['prior', 'check', 'b'], {}, localApi)
    expect(checked.code).toBe(0)
    expect(checked.out).toMatch(/bundle +bafy/)
    expect(checked.out).toContain('reexecutable: 8 golden features reproduced within')
    const facts = join(folder, 'b', 'bundle.json')
    await writeFile(facts, (await readFile(facts, 'utf8')).replace('"dimension": ', '"dimension": 1'))
    const spoilt = await run(['prior', 'check', 'b'], {}, localApi)
    expect(spoilt.code).toBe(4)
    expect(spoilt.out).toContain('says that its features have')
    expect((await run(['prior', 'pack', model, '--out', 'b'], {}, localApi)).code, 'nothing is overwritten').toBe(4)
  })

  it('keeps a bundle in the home when asked to: imported and pinned', async () => {
    const home = join(folder, 'home')
    await initHome(home, {})
    const model = bundledPrior('vgg_small')
    expect((await run(['prior', 'pack', model, '--out', 'b', '--store'], {}, localApi)).code).toBe(2)
    const stored = await run(['prior', 'pack', model, '--out', 'b.car', '--store', '--json'], {}, localApi)
    expect([stored.err, stored.code]).toEqual(['', 0])
    const { cid } = JSON.parse(stored.out) as { cid: string }
    const pinned = await run(['gc', '--json'], {}, localApi)
    expect(JSON.parse(pinned.out)).toMatchObject({ blocks: 0 })
    expect(await readFile(join(home, 'pins.json'), 'utf8')).toContain(cid)
  })

  it('gives join a bundle by CID as it is, and verify rows to run again only when asked', async () => {
    const joined = await run(['join', INVITE, '--prior', DATASET, '--once', '--json'])
    expect(joined.api.calls[0]?.args[1]).toMatchObject({ prior: DATASET })
    for (const [args, options] of [
      [[], {}],
      [['--sample', '7'], { rerun: 7 }],
      [['--rerun'], { rerun: 32 }],
      [['--rerun', '--sample', '7'], { rerun: 7 }]
    ] as const) {
      const { api } = await run(['verify', DATASET, ...args, '--json'])
      expect(api.calls[0]?.args, args.join(' ')).toEqual([DATASET, options])
    }
    expect((await run(['verify', DATASET, '--rerun', '--sample', '0'])).code).toBe(2)
  })
})
