import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { checkLayers } from '../../scripts/check-layers.ts'

const roots: string[] = []
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true })
})

/** Writes a tree and returns its faults as `file:line message`. */
async function faultsOf(tree: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'coopt-layers-'))
  roots.push(root)
  for (const [path, text] of Object.entries(tree)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return (await checkLayers(root)).map(({ file, line, message }) => `${file}:${line} ${message}`)
}

describe('check-layers', () => {
  it('accepts imports along the layers and the steps', async () => {
    const faults = await faultsOf({
      'src/errors.ts': 'export const a = 1\n',
      'src/distribute/manifest.ts': "import { a } from '../errors.ts'\nexport const b = a\n",
      'src/merge/views.ts':
        "import { z } from 'zod'\nimport type { b } from '../distribute/manifest.ts'\nexport const c = z\n",
      'protocols/sync.ts': "import { c } from '../src/merge/views.ts'\nexport const d = c\n",
      'node/node.ts':
        "import { readFile } from 'node:fs/promises'\nimport { d } from '../protocols/sync.ts'\nexport const e = [d, readFile, Date.now()]\n",
      'scripts/demo.ts': "import { e } from '../node/node.ts'\nconsole.log(e)\n"
    })
    expect(faults).toEqual([])
  })

  it('refuses an import against the layers, types and dynamic imports included', async () => {
    const faults = await faultsOf({
      'src/a.ts': "import type { P } from '../protocols/p.ts'\nexport type A = P\n",
      'src/b.ts': "export type B = import('../node/n.ts').N\n",
      'src/c.ts': "\nexport { p } from '../protocols/p.ts'\n",
      'protocols/p.ts': "export interface P {\n  n: 1\n}\nexport const p = async () => await import('../node/n.ts')\n",
      'node/n.ts': "import {\n  type S\n} from '../scripts/s.ts'\nexport type N = S\n",
      'scripts/s.ts': 'export type S = 1\n'
    })
    expect(faults).toEqual([
      'node/n.ts:3 node does not import scripts (scripts/s.ts)',
      'protocols/p.ts:4 protocols does not import node (node/n.ts)',
      'src/a.ts:1 src does not import protocols (protocols/p.ts)',
      'src/b.ts:1 src does not import node (node/n.ts)',
      'src/c.ts:2 src does not import protocols (protocols/p.ts)'
    ])
  })

  it('refuses an earlier step that imports a later one, and a foundation that imports a step', async () => {
    const faults = await faultsOf({
      'src/errors.ts': "import { m } from './merge/m.ts'\nexport const a = m\n",
      'src/gemm.ts': "import { k } from './kernels/k.ts'\nexport const b = k\n",
      'src/kernels/k.ts': "import { n } from '../matrix.ts'\nexport const k = n\n",
      'src/matrix.ts': 'export const n = 1\n',
      'src/optimize/o.ts': "import { g } from '../align/g.ts'\nexport const o = g\n",
      'src/align/g.ts': 'export const g = 1\n',
      'src/merge/m.ts': 'export const m = 1\n'
    })
    expect(faults).toEqual([
      'src/errors.ts:1 the foundation does not import merge, a later step (src/merge/m.ts)',
      'src/kernels/k.ts:1 src/kernels does not import the foundation, a later step (src/matrix.ts)',
      'src/optimize/o.ts:1 optimize does not import align, a later step (src/align/g.ts)'
    ])
  })

  it('finds time, chance, files and the console in src, but not in comments, strings or names', async () => {
    const faults = await faultsOf({
      'src/bad.ts': [
        "import { readFile } from 'node:fs/promises'",
        'export const now = () => Date.now()',
        'export const coin = () => Math.random() < 0.5',
        'export const log = () => console.log(`${process.pid}`)',
        'export const wait = () => setTimeout(() => fetch("x"), 1)',
        'export { readFile }'
      ].join('\n'),
      'src/good.ts': [
        '// the Date of a process is console business',
        '/* fetch(x) */',
        "export const text = 'process.exit and Date' // console",
        'export const template = `Math.random`',
        'export const row = { process: 1, fetch: 2 }',
        'export const value = row.process + row.fetch',
        'export const quoted = /[\'"`]/.test(text)',
        'export const processed = value',
        'export const more = "it\'s fine"'
      ].join('\n')
    })
    expect(faults).toEqual([
      'src/bad.ts:1 src is pure, it does not import node:fs/promises',
      'src/bad.ts:2 src is pure, it does not use Date',
      'src/bad.ts:3 src is pure, it does not use Math.random',
      'src/bad.ts:4 src is pure, it does not use console',
      'src/bad.ts:4 src is pure, it does not use process',
      'src/bad.ts:5 src is pure, it does not use setTimeout',
      'src/bad.ts:5 src is pure, it does not use fetch'
    ])
  })

  it('finds circles, through types as well', async () => {
    const faults = await faultsOf({
      'node/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
      'node/b.ts': "import { c } from './c.ts'\nexport const b = c\n",
      'node/c.ts': "import type { a } from './a.ts'\nexport const c: typeof a = 1\n"
    })
    expect(faults).toEqual(['node/c.ts:1 a circle of imports: node/a.ts -> node/b.ts -> node/c.ts -> node/a.ts'])
  })

  it('refuses imports that name no file, or a test', async () => {
    const faults = await faultsOf({
      'node/a.ts': "import { b } from './b.js'\nimport { c } from '../test/c.ts'\nexport const a = [b, c]\n",
      'node/b.ts': 'export const b = 1\n'
    })
    expect(faults).toEqual([
      'node/a.ts:1 ./b.js does not exist; imports name the file with its extension',
      'node/a.ts:2 test/c.ts is a test'
    ])
  })

  it('refuses a room of node that imports a later one, types included, and a folder that is not in the order', async () => {
    const faults = await faultsOf({
      'node/store/log.ts': "import type { S } from '../swarms/deep/s.ts'\nexport type L = S\n",
      'node/swarms/deep/s.ts': 'export type S = 1\n',
      'node/create-node.ts': "import type { S } from './swarms/deep/s.ts'\nexport type C = S\n",
      'node/cli/main.ts': "import type { C } from '../create-node.ts'\nexport type M = C\n",
      'node/gateway/g.ts': "import type { C } from '../create-node.ts'\nexport type G = C\n",
      'node/attic/a.ts': 'export type A = 1\n'
    })
    expect(faults).toEqual([
      'node/attic/a.ts:1 node/attic is not among the rooms (scripts/check-layers.ts)',
      'node/gateway/g.ts:1 gateway does not import composition, a later room (node/create-node.ts)',
      'node/store/log.ts:1 store does not import swarms, a later room (node/swarms/deep/s.ts)'
    ])
  })

  it('refuses a circle between folders even when no two files are in one', async () => {
    const faults = await faultsOf({
      'protocols/a/one.ts': "import type { B } from '../b/one.ts'\nexport type A = B\n",
      'protocols/a/two.ts': 'export type T = 1\n',
      'protocols/b/one.ts': 'export type B = 1\n',
      'protocols/b/two.ts': "import type { T } from '../a/two.ts'\nexport type U = T\n"
    })
    expect(faults).toEqual([
      'protocols/a/one.ts:1 a circle between folders: protocols/a -> protocols/b -> protocols/a',
      'protocols/b/two.ts:1 a circle between folders: protocols/b -> protocols/a -> protocols/b'
    ])
  })
})
